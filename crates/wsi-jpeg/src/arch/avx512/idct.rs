//! The inverse transform, two blocks at a time.
//!
//! Coefficients come in zigzag order. One permutation of the two registers of a block brings them
//! into the pairs that a multiply-add of 16-bit pairs wants, for all columns at once: `(x0, x4)`,
//! `(x2, x6)`, `(x7, x1)`, `(x3, x5)`. Both passes then are the sums of
//! [`idct`](crate::idct), with the rounding as the value that the sums start from.

#![allow(
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    clippy::cast_possible_truncation,
    reason = "bit patterns of constants, and samples after saturation"
)]

use std::arch::x86_64::*;

use super::super::blocks::{EVEN, LIST, ODD, destination, put_2, put_4, put_8, sort};
use super::corner::corners;
use super::kinds::Kinds;
use super::reduced::{four, two};
use crate::idct::{Block, Multipliers, Place, Target};
use crate::tables::ZIGZAG_ORDER;

/// Indices for a permutation of 32 words out of two registers.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
pub(super) struct Words([i16; 32]);

/// Indices for a permutation of 64 bytes out of two registers.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
pub(super) struct Bytes(pub(super) [u8; 64]);

/// From zigzag order to the pairs of rows of all 8 columns, 8 pairs for each of two pairs of rows.
const fn pair_rows(rows: [(usize, usize); 2]) -> Words {
    let mut words = [0; 32];
    let mut pair = 0;
    while pair < 2 {
        let mut column = 0;
        while column < 8 {
            let at = pair * 16 + column * 2;
            words[at] = ZIGZAG_ORDER[rows[pair].0 * 8 + column] as i16;
            words[at + 1] = ZIGZAG_ORDER[rows[pair].1 * 8 + column] as i16;
            column += 1;
        }
        pair += 1;
    }
    Words(words)
}

/// From the first pass to the pairs of columns of four rows, for both blocks.
///
/// The first pass packs two rows to a register: in each 128-bit lane 4 columns of the one, then of
/// the other; lanes 0 and 1 are the first block, 2 and 3 the second.
const fn pair_columns(columns: [(usize, usize); 2]) -> Words {
    const fn word(row: usize, column: usize, block: usize) -> i16 {
        let lane = block * 2 + column / 4;
        ((row / 2) * 32 + lane * 8 + (row % 2) * 4 + column % 4) as i16
    }
    let mut words = [0; 32];
    let mut block = 0;
    while block < 2 {
        let mut pair = 0;
        while pair < 2 {
            let mut row = 0;
            while row < 4 {
                let at = (block * 2 + pair) * 8 + row * 2;
                words[at] = word(row, columns[pair].0, block);
                words[at + 1] = word(row, columns[pair].1, block);
                row += 1;
            }
            pair += 1;
        }
        block += 1;
    }
    Words(words)
}

/// From the second pass to 64 samples, row by row; `slots` says which of the 16 sums of each column
/// the rows are.
pub(super) const fn samples(slots: [usize; 8]) -> Bytes {
    let mut bytes = [0; 64];
    let mut row = 0;
    while row < 8 {
        let mut column = 0;
        while column < 8 {
            // Two columns to a register of words, whose lanes alternate with those of the next two.
            let word = column % 2 * 16 + slots[row];
            let at = column / 4 * 64 + word / 8 * 16 + column % 4 / 2 * 8 + word % 8;
            bytes[row * 8 + column] = at as u8;
            column += 1;
        }
        row += 1;
    }
    Bytes(bytes)
}

static ROWS_EVEN: Words = pair_rows(EVEN);
static ROWS_ODD: Words = pair_rows(ODD);
pub(super) static COLUMNS_EVEN: Words = pair_columns(EVEN);
pub(super) static COLUMNS_ODD: Words = pair_columns(ODD);
/// The upper words of two registers.
static UPPER: Words = {
    let mut words = [0; 32];
    let mut at = 0;
    while at < 32 {
        words[at] = 2 * at as i16 + 1;
        at += 1;
    }
    Words(words)
};
/// Of either block: rows 0 to 3 of both come before rows 4 to 7.
static SAMPLES: [Bytes; 2] = [
    samples([0, 1, 2, 3, 8, 9, 10, 11]),
    samples([4, 5, 6, 7, 12, 13, 14, 15]),
];

