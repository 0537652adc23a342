//! Dequantisation, inverse DCT and level shift of one block, full size and reduced.
//!
//! The arithmetic is libjpeg-turbo's "islow" (Loeffler, Ligtenberg and Moschytz with 13-bit
//! constants), to the bit. Columns first, then rows; sums have no inner rounding, so the order of
//! additions is free, and each pass ends with a rounding shift.
//!
//! For 8-bit samples this follows the x86 SIMD routines also where data are corrupt and values
//! leave their range: a coefficient times its quantiser is cut to 16 bits, the sums `x0 ± x4`,
//! `x7 + x3` and `x5 + x1` wrap at 16 bits, the results of the first pass saturate to 16 bits, and
//! those of the second to 8. If rows 1 to 7 of a block are all zero, the first pass is a wrapping
//! shift instead. Legal data never come near these limits.
//!
//! For 12-bit samples see `wide`.

#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "values are clamped to the target's range, or wrap on purpose as the module doc says"
)]

mod wide;

use std::ops::{Deref, DerefMut};

use crate::arch::transpose;
use crate::tables::{NATURAL_ORDER, ZIGZAG_ORDER};

use wide::masked_limit;
pub(crate) use wide::transform_12_bit;

/// One block of coefficients in zigzag order: the order in which they are decoded.
///
/// It fills two cache lines, so that vector kernels load it without crossing one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C, align(128))]
pub(crate) struct Block(pub(crate) [i16; 64]);

impl Block {
    pub(crate) const ZERO: Self = Self([0; 64]);
}

impl Deref for Block {
    type Target = [i16; 64];

    #[inline(always)]
    fn deref(&self) -> &[i16; 64] {
        &self.0
    }
}

impl DerefMut for Block {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut [i16; 64] {
        &mut self.0
    }
}

/// Quantisers in zigzag order, as the multipliers of the reference: cut to 16 bits.
pub(crate) type Multipliers = [i16; 64];

/// Multiplies by the quantisers, as the reference does, cut to 16 bits, and orders by rows.
///
/// What lies outside the first `K` rows and columns is left out where `K` is 4.
#[inline(always)]
fn dequantise<const K: usize>(block: &Block, quant: &Multipliers) -> [Lanes; 8] {
    let mut p = [0_i16; 64];
    let products = p.iter_mut().zip(&block.0).zip(quant);
    for ((product, value), quant) in products.take(if K == 4 { 10 } else { 64 }) {
        *product = value.wrapping_mul(*quant);
    }
    // Written out: a loop over a table of places takes twice as long.
    #[rustfmt::skip]
    let rows = [
        [p[0], p[1], p[5], p[6], p[14], p[15], p[27], p[28]],
        [p[2], p[4], p[7], p[13], p[16], p[26], p[29], p[42]],
        [p[3], p[8], p[12], p[17], p[25], p[30], p[41], p[43]],
        [p[9], p[11], p[18], p[24], p[31], p[40], p[44], p[53]],
        [p[10], p[19], p[23], p[32], p[39], p[45], p[52], p[54]],
        [p[20], p[22], p[33], p[38], p[46], p[51], p[55], p[60]],
        [p[21], p[34], p[37], p[47], p[50], p[56], p[59], p[61]],
        [p[35], p[36], p[48], p[49], p[57], p[58], p[62], p[63]],
    ];
    rows
}

/// All ones at the zigzag indices of these rows.
const fn rows_mask(rows: &[u8]) -> [i16; 64] {
    let mut mask = [0; 64];
    let mut index = 0;
    while index < 64 {
        let mut row = 0;
        while row < rows.len() {
            if NATURAL_ORDER[index] / 8 == rows[row] {
                mask[index] = -1;
            }
            row += 1;
        }
        index += 1;
    }
    mask
}

/// Whether a block has nothing where `mask` has ones.
#[inline(always)]
fn is_zero(block: &Block, mask: &[i16; 64]) -> bool {
    block
        .iter()
        .zip(mask)
        .fold(0, |any, (value, mask)| any | (value & mask))
        == 0
}

