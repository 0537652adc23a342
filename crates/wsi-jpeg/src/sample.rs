//! The two widths of samples, and what is done differently for each.

use crate::arch::Kernels;
use crate::color::{self, Chunk, Order};
use crate::idct::{self, Block, Multipliers};
use crate::upsample::{self, Upsampled};

/// A sample of a plane: `u8` up to 8 bits, `u16` above.
pub(crate) trait Sample: Copy + Default + std::fmt::Debug + 'static {
    /// Bytes of one sample.
    const BYTES: usize;

    /// Widens.
    fn to_u16(self) -> u16;

    /// Keeps the low bits.
    fn from_u16(value: u16) -> Self;

    /// Writes a row of samples as bytes, native-endian.
    fn write(row: &[Self], out: &mut [u8]);

    /// Inverse transform of one block, see [`idct`].
    fn transform(size: usize, block: &Block, quant: &Multipliers, out: &mut [Self], stride: usize);

    /// Upsamples across, see [`upsample`].
    fn across(kernels: Kernels, row: &[Self], out: &mut [Self]);

    /// Upsamples down, see [`upsample`].
    fn down(kernels: Kernels, near: &[Self], far: &[Self], lower: bool, out: &mut [Self]);

    /// Upsamples both ways, see [`upsample`].
    fn both(kernels: Kernels, near: &[Self], far: &[Self], sums: &mut [u16], out: &mut [Self]);

    /// Converts a row from `YCbCr` to pixels.
    fn ycc_row(kernels: Kernels, order: Order, rows: [&[Self]; 3], bits: u8, out: &mut [u8]);

    /// Upsamples two components and converts a row in one go, where there is a kernel for it; see
    /// [`Kernels::ycc_upsampled`].
    fn ycc_upsampled(
        kernels: Kernels,
        order: Order,
        y: &[Self],
        chroma: [Upsampled<'_, Self>; 2],
        skip: usize,
        out: &mut [u8],
    ) -> bool;

    /// Three rows to pixels.
    fn interleave_row(kernels: Kernels, order: Order, rows: [&[Self]; 3], out: &mut [u8]);

    /// Converts a chunk of pixels from `YCbCr`, see [`color`].
    fn convert_ycc(y: &[Self], cb: &[Self], cr: &[Self], bits: u8, rgb: &mut Chunk<Self>);

    /// Three rows to pixels of three samples.
    fn interleave3(rows: [&[Self]; 3], out: &mut [u8]);

    /// Three rows to pixels of four samples, the last all ones.
    fn interleave_opaque(rows: [&[Self]; 3], out: &mut [u8]);
}

impl Sample for u8 {
    const BYTES: usize = 1;

    #[inline(always)]
    fn to_u16(self) -> u16 {
        self.into()
    }

    #[inline(always)]
    #[allow(clippy::cast_possible_truncation, reason = "keeping the low bits is the contract")]
    fn from_u16(value: u16) -> Self {
        value as Self
    }

    fn write(row: &[Self], out: &mut [u8]) {
        out[..row.len()].copy_from_slice(row);
    }

    #[inline(always)]
    fn transform(size: usize, block: &Block, quant: &Multipliers, out: &mut [Self], stride: usize) {
        idct::transform_8_bit(size, block, quant, out, stride);
    }

    fn across(kernels: Kernels, row: &[Self], out: &mut [Self]) {
        kernels.across(row, out);
    }

    fn down(kernels: Kernels, near: &[Self], far: &[Self], lower: bool, out: &mut [Self]) {
        kernels.down(near, far, lower, out);
    }

    fn both(kernels: Kernels, near: &[Self], far: &[Self], sums: &mut [u16], out: &mut [Self]) {
        kernels.both(near, far, sums, out);
    }

    fn ycc_row(kernels: Kernels, order: Order, rows: [&[Self]; 3], _bits: u8, out: &mut [u8]) {
        kernels.ycc_row(order, rows, out);
    }

