//! Kernels for AVX-512 with BW, VL, VBMI, VBMI2 and VNNI (Ice Lake, Zen 4 and later).

pub(super) mod idct;
pub(super) mod rows;
pub(super) mod unstuff;
