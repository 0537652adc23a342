//! Kernels for AVX2 with BMI2 (Haswell, Zen and later).

#![allow(clippy::wildcard_imports, reason = "every other word would be the path of an intrinsic")]

pub(super) mod idct;
mod reduced;
pub(super) mod rows;
pub(super) mod unstuff;