    fn ycc_upsampled(
        kernels: Kernels,
        order: Order,
        y: &[Self],
        chroma: [Upsampled<'_, Self>; 2],
        skip: usize,
        out: &mut [u8],
    ) -> bool {
        kernels.ycc_upsampled(order, y, chroma, skip, out)
    }

    fn interleave_row(kernels: Kernels, order: Order, rows: [&[Self]; 3], out: &mut [u8]) {
        kernels.interleave_row(order, rows, out);
    }

    fn convert_ycc(y: &[Self], cb: &[Self], cr: &[Self], _bits: u8, rgb: &mut Chunk<Self>) {
        color::ycc_8_bit(y, cb, cr, rgb);
    }

    fn interleave3([a, b, c]: [&[Self]; 3], out: &mut [u8]) {
        let pixels = out.as_chunks_mut::<3>().0;
        for (((a, b), c), out) in a.iter().zip(b).zip(c).zip(pixels) {
            *out = [*a, *b, *c];
        }
    }

    fn interleave_opaque([a, b, c]: [&[Self]; 3], out: &mut [u8]) {
        let pixels = out.as_chunks_mut::<4>().0;
        for (((a, b), c), out) in a.iter().zip(b).zip(c).zip(pixels) {
            *out = [*a, *b, *c, 255];
        }
    }
}

impl Sample for u16 {
    const BYTES: usize = 2;

    #[inline(always)]
    fn to_u16(self) -> u16 {
        self
    }

    #[inline(always)]
    fn from_u16(value: u16) -> Self {
        value
    }

    fn write(row: &[Self], out: &mut [u8]) {
        for (to, sample) in out.as_chunks_mut::<2>().0.iter_mut().zip(row) {
            *to = sample.to_ne_bytes();
        }
    }

    fn transform(size: usize, block: &Block, quant: &Multipliers, out: &mut [Self], stride: usize) {
        idct::transform_12_bit(size, block, quant, out, stride);
    }

    fn across(_: Kernels, row: &[Self], out: &mut [Self]) {
        upsample::across(row, out);
    }

    fn down(_: Kernels, near: &[Self], far: &[Self], lower: bool, out: &mut [Self]) {
        upsample::down(near, far, lower, out);
    }

    fn both(_: Kernels, near: &[Self], far: &[Self], sums: &mut [u16], out: &mut [Self]) {
        upsample::both(near, far, sums, out);
    }

    fn ycc_row(_: Kernels, order: Order, rows: [&[Self]; 3], bits: u8, out: &mut [u8]) {
        color::ycc_row(order, rows, bits, out);
    }

    fn ycc_upsampled(
        _: Kernels,
        _: Order,
        _: &[Self],
        _: [Upsampled<'_, Self>; 2],
        _: usize,
        _: &mut [u8],
    ) -> bool {
        false
    }

    fn interleave_row(_: Kernels, order: Order, rows: [&[Self]; 3], out: &mut [u8]) {
        color::interleave(order, rows, out);
    }

    fn convert_ycc(y: &[Self], cb: &[Self], cr: &[Self], bits: u8, rgb: &mut Chunk<Self>) {
        color::ycc_wide(y, cb, cr, bits, rgb);
    }

    fn interleave3([a, b, c]: [&[Self]; 3], out: &mut [u8]) {
        let pixels = out.chunks_exact_mut(3 * Self::BYTES);
        for (((a, b), c), out) in a.iter().zip(b).zip(c).zip(pixels) {
            Self::write(&[*a, *b, *c], out);
        }
    }

    fn interleave_opaque([a, b, c]: [&[Self]; 3], out: &mut [u8]) {
        let pixels = out.chunks_exact_mut(4 * Self::BYTES);
        for (((a, b), c), out) in a.iter().zip(b).zip(c).zip(pixels) {
            Self::write(&[*a, *b, *c, Self::MAX], out);
        }
    }
}
