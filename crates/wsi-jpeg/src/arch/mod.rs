//! Kernels: the inner loops, in a scalar version and in ones for certain processors.
//!
//! This is the one place of the crate with `unsafe`. Each kernel is safe to call, takes slices, and
//! has a scalar twin outside this folder whose results it equals bit for bit.

#![allow(unsafe_code, reason = "vector loads and stores, and look-ups without bounds checks")]
#![cfg_attr(
    not(target_arch = "x86_64"),
    allow(unused_mut, unused_variables, reason = "vector kernels are for x86-64")
)]

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "x86_64")]
mod blocks;
pub(crate) mod lanes;
mod transpose;
mod words;

pub(crate) use transpose::transpose;
pub(crate) use words::as_words;

use crate::color::{self, Order};
use crate::huffman;
use crate::idct::{self, Block, Place, Target};
use crate::upsample::{self, Upsampled};

/// A set of kernels that this machine can run.
///
/// # Example
/// ```
/// use wsi_jpeg::Kernels;
///
/// assert!(Kernels::available().contains(&Kernels::detect()));
/// assert_eq!(Kernels::scalar().name(), "scalar");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kernels(Set);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Set {
    Scalar,
    Portable,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    #[cfg(target_arch = "x86_64")]
    Avx512,
}

impl Kernels {
    /// The fastest set. `--cfg wsi_force_scalar`, `--cfg wsi_force_portable` and
    /// `--cfg wsi_force_avx2` at build time keep it from choosing others.
    #[must_use]
    pub fn detect() -> Self {
        let available = Self::available();
        let best = if cfg!(wsi_force_scalar) {
            available.iter().find(|set| set.name() == "scalar")
        } else if cfg!(wsi_force_portable) {
            available.iter().find(|set| set.name() == "portable")
        } else if cfg!(wsi_force_avx2) {
            available.iter().rfind(|set| set.name() != "AVX-512")
        } else {
            available.last()
        };
        best.copied().unwrap_or_else(Self::scalar)
    }

    /// The plain set, which is the oracle of the others. The portable one has its kernels, and
    /// decodes codes as the vector sets do.
    #[must_use]
    pub fn scalar() -> Self {
        Self(Set::Scalar)
    }

    /// Every set that this machine can run, slowest first.
    #[must_use]
    pub fn available() -> Vec<Self> {
        let mut sets = vec![Self::scalar(), Self(Set::Portable)];
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("bmi1")
            && is_x86_feature_detected!("bmi2")
            && is_x86_feature_detected!("popcnt")
        {
            sets.push(Self(Set::Avx2));
            if is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512bw")
                && is_x86_feature_detected!("avx512vl")
                && is_x86_feature_detected!("avx512vbmi")
                && is_x86_feature_detected!("avx512vbmi2")
                && is_x86_feature_detected!("avx512vnni")
            {
                sets.push(Self(Set::Avx512));
            }
        }
        sets
    }

