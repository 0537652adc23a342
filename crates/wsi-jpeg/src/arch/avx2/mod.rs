//! Kernels for AVX2 with BMI2 (Haswell, Zen and later).

pub(super) mod idct;
pub(super) mod rows;
pub(super) mod unstuff;