// cos-based constants of the LL&M transform, times 2^13.
const F_0_298: i32 = 2446;
const F_0_390: i32 = 3196;
const F_0_541: i32 = 4433;
const F_0_765: i32 = 6270;
const F_0_899: i32 = 7373;
const F_1_175: i32 = 9633;
const F_1_501: i32 = 12299;
const F_1_847: i32 = 15137;
const F_1_961: i32 = 16069;
const F_2_053: i32 = 16819;
const F_2_562: i32 = 20995;
const F_3_072: i32 = 25172;

/// Where one block of a chunk goes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    pub(crate) component: u8,
    /// The block's first sample in the samples of the component's target, or [`Self::SKIP`].
    pub(crate) offset: u32,
}

impl Place {
    /// The offset of blocks that nobody wants.
    pub(crate) const SKIP: u32 = u32::MAX;
}

/// Where the samples of one component go.
#[derive(Debug)]
pub(crate) struct Target<'p> {
    samples: &'p mut [u8],
    stride: usize,
    size: usize,
    starts: usize,
    pub(crate) quant: &'p Multipliers,
}

impl<'p> Target<'p> {
    /// Rows of samples, `stride` apart, for blocks of `size` samples across and down: 8, 4, 2 or 1.
    pub(crate) fn new(
        samples: &'p mut [u8],
        stride: usize,
        size: usize,
        quant: &'p Multipliers,
    ) -> Self {
        let block = size
            .checked_sub(1)
            .and_then(|last| last.checked_mul(stride))
            .and_then(|last| last.checked_add(size));
        let starts = block.and_then(|block| (samples.len() + 1).checked_sub(block));
        Self {
            starts: starts.unwrap_or(0),
            samples,
            stride,
            size,
            quant,
        }
    }

    /// Samples of a block across and down.
    #[cfg_attr(
        not(target_arch = "x86_64"),
        allow(dead_code, reason = "vector kernels are for x86-64")
    )]
    pub(crate) fn size(&self) -> usize {
        self.size
    }

    /// The samples from where a block starts, and how far its rows are apart.
    ///
    /// # Panics
    /// If not all of its rows, of [`Self::size`] samples each, are within the samples.
    #[inline(always)]
    pub(crate) fn block_at(&mut self, place: &Place) -> (&mut [u8], usize) {
        let start = place.offset as usize;
        assert!(start < self.starts, "a block outside its plane");
        (&mut self.samples[start..], self.stride)
    }
}