/// See [`Kernels::transform`](super::super::Kernels::transform).
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vbmi,avx512vbmi2,avx512vnni")]
pub(in crate::arch) fn transform(
    blocks: &mut [Block],
    places: &[Place],
    targets: &mut [Target<'_>],
) {
    for (blocks, places) in blocks.chunks_mut(LIST).zip(places.chunks(LIST)) {
        if targets.iter().all(|target| target.size() == 8) {
            let kinds = Kinds::sort(blocks, places, targets);
            corners(kinds.corner.numbers(), blocks, places, targets);
            eights(kinds.full.numbers(), blocks, places, targets);
            continue;
        }
        let lists = sort::<false>(blocks, places, targets, |block| nonzero(block));
        eights(lists.of(8, false), blocks, places, targets);
        pairs::<4>(lists.of(4, false), blocks, places, targets);
        pairs::<2>(lists.of(2, false), blocks, places, targets);
    }
}

/// A bit for each coefficient that is not zero, by zigzag index.
#[target_feature(enable = "avx512f,avx512bw")]
#[inline]
pub(super) fn nonzero(block: &Block) -> u64 {
    let (low, high) = load(block);
    u64::from(_mm512_test_epi16_mask(low, low))
        | u64::from(_mm512_test_epi16_mask(high, high)) << 32
}

#[target_feature(enable = "avx512f")]
fn load(block: &Block) -> (__m512i, __m512i) {
    let at = block.as_ptr().cast::<__m512i>();
    // SAFETY: a block is 128 bytes, aligned to as many.
    unsafe { (_mm512_load_si512(at), _mm512_load_si512(at.add(1))) }
}

#[target_feature(enable = "avx512f")]
pub(super) fn load_words(words: &Words) -> __m512i {
    // SAFETY: 64 bytes, aligned to as many.
    unsafe { _mm512_load_si512(words.0.as_ptr().cast()) }
}

#[target_feature(enable = "avx512f")]
pub(super) fn load_bytes(bytes: &Bytes) -> __m512i {
    // SAFETY: 64 bytes, aligned to as many.
    unsafe { _mm512_load_si512(bytes.0.as_ptr().cast()) }
}

/// The expression with the index 0, and with 1.
macro_rules! twice {
    (|$index:ident| $expression:expr) => {
        [
            {
                const $index: usize = 0;
                $expression
            },
            {
                const $index: usize = 1;
                $expression
            },
        ]
    };
}

/// Transforms the blocks of a list to 8 x 8 samples and zeroes them.
///
/// Four at a time: two pairs, so that the one fills the waits of the other.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vbmi,avx512vbmi2,avx512vnni")]
fn eights(list: &[u8], blocks: &mut [Block], places: &[Place], targets: &mut [Target<'_>]) {
    for four in list.chunks(4) {
        // The last one is transformed again for those that lack.
        let last = four.len() - 1;
        let numbers = [0, 1, 2, 3].map(|index: usize| usize::from(four[index.min(last)]));
        let quant_of = |number: usize| targets[usize::from(places[number].component)].quant;
        let input = twice!(|I| {
            let (first, second) = (numbers[2 * I], numbers[2 * I + 1]);
            two_blocks(
                operands(&blocks[first], quant_of(first)),
                operands(&blocks[second], quant_of(second)),
            )
        });
        for number in numbers {
            blocks[number] = Block::ZERO;
        }
        let pairs = eight(&input);
        for (index, number) in numbers.into_iter().enumerate() {
            let (columns0, columns4) = pairs[index / 2];
            let order = load_bytes(&SAMPLES[index % 2]);
            let all = _mm512_permutex2var_epi8(columns0, order, columns4);
            let rows = [
                _mm512_castsi512_si128(all),
                _mm512_extracti32x4_epi32::<1>(all),
                _mm512_extracti32x4_epi32::<2>(all),
                _mm512_extracti32x4_epi32::<3>(all),
            ];
            let place = &places[number];
            let target = &mut targets[usize::from(place.component)];
            put_8(rows, destination(target, place, 8));
        }
    }
}

/// Transforms the blocks of a list to `SIZE` x `SIZE` samples, 4 or 2, and zeroes them.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vbmi,avx512vbmi2,avx512vnni")]
fn pairs<const SIZE: usize>(
    list: &[u8],
    blocks: &mut [Block],
    places: &[Place],
    targets: &mut [Target<'_>],
) {
    for pair in list.chunks(2) {
        let first = usize::from(pair[0]);
        // The last of an odd number is transformed twice.
        let second = usize::from(*pair.last().unwrap_or(&pair[0]));
        let numbers = [first, second];
        // Not by `array::map`: closures given to it would be called, not inlined.
        let quant_of = |number: usize| targets[usize::from(places[number].component)].quant;
        let a = operands(&blocks[first], quant_of(first));
        let b = operands(&blocks[second], quant_of(second));
        blocks[first] = Block::ZERO;
        blocks[second] = Block::ZERO;
        let input = two_blocks(a, b);
        if SIZE == 4 {
            let both = four(&input);
            let rows = [
                _mm512_castsi512_si128(both),
                _mm512_extracti32x4_epi32::<1>(both),
            ];
            for (number, rows) in numbers.into_iter().zip(rows) {
                let place = &places[number];
                let target = &mut targets[usize::from(place.component)];
                put_4(rows, destination(target, place, 4));
            }
        } else {
            let both = two(&input);
            let rows = [
                _mm512_castsi512_si128(both),
                _mm512_extracti32x4_epi32::<2>(both),
            ];
            for (number, rows) in numbers.into_iter().zip(rows) {
                let place = &places[number];
                let target = &mut targets[usize::from(place.component)];
                put_2(rows, destination(target, place, 2));
            }
        }
    }
}

/// Whether the first pass, which saturates, gives what the wrapping shift of a block gives that has
/// nothing outside its first row: twin of [`is_tame`](super::super::blocks::is_tame).
#[target_feature(enable = "avx512f,avx512bw")]
pub(super) fn is_tame(block: &Block, quant: &Multipliers) -> bool {
    let (low, _) = load(block);
    // SAFETY: there are 64 quantisers, 128 bytes.
    let quant = unsafe { _mm512_loadu_si512(quant.as_ptr().cast()) };
    let product = _mm512_mullo_epi16(low, quant);
    // All but those of the first row are zero.
    let sum = _mm512_add_epi16(product, _mm512_set1_epi16(8192));
    _mm512_cmpge_epu16_mask(sum, _mm512_set1_epi16(16384)) == 0
}

/// The pairs of one block: of even rows, of odd rows.
#[target_feature(enable = "avx512f,avx512bw")]
fn operands(block: &Block, quant: &Multipliers) -> (__m512i, __m512i) {
    let (low, high) = load(block);
    let at = quant.as_ptr().cast::<__m512i>();
    // SAFETY: there are 64 quantisers, 128 bytes.
    let (quant_low, quant_high) =
        unsafe { (_mm512_loadu_si512(at), _mm512_loadu_si512(at.add(1))) };
    let low = _mm512_mullo_epi16(low, quant_low);
    let high = _mm512_mullo_epi16(high, quant_high);
    (
        _mm512_permutex2var_epi16(low, load_words(&ROWS_EVEN), high),
        _mm512_permutex2var_epi16(low, load_words(&ROWS_ODD), high),
    )
}

/// Of two blocks.
#[target_feature(enable = "avx512f")]
fn two_blocks(a: (__m512i, __m512i), b: (__m512i, __m512i)) -> Operands {
    Operands {
        p04: _mm512_shuffle_i64x2::<0x44>(a.0, b.0),
        p26: _mm512_shuffle_i64x2::<0xEE>(a.0, b.0),
        p71: _mm512_shuffle_i64x2::<0x44>(a.1, b.1),
        p35: _mm512_shuffle_i64x2::<0xEE>(a.1, b.1),
    }
}

/// Pairs of 16 columns or rows.
#[derive(Clone, Copy)]
pub(super) struct Operands {
    pub(super) p04: __m512i,
    pub(super) p26: __m512i,
    pub(super) p71: __m512i,
    pub(super) p35: __m512i,
}

/// A pair of factors.
pub(super) const fn pair(low: i32, high: i32) -> i32 {
    high << 16 | (low & 0xFFFF)
}

/// A pair of factors, for every pair.
#[target_feature(enable = "avx512f")]
pub(super) fn factors(low: i32, high: i32) -> __m512i {
    _mm512_set1_epi32(pair(low, high))
}

/// Products of pairs, summed and added to `sum`.
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
#[inline]
pub(super) fn multiply_add(mut sum: __m512i, pairs: __m512i, low: i32, high: i32) -> __m512i {
    let factors = factors(low, high);
    // SAFETY: registers only. Compilers make two instructions of the intrinsic.
    unsafe {
        std::arch::asm!(
            "vpdpwssd {0}, {1}, {2}",
            inout(zmm_reg) sum, in(zmm_reg) pairs, in(zmm_reg) factors, options(pure, nomem, nostack, preserves_flags));
    }
    sum
}

/// One pass of the 8-point transform, before the shift; `half` is what rounds it.
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
#[inline]
fn pass_8(x: &[Operands; 2], half: __m512i) -> [[__m512i; 2]; 8] {
    // The sums of 16 bits wrap, as the reference's do.
    let swapped = twice!(|I| _mm512_rol_epi32::<16>(x[I].p04));
    let t0 = twice!(|I| multiply_add(half, _mm512_add_epi16(x[I].p04, swapped[I]), 8192, 0));
    let t1 = twice!(|I| multiply_add(half, _mm512_sub_epi16(x[I].p04, swapped[I]), 8192, 0));
    let e0 = twice!(|I| multiply_add(t0[I], x[I].p26, 10703, 4433));
    let e3 = twice!(|I| multiply_add(t0[I], x[I].p26, -10703, -4433));
    let e1 = twice!(|I| multiply_add(t1[I], x[I].p26, 4433, -10704));
    let e2 = twice!(|I| multiply_add(t1[I], x[I].p26, -4433, 10704));

    let z34 = twice!(|I| _mm512_add_epi16(x[I].p71, x[I].p35));
    let s3 = twice!(|I| _mm512_madd_epi16(z34[I], factors(-6436, 9633)));
    let s4 = twice!(|I| _mm512_madd_epi16(z34[I], factors(9633, 6437)));
    let o0 = twice!(|I| multiply_add(s4[I], x[I].p71, -7373, 4926));
    let o1 = twice!(|I| multiply_add(s3[I], x[I].p35, 4177, -20995));
    let o2 = twice!(|I| multiply_add(s4[I], x[I].p35, -20995, -4176));
    let o3 = twice!(|I| multiply_add(s3[I], x[I].p71, -4927, -7373));
    [
        twice!(|I| _mm512_add_epi32(e0[I], o0[I])),
        twice!(|I| _mm512_add_epi32(e1[I], o1[I])),
        twice!(|I| _mm512_add_epi32(e2[I], o2[I])),
        twice!(|I| _mm512_add_epi32(e3[I], o3[I])),
        twice!(|I| _mm512_sub_epi32(e3[I], o3[I])),
        twice!(|I| _mm512_sub_epi32(e2[I], o2[I])),
        twice!(|I| _mm512_sub_epi32(e1[I], o1[I])),
        twice!(|I| _mm512_sub_epi32(e0[I], o0[I])),
    ]
}

/// Shifts and packs two rows to 16 bits with saturation.
#[target_feature(enable = "avx512f,avx512bw")]
pub(super) fn pack<const SHIFT: u32>(a: __m512i, b: __m512i) -> __m512i {
    _mm512_packs_epi32(_mm512_srai_epi32::<SHIFT>(a), _mm512_srai_epi32::<SHIFT>(b))
}

/// Both passes for two pairs of blocks: of either, columns 0 to 3 and 4 to 7 of samples, see
/// [`samples`].
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
#[inline]
fn eight(input: &[Operands; 2]) -> [(__m512i, __m512i); 2] {
    let x = pass_8(input, _mm512_set1_epi32(1 << 10));
    let r01 = twice!(|I| pack::<11>(x[0][I], x[1][I]));
    let r23 = twice!(|I| pack::<11>(x[2][I], x[3][I]));
    let r45 = twice!(|I| pack::<11>(x[4][I], x[5][I]));
    let r67 = twice!(|I| pack::<11>(x[6][I], x[7][I]));
    let (even, odd) = (load_words(&COLUMNS_EVEN), load_words(&COLUMNS_ODD));
    let upper_even = twice!(|I| _mm512_permutex2var_epi16(r01[I], even, r23[I]));
    let upper_odd = twice!(|I| _mm512_permutex2var_epi16(r01[I], odd, r23[I]));
    let lower_even = twice!(|I| _mm512_permutex2var_epi16(r45[I], even, r67[I]));
    let lower_odd = twice!(|I| _mm512_permutex2var_epi16(r45[I], odd, r67[I]));
    let rows = twice!(|I| Operands {
        p04: _mm512_shuffle_i64x2::<0x88>(upper_even[I], lower_even[I]),
        p26: _mm512_shuffle_i64x2::<0xDD>(upper_even[I], lower_even[I]),
        p71: _mm512_shuffle_i64x2::<0x88>(upper_odd[I], lower_odd[I]),
        p35: _mm512_shuffle_i64x2::<0xDD>(upper_odd[I], lower_odd[I]),
    });
    let x = pass_8(&rows, _mm512_set1_epi32(1 << 17));
    twice!(|I| columns(&[
        x[0][I], x[1][I], x[2][I], x[3][I], x[4][I], x[5][I], x[6][I], x[7][I],
    ]))
}

/// The sums of the second pass as samples: columns 0 to 3 and 4 to 7.
#[target_feature(enable = "avx512f,avx512bw")]
#[inline]
pub(super) fn columns(x: &[__m512i; 8]) -> (__m512i, __m512i) {
    // 18 bits are shifted out: 16 by taking the upper words, which always fit.
    let upper = load_words(&UPPER);
    let shifted = |a, b| _mm512_srai_epi16::<2>(_mm512_permutex2var_epi16(a, upper, b));
    let (c01, c23) = (shifted(x[0], x[1]), shifted(x[2], x[3]));
    let (c45, c67) = (shifted(x[4], x[5]), shifted(x[6], x[7]));
    let center = _mm512_set1_epi8(-128);
    (
        _mm512_xor_si512(_mm512_packs_epi16(c01, c23), center),
        _mm512_xor_si512(_mm512_packs_epi16(c45, c67), center),
    )
}
