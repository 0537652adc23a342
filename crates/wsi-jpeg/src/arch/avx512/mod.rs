//! Kernels for AVX-512 with BW, VL, VBMI, VBMI2 and VNNI (Ice Lake, Zen 4 and later).

#![allow(clippy::wildcard_imports, reason = "every other word would be the path of an intrinsic")]

mod corner;
pub(super) mod idct;
mod kinds;
mod reduced;
pub(super) mod rows;
pub(super) mod unstuff;