/// Transforms the blocks of a chunk, each to its place, and zeroes them.
pub(crate) fn transform(blocks: &mut [Block], places: &[Place], targets: &mut [Target<'_>]) {
    for (block, place) in blocks.iter_mut().zip(places) {
        if place.offset != Place::SKIP
            && let Some(target) = targets.get_mut(usize::from(place.component))
        {
            let (size, quant) = (target.size, target.quant);
            let (out, stride) = target.block_at(place);
            transform_8_bit(size, block, quant, out, stride);
        }
        *block = Block::ZERO;
    }
}

/// An upper bound of the zigzag index of a block's last coefficient that is not zero: 0, 9 or 63.
#[inline(always)]
fn last_index(block: &Block) -> u8 {
    let any = |from: usize| block[from..].iter().fold(0, |any, value| any | value) != 0;
    if any(10) {
        63
    } else if any(1) {
        9
    } else {
        0
    }
}

/// Transforms a block of 8-bit samples to `size` x `size` samples (8, 4, 2 or 1).
///
/// `out` starts at the block's first sample; rows are `stride` apart.
pub(crate) fn transform_8_bit(
    size: usize,
    block: &Block,
    quant: &Multipliers,
    out: &mut [u8],
    stride: usize,
) {
    match size {
        8 => match last_index(block) {
            0 => fill(out, stride, dc_only(block, quant)),
            // Zigzag indices up to 9 lie in the first four rows and columns.
            9 => full::<4>(block, quant, out, stride),
            _ => full::<8>(block, quant, out, stride),
        },
        4 => half(block, quant, out, stride),
        2 => quarter(block, quant, out, stride),
        _ => {
            if let Some(sample) = out.first_mut() {
                *sample = eighth(block, quant);
            }
        }
    }
}

/// Adds 128 and saturates.
#[inline(always)]
fn level(value: i16) -> u8 {
    (value.clamp(-128, 127) as u8) ^ 0x80
}

#[inline(always)]
fn saturate(value: i32) -> i16 {
    value.clamp(i32::from(i16::MIN), i32::from(i16::MAX)) as i16
}

/// Adds half and shifts.
#[inline(always)]
fn descale<const SHIFT: u32>(value: i32) -> i32 {
    value.wrapping_add(1 << (SHIFT - 1)) >> SHIFT
}

/// The one sample value of a block without AC coefficients.
pub(crate) fn dc_only(block: &Block, quant: &Multipliers) -> u8 {
    let dc = block[0].wrapping_mul(quant[0]).wrapping_shl(2);
    level(descale::<5>(dc.into()) as i16)
}

fn fill(out: &mut [u8], stride: usize, sample: u8) {
    for row in out.chunks_mut(stride).take(8) {
        row[..8].fill(sample);
    }
}

/// Eight values that are worked on side by side.
pub(crate) type Lanes = [i16; 8];

/// One pass of the 8-point transform for each lane, with its rounding shift.
///
/// Only the first `K` inputs may be nonzero. The lanes are independent and every product has
/// 16-bit factors, so that the loop becomes vector code.
#[inline(always)]
#[allow(clippy::needless_range_loop, reason = "a lane runs through several arrays at once")]
fn pass<const K: usize, const SHIFT: u32>(x: &[Lanes; 8]) -> [Lanes; 8] {
    let mut out = [[0; 8]; 8];
    let input = |row: usize, lane: usize| if row < K { x[row][lane] } else { 0 };
    for lane in 0..8 {
        let x: [i16; 8] = std::array::from_fn(|row| input(row, lane));
        let wide = |value: i16, factor: i32| i32::from(value) * factor;
        let t0 = i32::from(x[0].wrapping_add(x[4])) << 13;
        let t1 = i32::from(x[0].wrapping_sub(x[4])) << 13;
        let t2 = wide(x[2], F_0_541) + wide(x[6], F_0_541 - F_1_847);
        let t3 = wide(x[2], F_0_541 + F_0_765) + wide(x[6], F_0_541);
        let even = [
            t0.wrapping_add(t3),
            t1.wrapping_add(t2),
            t1.wrapping_sub(t2),
            t0.wrapping_sub(t3),
        ];

        let z3 = x[7].wrapping_add(x[3]);
        let z4 = x[5].wrapping_add(x[1]);
        let s3 = wide(z3, F_1_175 - F_1_961) + wide(z4, F_1_175);
        let s4 = wide(z3, F_1_175) + wide(z4, F_1_175 - F_0_390);
        let odd = [
            (wide(x[7], -F_0_899) + wide(x[1], F_1_501 - F_0_899)).wrapping_add(s4),
            (wide(x[5], -F_2_562) + wide(x[3], F_3_072 - F_2_562)).wrapping_add(s3),
            (wide(x[5], F_2_053 - F_2_562) + wide(x[3], -F_2_562)).wrapping_add(s4),
            (wide(x[7], F_0_298 - F_0_899) + wide(x[1], -F_0_899)).wrapping_add(s3),
        ];
        for k in 0..4 {
            out[k][lane] = saturate(descale::<SHIFT>(even[k].wrapping_add(odd[k])));
            out[7 - k][lane] = saturate(descale::<SHIFT>(even[k].wrapping_sub(odd[k])));
        }
    }
    out
}

/// Writes rows of samples.
#[inline(always)]
fn put(rows: &[Lanes; 8], out: &mut [u8], stride: usize) {
    let mut samples = [[0; 8]; 8];
    let values = rows.as_flattened().iter();
    for (sample, value) in samples.as_flattened_mut().iter_mut().zip(values) {
        *sample = level(*value);
    }
    for (out, row) in out.chunks_mut(stride).zip(&samples) {
        out[..8].copy_from_slice(row);
    }
}

/// 8 x 8 samples from the first `K` rows and columns of coefficients; the others are zero.
#[inline(always)]
fn full<const K: usize>(block: &Block, quant: &Multipliers, out: &mut [u8], stride: usize) {
    const BELOW_FIRST: [i16; 64] = rows_mask(&[1, 2, 3, 4, 5, 6, 7]);
    let work = dequantise::<K>(block, quant);
    let flat = is_zero(block, &BELOW_FIRST);
    let columns = if flat {
        let first = work[0].map(|value| value.wrapping_shl(2));
        [first; 8]
    } else {
        pass::<K, 11>(&work)
    };
    put(
        &transpose(&pass::<K, 18>(&transpose(&columns))),
        out,
        stride,
    );
}

/// One pass of the transform to 4 samples, before the rounding shift; `x[4]` is not used.
#[inline(always)]
fn pass_half(x: [i16; 8]) -> [i32; 4] {
    let wide = |index: usize, factor: i32| i32::from(x[index]) * factor;
    let e = i32::from(x[0]) << 14;
    let t = wide(2, F_1_847) + wide(6, -F_0_765);
    let u = (wide(1, 20995) + wide(3, 7373)).wrapping_add(wide(5, -4926) + wide(7, -4176));
    let v = (wide(1, 8697) + wide(3, -17799)).wrapping_add(wide(5, 11893) + wide(7, -1730));
    let (sum, difference) = (e.wrapping_add(t), e.wrapping_sub(t));
    [
        sum.wrapping_add(u),
        difference.wrapping_add(v),
        difference.wrapping_sub(v),
        sum.wrapping_sub(u),
    ]
}

/// 4 x 4 samples; row and column 4 have no part in them.
fn half(block: &Block, quant: &Multipliers, out: &mut [u8], stride: usize) {
    const USED: [i16; 64] = rows_mask(&[1, 2, 3, 5, 6, 7]);
    let flat = is_zero(block, &USED);
    let natural = dequantise::<8>(block, quant);
    let natural = natural.as_flattened();
    let mut work = [[0_i16; 8]; 4];
    for column in [0, 1, 2, 3, 5, 6, 7] {
        let at = |row: usize| natural[row * 8 + column];
        if flat {
            for row in &mut work {
                row[column] = at(0).wrapping_shl(2);
            }
        } else {
            let x = [at(0), at(1), at(2), at(3), 0, at(5), at(6), at(7)];
            for (row, value) in work.iter_mut().zip(pass_half(x)) {
                row[column] = saturate(descale::<12>(value));
            }
        }
    }
    for (samples, row) in out.chunks_mut(stride).zip(&work) {
        for (sample, value) in samples.iter_mut().zip(pass_half(*row)) {
            *sample = level(saturate(descale::<19>(value)));
        }
    }
}

/// What [`quarter`] makes of a block without AC coefficients. Its DC column has 32 bits in both
/// passes, so that it wraps elsewhere than that of the other sizes.
#[cfg_attr(not(target_arch = "x86_64"), allow(dead_code, reason = "vector kernels are for x86-64"))]
pub(crate) fn dc_only_quarter(block: &Block, quant: &Multipliers) -> u8 {
    let dc = i32::from(block[0].wrapping_mul(quant[0]));
    level(saturate(descale::<20>(dc.wrapping_shl(17))))
}

/// 2 x 2 samples, from rows and columns 0, 1, 3, 5 and 7.
fn quarter(block: &Block, quant: &Multipliers, out: &mut [u8], stride: usize) {
    // The odd part of x1, x3, x5, x7.
    let odd = |x: [i16; 4]| {
        (i32::from(x[0]) * 29692 + i32::from(x[1]) * -10426)
            .wrapping_add(i32::from(x[2]) * 6967 + i32::from(x[3]) * -5906)
    };
    let at = |natural: usize| {
        let index = usize::from(ZIGZAG_ORDER[natural]);
        block[index].wrapping_mul(quant[index])
    };
    let column = |c: usize| {
        let even = i32::from(at(c)) << 15;
        let odd = odd([at(8 + c), at(24 + c), at(40 + c), at(56 + c)]);
        [
            descale::<13>(even.wrapping_add(odd)),
            descale::<13>(even.wrapping_sub(odd)),
        ]
    };
    // The DC column keeps its 32 bits; the others are packed to 16.
    let (dc, ac) = (column(0), [column(1), column(3), column(5), column(7)]);
    for (row, samples) in out.chunks_mut(stride).take(2).enumerate() {
        let even = dc[row].wrapping_shl(15);
        let odd = odd(ac.map(|values| saturate(values[row])));
        let values = [even.wrapping_add(odd), even.wrapping_sub(odd)];
        for (sample, value) in samples.iter_mut().zip(values) {
            *sample = level(saturate(descale::<20>(value)));
        }
    }
}

/// One sample. This size is C code in the reference, with the masked range limit.
pub(crate) fn eighth(block: &Block, quant: &Multipliers) -> u8 {
    let dc = (i32::from(block[0]) * i32::from(quant[0]) + 4) >> 3;
    masked_limit(i64::from(dc), 8) as u8
}

#[cfg(test)]
#[allow(clippy::cast_possible_wrap, reason = "test patterns")]
mod tests {
    use super::wide::pass_12_bit;
    use super::*;

    fn noise(seed: u32, bits: u32) -> impl FnMut() -> i16 {
        let mut state = seed;
        move || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state as i32 >> (32 - bits)) as i16
        }
    }

    /// The plain matrix of the transform in wide arithmetic.
    fn plain(size: usize, block: &Block, quant: &Multipliers) -> Vec<u8> {
        let shifts = match size {
            8 => (11, 18),
            4 => (12, 19),
            _ => (13, 20),
        };
        let mut work = [[0_i64; 8]; 8];
        for column in 0..8 {
            let x = std::array::from_fn(|row| {
                let index = usize::from(ZIGZAG_ORDER[row * 8 + column]);
                i64::from(block[index]) * i64::from(quant[index])
            });
            for (row, value) in work.iter_mut().zip(pass_12_bit(size, x)) {
                row[column] = (value + (1 << (shifts.0 - 1))) >> shifts.0;
            }
        }
        let mut out = Vec::new();
        for row in work.iter().take(size) {
            for value in &pass_12_bit(size, *row)[..size] {
                let value = (value + (1 << (shifts.1 - 1))) >> shifts.1;
                out.push((value + 128).clamp(0, 255) as u8);
            }
        }
        out
    }

    #[test]
    fn every_size_equals_the_plain_matrix_on_legal_data() {
        let mut next = noise(1, 5);
        for round in 0..500 {
            let mut block = Block(std::array::from_fn(|_| next()));
            if round % 3 == 0 {
                block[10..].fill(0);
            }
            let quant: Multipliers = std::array::from_fn(|index| 1 + index as i16 / 4);
            for size in [8_usize, 4, 2] {
                let mut out = vec![0; 8 * 8];
                transform_8_bit(size, &block, &quant, &mut out, 8);
                let ours: Vec<u8> = out
                    .chunks(8)
                    .take(size)
                    .flat_map(|row| row[..size].to_vec())
                    .collect();
                assert_eq!(ours, plain(size, &block, &quant));
            }
        }
    }

    #[test]
    fn shortcuts_equal_the_full_transform_on_any_data() {
        let mut next = noise(7, 16);
        for _ in 0..2000 {
            let mut block = Block::ZERO;
            let quant: Multipliers = std::array::from_fn(|_| next());
            block[0] = next();
            let (mut short, mut long) = ([0; 64], [0; 64]);
            transform_8_bit(8, &block, &quant, &mut short, 8);
            full::<8>(&block, &quant, &mut long, 8);
            assert_eq!(short, long);
            block[1..10].fill_with(&mut next);
            transform_8_bit(8, &block, &quant, &mut short, 8);
            full::<8>(&block, &quant, &mut long, 8);
            assert_eq!(short, long);
        }
    }
}
