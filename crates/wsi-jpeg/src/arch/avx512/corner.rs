//! The inverse transform of blocks with nothing but their first four rows and columns, four blocks
//! at a time: as [`idct`](super::idct), without the products that are zero.

#![allow(clippy::cast_possible_truncation, reason = "indices below 64")]

use std::arch::x86_64::*;

use super::super::blocks::{destination, put_8};
use super::idct::{Bytes, columns, factors, load_bytes, multiply_add, pack, samples};
use crate::idct::{Block, Multipliers, Place, Target};
use crate::tables::ZIGZAG_ORDER;

/// The order of columns that brings those together that the second pass multiplies together.
const COLUMNS: [usize; 4] = [0, 2, 1, 3];

/// From zigzag order to pairs of rows of these columns: rows 0 and 2 in the first lane, 1 and 3 in
/// the second.
static ROWS: Bytes = {
    let mut bytes = [0; 64];
    let mut at = 0;
    while at < 32 {
        let (word, byte) = (at / 2, at % 2);
        let row = word / 8 + word % 2 * 2;
        let column = COLUMNS[word % 8 / 2];
        bytes[at] = ZIGZAG_ORDER[row * 8 + column] * 2 + byte as u8;
        at += 1;
    }
    Bytes(bytes)
};

/// Four rows of the first two blocks, and of the others.
static SAMPLES: [Bytes; 2] = [
    samples([0, 1, 2, 3, 4, 5, 6, 7]),
    samples([8, 9, 10, 11, 12, 13, 14, 15]),
];

/// Transforms the blocks of a list, whole groups of four, to 8 x 8 samples and zeroes them.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vbmi,avx512vbmi2,avx512vnni")]
pub(super) fn corners(
    list: &[u8],
    blocks: &mut [Block],
    places: &[Place],
    targets: &mut [Target<'_>],
) {
    for four in list.as_chunks::<4>().0 {
        let [a, b, c, d] = four.map(usize::from);
        let quant_of = |number: usize| targets[usize::from(places[number].component)].quant;
        let ab = two_blocks(
            operands(&blocks[a], quant_of(a)),
            operands(&blocks[b], quant_of(b)),
        );
        let cd = two_blocks(
            operands(&blocks[c], quant_of(c)),
            operands(&blocks[d], quant_of(d)),
        );
        let x = pass(
            _mm512_shuffle_i64x2::<0x88>(ab, cd),
            _mm512_shuffle_i64x2::<0xDD>(ab, cd),
            _mm512_set1_epi32(1 << 10),
        );
        let (r01, r23) = (pack::<11>(x[0], x[1]), pack::<11>(x[2], x[3]));
        let (r45, r67) = (pack::<11>(x[4], x[5]), pack::<11>(x[6], x[7]));
        let (upper, lower) = (second_pass(r01, r23), second_pass(r45, r67));
        for (index, numbers) in [[a, b], [c, d]].into_iter().enumerate() {
            let order = load_bytes(&SAMPLES[index]);
            let upper = _mm512_permutex2var_epi8(upper.0, order, upper.1);
            let lower = _mm512_permutex2var_epi8(lower.0, order, lower.1);
            let first = [
                _mm512_castsi512_si128(upper),
                _mm512_extracti32x4_epi32::<1>(upper),
                _mm512_castsi512_si128(lower),
                _mm512_extracti32x4_epi32::<1>(lower),
            ];
            let second = [
                _mm512_extracti32x4_epi32::<2>(upper),
                _mm512_extracti32x4_epi32::<3>(upper),
                _mm512_extracti32x4_epi32::<2>(lower),
                _mm512_extracti32x4_epi32::<3>(lower),
            ];
            for (number, rows) in numbers.into_iter().zip([first, second]) {
                blocks[number] = Block::ZERO;
                let place = &places[number];
                let target = &mut targets[usize::from(place.component)];
                put_8(rows, destination(target, place, 8));
            }
        }
    }
}

/// The pairs of rows of one block in the lower two lanes.
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi")]
fn operands(block: &Block, quant: &Multipliers) -> __m512i {
    let (values, quants) = (block.as_ptr().cast(), quant.as_ptr().cast());
    // SAFETY: both have 64 words; these are the first 32.
    let (values, quants) = unsafe { (_mm512_loadu_si512(values), _mm512_loadu_si512(quants)) };
    _mm512_permutexvar_epi8(load_bytes(&ROWS), _mm512_mullo_epi16(values, quants))
}

#[target_feature(enable = "avx512f")]
fn two_blocks(a: __m512i, b: __m512i) -> __m512i {
    _mm512_inserti64x4::<1>(a, _mm512_castsi512_si256(b))
}

/// One pass, before the shift: that of [`idct`](super::idct) where 4 to 7 are zero.
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
fn pass(x02: __m512i, x13: __m512i, half: __m512i) -> [__m512i; 8] {
    let e0 = multiply_add(half, x02, 8192, 10703);
    let e1 = multiply_add(half, x02, 8192, 4433);
    let e2 = multiply_add(half, x02, 8192, -4433);
    let e3 = multiply_add(half, x02, 8192, -10703);
    let o0 = _mm512_madd_epi16(x13, factors(11363, 9633));
    let o1 = _mm512_madd_epi16(x13, factors(9633, -2259));
    let o2 = _mm512_madd_epi16(x13, factors(6437, -11362));
    let o3 = _mm512_madd_epi16(x13, factors(2260, -6436));
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

/// The second pass over four rows of each block, whose pairs lie in turn.
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
fn second_pass(r01: __m512i, r23: __m512i) -> (__m512i, __m512i) {
    let (a, b) = (_mm512_castsi512_ps(r01), _mm512_castsi512_ps(r23));
    let x02 = _mm512_castps_si512(_mm512_shuffle_ps::<0x88>(a, b));
    let x13 = _mm512_castps_si512(_mm512_shuffle_ps::<0xDD>(a, b));
    columns(&pass(x02, x13, _mm512_set1_epi32(1 << 17)))
}