    /// Its name: "scalar", "portable", "AVX2", "AVX-512".
    #[must_use]
    pub fn name(self) -> &'static str {
        match self.0 {
            Set::Scalar => "scalar",
            Set::Portable => "portable",
            #[cfg(target_arch = "x86_64")]
            Set::Avx2 => "AVX2",
            #[cfg(target_arch = "x86_64")]
            Set::Avx512 => "AVX-512",
        }
    }

    #[cfg(target_arch = "x86_64")]
    fn has_vectors(self) -> bool {
        !matches!(self.0, Set::Scalar | Set::Portable)
    }

    /// Copies a data segment without its stuffing, see [`huffman::unstuff`].
    pub(crate) fn unstuff(
        self,
        data: &[u8],
        from: usize,
        out: &mut Vec<u8>,
    ) -> (usize, Option<u8>) {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: `available` has seen the features of this set; so in all that follow.
            Set::Avx2 => unsafe { avx2::unstuff::unstuff(data, from, out) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: as above.
            Set::Avx512 => unsafe { avx512::unstuff::unstuff(data, from, out) },
            Set::Scalar | Set::Portable => huffman::unstuff(data, from, out),
        }
    }

    /// Transforms the blocks of a chunk, each to its place, and zeroes them: [`idct::transform`].
    pub(crate) fn transform(
        self,
        blocks: &mut [Block],
        places: &[Place],
        targets: &mut [Target<'_>],
    ) {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: see `unstuff`.
            Set::Avx2 => unsafe { avx2::idct::transform(blocks, places, targets) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: see `unstuff`.
            Set::Avx512 => unsafe { avx512::idct::transform(blocks, places, targets) },
            Set::Scalar | Set::Portable => idct::transform(blocks, places, targets),
        }
    }

    /// Upsamples both ways: [`upsample::both`].
    pub(crate) fn both(self, near: &[u8], far: &[u8], sums: &mut [u16], out: &mut [u8]) {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: see `unstuff`.
            Set::Avx2 => unsafe { avx2::rows::both(near, far, sums, out) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: see `unstuff`.
            Set::Avx512 => unsafe { avx512::rows::both(near, far, out) },
            Set::Scalar | Set::Portable => upsample::both(near, far, sums, out),
        }
    }

    /// Upsamples across: [`upsample::across`].
    pub(crate) fn across(self, row: &[u8], out: &mut [u8]) {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: see `unstuff`.
            Set::Avx2 => unsafe { avx2::rows::across(row, out) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: see `unstuff`.
            Set::Avx512 => unsafe { avx512::rows::across(row, out) },
            Set::Scalar | Set::Portable => upsample::across(row, out),
        }
    }

    /// Upsamples down: [`upsample::down`].
    pub(crate) fn down(self, near: &[u8], far: &[u8], lower: bool, out: &mut [u8]) {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: see `unstuff`.
            Set::Avx2 => unsafe { avx2::rows::down(near, far, lower, out) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: see `unstuff`.
            Set::Avx512 => unsafe { avx512::rows::down(near, far, lower, out) },
            Set::Scalar | Set::Portable => upsample::down(near, far, lower, out),
        }
    }

    /// Converts a row from `YCbCr` to pixels: [`color::ycc_row`].
    pub(crate) fn ycc_row(self, order: Order, rows: [&[u8]; 3], out: &mut [u8]) {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: see `unstuff`.
            Set::Avx2 => unsafe { avx2::rows::ycc_row(order, rows, out) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: see `unstuff`.
            Set::Avx512 => unsafe { avx512::rows::ycc_row(order, rows, out) },
            Set::Scalar | Set::Portable => color::ycc_row(order, rows, 8, out),
        }
    }

    /// Upsamples two components and converts a row in one go, if this set has a kernel for it.
    ///
    /// The first `skip` of the upsampled samples are left out; `y` has as many before the row.
    pub(crate) fn ycc_upsampled(
        self,
        order: Order,
        y: &[u8],
        chroma: [Upsampled<'_>; 2],
        skip: usize,
        out: &mut [u8],
    ) -> bool {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            Set::Avx512 => {
                // SAFETY: see `unstuff`.
                unsafe { avx512::rows::ycc_upsampled(order, y, chroma, skip, out) };
                true
            }
            _ => false,
        }
    }

    /// Three rows to pixels: [`color::interleave`].
    pub(crate) fn interleave_row(self, order: Order, rows: [&[u8]; 3], out: &mut [u8]) {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: see `unstuff`.
            Set::Avx2 => unsafe { avx2::rows::interleave_row(order, rows, out) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: see `unstuff`.
            Set::Avx512 => unsafe { avx512::rows::interleave_row(order, rows, out) },
            Set::Scalar | Set::Portable => color::interleave(order, rows, out),
        }
    }
}

#[cfg(test)]
mod speed;
#[cfg(test)]
mod tests;
