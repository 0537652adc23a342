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
struct Bytes([u8; 64]);

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

/// From the second pass to the 64 samples of a block, row by row.
const fn samples(block: usize) -> Bytes {
    let mut bytes = [0; 64];
    let mut row = 0;
    while row < 8 {
        let mut column = 0;
        while column < 8 {
            // The sums of a column: rows 0 to 3 of either block, then rows 4 to 7.
            let sum = ((row / 4) * 2 + block) * 4 + row % 4;
            // Two columns to a register of words, whose lanes alternate with those of the next two.
            let word = column % 2 * 16 + sum;
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
static SAMPLES: [Bytes; 2] = [samples(0), samples(1)];

/// See [`Kernels::transform`](super::super::Kernels::transform).
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vbmi,avx512vbmi2,avx512vnni")]
pub(in crate::arch) fn transform(
    blocks: &mut [Block],
    places: &[Place],
    targets: &mut [Target<'_>],
) {
    for (blocks, places) in blocks.chunks_mut(LIST).zip(places.chunks(LIST)) {
        // To know that half of a block is zero made nothing faster here.
        let lists = sort::<false>(blocks, places, targets, |block| nonzero(block));
        fours(lists.of(8, false), blocks, places, targets);
        pairs::<4>(lists.of(4, false), blocks, places, targets);
        pairs::<2>(lists.of(2, false), blocks, places, targets);
    }
}

/// A bit for each coefficient that is not zero, by zigzag index.
#[target_feature(enable = "avx512f,avx512bw")]
fn nonzero(block: &Block) -> u64 {
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
fn load_bytes(bytes: &Bytes) -> __m512i {
    // SAFETY: 64 bytes, aligned to as many.
    unsafe { _mm512_load_si512(bytes.0.as_ptr().cast()) }
}

/// Transforms the blocks of a list to `SIZE` x `SIZE` samples and zeroes them.
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
        let input = Operands {
            p04: _mm512_shuffle_i64x2::<0x44>(a.0, b.0),
            p26: _mm512_shuffle_i64x2::<0xEE>(a.0, b.0),
            p71: _mm512_shuffle_i64x2::<0x44>(a.1, b.1),
            p35: _mm512_shuffle_i64x2::<0xEE>(a.1, b.1),
        };
        if SIZE == 8 {
            let (columns0, columns4) = eight(&input);
            for (number, samples) in numbers.into_iter().zip(&SAMPLES) {
                let all = _mm512_permutex2var_epi8(columns0, load_bytes(samples), columns4);
                let place = &places[number];
                let target = &mut targets[usize::from(place.component)];
                let rows = [
                    _mm512_castsi512_si128(all),
                    _mm512_extracti32x4_epi32::<1>(all),
                    _mm512_extracti32x4_epi32::<2>(all),
                    _mm512_extracti32x4_epi32::<3>(all),
                ];
                put_8(rows, destination(target, place, 8));
            }
        } else if SIZE == 4 {
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
fn pass_8(x: &Operands, half: __m512i) -> [__m512i; 8] {
    let dot = |sum, pairs, low, high| multiply_add(sum, pairs, low, high);
    // The sums of 16 bits wrap, as the reference's do.
    let swapped = _mm512_rol_epi32::<16>(x.p04);
    let t0 = dot(half, _mm512_add_epi16(x.p04, swapped), 8192, 0);
    let t1 = dot(half, _mm512_sub_epi16(x.p04, swapped), 8192, 0);
    let e0 = dot(t0, x.p26, 10703, 4433);
    let e3 = dot(t0, x.p26, -10703, -4433);
    let e1 = dot(t1, x.p26, 4433, -10704);
    let e2 = dot(t1, x.p26, -4433, 10704);

    let z34 = _mm512_add_epi16(x.p71, x.p35);
    let s3 = _mm512_madd_epi16(z34, factors(-6436, 9633));
    let s4 = _mm512_madd_epi16(z34, factors(9633, 6437));
    let o0 = dot(s4, x.p71, -7373, 4926);
    let o1 = dot(s3, x.p35, 4177, -20995);
    let o2 = dot(s4, x.p35, -20995, -4176);
    let o3 = dot(s3, x.p71, -4927, -7373);
    [
        _mm512_add_epi32(e0, o0),
        _mm512_add_epi32(e1, o1),
        _mm512_add_epi32(e2, o2),
        _mm512_add_epi32(e3, o3),
        _mm512_sub_epi32(e3, o3),
        _mm512_sub_epi32(e2, o2),
        _mm512_sub_epi32(e1, o1),
        _mm512_sub_epi32(e0, o0),
    ]
}

/// Shifts and packs two rows to 16 bits with saturation.
#[target_feature(enable = "avx512f,avx512bw")]
pub(super) fn pack<const SHIFT: u32>(a: __m512i, b: __m512i) -> __m512i {
    _mm512_packs_epi32(_mm512_srai_epi32::<SHIFT>(a), _mm512_srai_epi32::<SHIFT>(b))
}

/// Both passes for two blocks: columns 0 to 3 and 4 to 7 of samples, see [`samples`].
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
fn eight(input: &Operands) -> (__m512i, __m512i) {
    let x = pass_8(input, _mm512_set1_epi32(1 << 10));
    let (r01, r23) = (pack::<11>(x[0], x[1]), pack::<11>(x[2], x[3]));
    let (r45, r67) = (pack::<11>(x[4], x[5]), pack::<11>(x[6], x[7]));
    let (even, odd) = (load_words(&COLUMNS_EVEN), load_words(&COLUMNS_ODD));
    let upper_even = _mm512_permutex2var_epi16(r01, even, r23);
    let upper_odd = _mm512_permutex2var_epi16(r01, odd, r23);
    let lower_even = _mm512_permutex2var_epi16(r45, even, r67);
    let lower_odd = _mm512_permutex2var_epi16(r45, odd, r67);
    let rows = Operands {
        p04: _mm512_shuffle_i64x2::<0x88>(upper_even, lower_even),
        p26: _mm512_shuffle_i64x2::<0xDD>(upper_even, lower_even),
        p71: _mm512_shuffle_i64x2::<0x88>(upper_odd, lower_odd),
        p35: _mm512_shuffle_i64x2::<0xDD>(upper_odd, lower_odd),
    };
    let x = pass_8(&rows, _mm512_set1_epi32(1 << 17));
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

#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vbmi,avx512vbmi2,avx512vnni")]
fn fours(list: &[u8], blocks: &mut [Block], places: &[Place], targets: &mut [Target<'_>]) {
    let (whole, rest) = list.as_chunks::<4>();
    for four in whole {
        let numbers = four.map(usize::from);
        let ops = [0, 1, 2, 3].map(|i: usize| {
            let number = numbers[i];
            let target = &targets[usize::from(places[number].component)];
            operands(&blocks[number], target.quant)
        });
        for n in numbers {
            blocks[n] = Block::ZERO;
        }
        let input = [0, 2].map(|i: usize| Operands {
            p04: _mm512_shuffle_i64x2::<0x44>(ops[i].0, ops[i + 1].0),
            p26: _mm512_shuffle_i64x2::<0xEE>(ops[i].0, ops[i + 1].0),
            p71: _mm512_shuffle_i64x2::<0x44>(ops[i].1, ops[i + 1].1),
            p35: _mm512_shuffle_i64x2::<0xEE>(ops[i].1, ops[i + 1].1),
        });
        let out = eight2(&input);
        for i in 0..4 {
            let (c0, c4) = out[i / 2];
            let all = _mm512_permutex2var_epi8(c0, load_bytes(&SAMPLES[i % 2]), c4);
            let place = &places[numbers[i]];
            let target = &mut targets[usize::from(place.component)];
            let rows = [
                _mm512_castsi512_si128(all),
                _mm512_extracti32x4_epi32::<1>(all),
                _mm512_extracti32x4_epi32::<2>(all),
                _mm512_extracti32x4_epi32::<3>(all),
            ];
            put_8(rows, destination(target, place, 8));
        }
    }
    pairs::<8>(rest, blocks, places, targets);
}

#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
#[inline]
fn pass_82(x: &[Operands; 2], half: __m512i) -> [[__m512i; 2]; 8] {
    macro_rules! two { (|$i:ident| $e:expr) => {{ let a = { let $i = 0usize; $e }; let b = { let $i = 1usize; $e }; [a, b] }} }
    let swapped = two!(|i| _mm512_rol_epi32::<16>(x[i].p04));
    let t0 = two!(|i| multiply_add(half, _mm512_add_epi16(x[i].p04, swapped[i]), 8192, 0));
    let t1 = two!(|i| multiply_add(half, _mm512_sub_epi16(x[i].p04, swapped[i]), 8192, 0));
    let e0 = two!(|i| multiply_add(t0[i], x[i].p26, 10703, 4433));
    let e3 = two!(|i| multiply_add(t0[i], x[i].p26, -10703, -4433));
    let e1 = two!(|i| multiply_add(t1[i], x[i].p26, 4433, -10704));
    let e2 = two!(|i| multiply_add(t1[i], x[i].p26, -4433, 10704));
    let z34 = two!(|i| _mm512_add_epi16(x[i].p71, x[i].p35));
    let s3 = two!(|i| _mm512_madd_epi16(z34[i], factors(-6436, 9633)));
    let s4 = two!(|i| _mm512_madd_epi16(z34[i], factors(9633, 6437)));
    let o0 = two!(|i| multiply_add(s4[i], x[i].p71, -7373, 4926));
    let o1 = two!(|i| multiply_add(s3[i], x[i].p35, 4177, -20995));
    let o2 = two!(|i| multiply_add(s4[i], x[i].p35, -20995, -4176));
    let o3 = two!(|i| multiply_add(s3[i], x[i].p71, -4927, -7373));
    [
        two!(|i| _mm512_add_epi32(e0[i], o0[i])),
        two!(|i| _mm512_add_epi32(e1[i], o1[i])),
        two!(|i| _mm512_add_epi32(e2[i], o2[i])),
        two!(|i| _mm512_add_epi32(e3[i], o3[i])),
        two!(|i| _mm512_sub_epi32(e3[i], o3[i])),
        two!(|i| _mm512_sub_epi32(e2[i], o2[i])),
        two!(|i| _mm512_sub_epi32(e1[i], o1[i])),
        two!(|i| _mm512_sub_epi32(e0[i], o0[i])),
    ]
}

#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
#[inline]
fn eight2(input: &[Operands; 2]) -> [(__m512i, __m512i); 2] {
    macro_rules! two { (|$i:ident| $e:expr) => {{ let a = { let $i = 0usize; $e }; let b = { let $i = 1usize; $e }; [a, b] }} }
    let x = pass_82(input, _mm512_set1_epi32(1 << 10));
    let r01 = two!(|i| pack::<11>(x[0][i], x[1][i]));
    let r23 = two!(|i| pack::<11>(x[2][i], x[3][i]));
    let r45 = two!(|i| pack::<11>(x[4][i], x[5][i]));
    let r67 = two!(|i| pack::<11>(x[6][i], x[7][i]));
    let (even, odd) = (load_words(&COLUMNS_EVEN), load_words(&COLUMNS_ODD));
    let upper_even = two!(|i| _mm512_permutex2var_epi16(r01[i], even, r23[i]));
    let upper_odd = two!(|i| _mm512_permutex2var_epi16(r01[i], odd, r23[i]));
    let lower_even = two!(|i| _mm512_permutex2var_epi16(r45[i], even, r67[i]));
    let lower_odd = two!(|i| _mm512_permutex2var_epi16(r45[i], odd, r67[i]));
    let rows = two!(|i| Operands {
        p04: _mm512_shuffle_i64x2::<0x88>(upper_even[i], lower_even[i]),
        p26: _mm512_shuffle_i64x2::<0xDD>(upper_even[i], lower_even[i]),
        p71: _mm512_shuffle_i64x2::<0x88>(upper_odd[i], lower_odd[i]),
        p35: _mm512_shuffle_i64x2::<0xDD>(upper_odd[i], lower_odd[i]),
    });
    let x = pass_82(&rows, _mm512_set1_epi32(1 << 17));
    let upper = load_words(&UPPER);
    let shifted = |a, b| _mm512_srai_epi16::<2>(_mm512_permutex2var_epi16(a, upper, b));
    let c01 = two!(|i| shifted(x[0][i], x[1][i]));
    let c23 = two!(|i| shifted(x[2][i], x[3][i]));
    let c45 = two!(|i| shifted(x[4][i], x[5][i]));
    let c67 = two!(|i| shifted(x[6][i], x[7][i]));
    let center = _mm512_set1_epi8(-128);
    two!(|i| (
        _mm512_xor_si512(_mm512_packs_epi16(c01[i], c23[i]), center),
        _mm512_xor_si512(_mm512_packs_epi16(c45[i], c67[i]), center),
    ))
}
