//! The inverse transform, two blocks at a time: one in the lower lane of each register, one in the
//! upper.
//!
//! Byte shuffles bring the zigzag order into pairs of rows, which is what a multiply-add of 16-bit
//! pairs wants; the sums are those of [`idct`](crate::idct).

#![allow(
    clippy::cast_possible_wrap,
    clippy::cast_possible_truncation,
    reason = "indices below 128, and bit patterns of constants"
)]

use std::arch::x86_64::*;

use super::super::blocks::{Destination, EVEN, LIST, ODD, destination, put_2, put_4, put_8, sort};
use super::reduced::{four, two};
use crate::idct::{Block, Multipliers, Place, Target};
use crate::tables::ZIGZAG_ORDER;

/// The rows that make up each operand, and its first column: 4 columns an operand.
const OPERANDS: [((usize, usize), usize); 8] = [
    (EVEN[0], 0),
    (EVEN[0], 4),
    (EVEN[1], 0),
    (EVEN[1], 4),
    (ODD[0], 0),
    (ODD[0], 4),
    (ODD[1], 0),
    (ODD[1], 4),
];

/// Byte shuffles from each eight coefficients in zigzag order to each operand.
#[derive(Clone, Copy)]
#[repr(C, align(16))]
struct Gather([[[u8; 16]; 8]; 8]);

static GATHER: Gather = gather().0;
/// Which of those shuffles move anything.
const USED: [[bool; 8]; 8] = gather().1;

const fn gather() -> (Gather, [[bool; 8]; 8]) {
    let (mut bytes, mut used) = ([[[0x80; 16]; 8]; 8], [[false; 8]; 8]);
    let mut operand = 0;
    while operand < 8 {
        let (rows, first) = OPERANDS[operand];
        let mut word = 0;
        while word < 8 {
            let row = if word % 2 == 0 { rows.0 } else { rows.1 };
            let index = ZIGZAG_ORDER[row * 8 + first + word / 2] as usize;
            bytes[operand][index / 8][word * 2] = (index % 8 * 2) as u8;
            bytes[operand][index / 8][word * 2 + 1] = (index % 8 * 2 + 1) as u8;
            used[operand][index / 8] = true;
            word += 1;
        }
        operand += 1;
    }
    (Gather(bytes), used)
}

/// See [`Kernels::transform`](super::super::Kernels::transform).
#[target_feature(enable = "avx2,bmi1,bmi2")]
pub(in crate::arch) fn transform(
    blocks: &mut [Block],
    places: &[Place],
    targets: &mut [Target<'_>],
) {
    for (blocks, places) in blocks.chunks_mut(LIST).zip(places.chunks(LIST)) {
        let lists = sort::<true>(blocks, places, targets, |block| nonzero(block));
        pairs::<8, 4>(lists.of(8, true), blocks, places, targets);
        pairs::<8, 8>(lists.of(8, false), blocks, places, targets);
        pairs::<4, 8>(lists.of(4, false), blocks, places, targets);
        pairs::<2, 8>(lists.of(2, false), blocks, places, targets);
    }
}

/// Eight coefficients of a block.
#[target_feature(enable = "avx2")]
fn load(words: &[i16; 64], eighth: usize) -> __m128i {
    let words = &words.as_chunks::<8>().0[eighth & 7];
    // SAFETY: 16 bytes.
    unsafe { _mm_loadu_si128(words.as_ptr().cast()) }
}

/// A bit for each coefficient that is not zero, by zigzag index.
#[target_feature(enable = "avx2")]
fn nonzero(block: &Block) -> u64 {
    let zero = _mm_setzero_si128();
    let mut bits = 0;
    for quarter in 0..4 {
        let (low, high) = (load(block, quarter * 2), load(block, quarter * 2 + 1));
        let is_zero = _mm_packs_epi16(_mm_cmpeq_epi16(low, zero), _mm_cmpeq_epi16(high, zero));
        let mask = !_mm_movemask_epi8(is_zero).cast_unsigned() & 0xFFFF;
        bits |= u64::from(mask) << (quarter * 16);
    }
    bits
}

/// Transforms the blocks of a list to `SIZE` x `SIZE` samples and zeroes them; all they hold is in
/// the first `EIGHTHS` of their coefficients.
#[target_feature(enable = "avx2")]
fn pairs<const SIZE: usize, const EIGHTHS: usize>(
    list: &[u8],
    blocks: &mut [Block],
    places: &[Place],
    targets: &mut [Target<'_>],
) {
    for pair in list.chunks(2) {
        let first = usize::from(pair[0]);
        // The last of an odd number is transformed twice.
        let second = usize::from(*pair.last().unwrap_or(&pair[0]));
        // Written out for each: closures given to `array::map` would be called, not inlined.
        let (place_a, place_b) = (&places[first], &places[second]);
        let quant_a = targets[usize::from(place_a.component)].quant;
        let quant_b = targets[usize::from(place_b.component)].quant;
        let x = operands::<EIGHTHS>((&blocks[first], quant_a), (&blocks[second], quant_b));
        blocks[first] = Block::ZERO;
        blocks[second] = Block::ZERO;
        let rows = match SIZE {
            8 => eight(&x),
            4 => [four(&x); 4],
            _ => [two(&x); 4],
        };
        let to = destination(&mut targets[usize::from(place_a.component)], place_a, SIZE);
        put::<SIZE>(lower(rows), to);
        let to = destination(&mut targets[usize::from(place_b.component)], place_b, SIZE);
        put::<SIZE>(upper(rows), to);
    }
}

/// The rows of the first block.
#[target_feature(enable = "avx2")]
fn lower([a, b, c, d]: [__m256i; 4]) -> [__m128i; 4] {
    [
        _mm256_castsi256_si128(a),
        _mm256_castsi256_si128(b),
        _mm256_castsi256_si128(c),
        _mm256_castsi256_si128(d),
    ]
}

/// The rows of the second block.
#[target_feature(enable = "avx2")]
fn upper([a, b, c, d]: [__m256i; 4]) -> [__m128i; 4] {
    [
        _mm256_extracti128_si256::<1>(a),
        _mm256_extracti128_si256::<1>(b),
        _mm256_extracti128_si256::<1>(c),
        _mm256_extracti128_si256::<1>(d),
    ]
}

/// Writes `SIZE` rows. Fewer than 8 lie in one register.
#[target_feature(enable = "avx2")]
fn put<const SIZE: usize>(rows: [__m128i; 4], to: Destination) {
    match SIZE {
        8 => put_8(rows, to),
        4 => put_4(rows[0], to),
        _ => put_2(rows[0], to),
    }
}

/// The operands of both blocks.
#[target_feature(enable = "avx2")]
#[allow(clippy::needless_range_loop, reason = "an eighth of several arrays at once")]
fn operands<const EIGHTHS: usize>(
    a: (&Block, &Multipliers),
    b: (&Block, &Multipliers),
) -> [__m256i; 8] {
    let mut x = [_mm256_setzero_si256(); 8];
    for eighth in 0..EIGHTHS {
        let both = |low, high| _mm256_inserti128_si256::<1>(_mm256_castsi128_si256(low), high);
        let values = both(load(a.0, eighth), load(b.0, eighth));
        let quants = both(load(a.1, eighth), load(b.1, eighth));
        let products = _mm256_mullo_epi16(values, quants);
        for (operand, x) in x.iter_mut().enumerate() {
            if USED[operand][eighth] {
                let shuffle = shuffle(&GATHER.0[operand][eighth]);
                *x = _mm256_or_si256(*x, _mm256_shuffle_epi8(products, shuffle));
            }
        }
    }
    x
}

/// A shuffle for both lanes.
#[target_feature(enable = "avx2")]
pub(super) fn shuffle(bytes: &[u8; 16]) -> __m256i {
    // SAFETY: 16 bytes.
    _mm256_broadcastsi128_si256(unsafe { _mm_loadu_si128(bytes.as_ptr().cast()) })
}

/// A pair of factors.
pub(super) const fn pair(low: i32, high: i32) -> i32 {
    high << 16 | (low & 0xFFFF)
}

/// A pair of factors, for every pair.
#[target_feature(enable = "avx2")]
pub(super) fn factors(low: i32, high: i32) -> __m256i {
    _mm256_set1_epi32(pair(low, high))
}

/// Pairs of four columns or rows of both blocks.
#[derive(Clone, Copy)]
pub(super) struct Pairs {
    pub(super) p04: __m256i,
    pub(super) p26: __m256i,
    pub(super) p71: __m256i,
    pub(super) p35: __m256i,
}

/// `x0 + x4` and `x0 - x4`, wrapped to 16 bits, times 8192 and ready to be rounded.
#[target_feature(enable = "avx2")]
fn even_ends(p04: __m256i, half: __m256i) -> (__m256i, __m256i) {
    let swap = shuffle(&[2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13]);
    let swapped = _mm256_shuffle_epi8(p04, swap);
    let scale = |x| _mm256_add_epi32(_mm256_madd_epi16(x, factors(8192, 0)), half);
    (
        scale(_mm256_add_epi16(p04, swapped)),
        scale(_mm256_sub_epi16(p04, swapped)),
    )
}

/// One pass of the 8-point transform, before the shift; `half` is what rounds it.
#[target_feature(enable = "avx2")]
fn pass_8(x: &Pairs, half: __m256i) -> [__m256i; 8] {
    let dot = |pairs, low, high| _mm256_madd_epi16(pairs, factors(low, high));
    let (t0, t1) = even_ends(x.p04, half);
    let t3 = dot(x.p26, 10703, 4433);
    let t2 = dot(x.p26, 4433, -10704);
    let e0 = _mm256_add_epi32(t0, t3);
    let e3 = _mm256_sub_epi32(t0, t3);
    let e1 = _mm256_add_epi32(t1, t2);
    let e2 = _mm256_sub_epi32(t1, t2);

    // The sums of 16 bits wrap, as the reference's do.
    let z34 = _mm256_add_epi16(x.p71, x.p35);
    let s3 = dot(z34, -6436, 9633);
    let s4 = dot(z34, 9633, 6437);
    let o0 = _mm256_add_epi32(s4, dot(x.p71, -7373, 4926));
    let o1 = _mm256_add_epi32(s3, dot(x.p35, 4177, -20995));
    let o2 = _mm256_add_epi32(s4, dot(x.p35, -20995, -4176));
    let o3 = _mm256_add_epi32(s3, dot(x.p71, -4927, -7373));
    [
        _mm256_add_epi32(e0, o0),
        _mm256_add_epi32(e1, o1),
        _mm256_add_epi32(e2, o2),
        _mm256_add_epi32(e3, o3),
        _mm256_sub_epi32(e3, o3),
        _mm256_sub_epi32(e2, o2),
        _mm256_sub_epi32(e1, o1),
        _mm256_sub_epi32(e0, o0),
    ]
}

/// Shifts and packs to 16 bits with saturation.
#[target_feature(enable = "avx2")]
pub(super) fn pack<const SHIFT: i32>(a: __m256i, b: __m256i) -> __m256i {
    _mm256_packs_epi32(_mm256_srai_epi32::<SHIFT>(a), _mm256_srai_epi32::<SHIFT>(b))
}

/// Four rows of eight words to the pairs of their columns.
#[target_feature(enable = "avx2")]
pub(super) fn turn(rows: [__m256i; 4]) -> Pairs {
    // Each row to its pairs: columns 0 and 4, 2 and 6, 7 and 1, 3 and 5.
    let order = shuffle(&[0, 1, 8, 9, 4, 5, 12, 13, 14, 15, 2, 3, 6, 7, 10, 11]);
    let [a, b, c, d] = rows.map(|row| _mm256_shuffle_epi8(row, order));
    let (ab_low, ab_high) = (_mm256_unpacklo_epi32(a, b), _mm256_unpackhi_epi32(a, b));
    let (cd_low, cd_high) = (_mm256_unpacklo_epi32(c, d), _mm256_unpackhi_epi32(c, d));
    Pairs {
        p04: _mm256_unpacklo_epi64(ab_low, cd_low),
        p26: _mm256_unpackhi_epi64(ab_low, cd_low),
        p71: _mm256_unpacklo_epi64(ab_high, cd_high),
        p35: _mm256_unpackhi_epi64(ab_high, cd_high),
    }
}

/// Operands of the first pass: columns 0 to 3, or 4 to 7.
#[inline(always)]
pub(super) fn columns(x: &[__m256i; 8], half: usize) -> Pairs {
    Pairs {
        p04: x[half],
        p26: x[2 + half],
        p71: x[4 + half],
        p35: x[6 + half],
    }
}

/// Both passes to 8 x 8 samples: two rows in each lane.
#[target_feature(enable = "avx2")]
fn eight(x: &[__m256i; 8]) -> [__m256i; 4] {
    let half = _mm256_set1_epi32(1 << 10);
    let (left, right) = (pass_8(&columns(x, 0), half), pass_8(&columns(x, 1), half));
    let row = |index: usize| pack::<11>(left[index], right[index]);
    let upper = turn([row(0), row(1), row(2), row(3)]);
    let lower = turn([row(4), row(5), row(6), row(7)]);
    let half = _mm256_set1_epi32(1 << 17);
    let (upper, lower) = (pass_8(&upper, half), pass_8(&lower, half));
    let column = |index: usize| pack::<18>(upper[index], lower[index]);
    // From columns of 8 samples to rows.
    let c04 = _mm256_packs_epi16(column(0), column(4));
    let c15 = _mm256_packs_epi16(column(1), column(5));
    let c26 = _mm256_packs_epi16(column(2), column(6));
    let c37 = _mm256_packs_epi16(column(3), column(7));
    let (c01, c45) = (
        _mm256_unpacklo_epi8(c04, c15),
        _mm256_unpackhi_epi8(c04, c15),
    );
    let (c23, c67) = (
        _mm256_unpacklo_epi8(c26, c37),
        _mm256_unpackhi_epi8(c26, c37),
    );
    let (a, b) = (
        _mm256_unpacklo_epi16(c01, c23),
        _mm256_unpacklo_epi16(c45, c67),
    );
    let (c, d) = (
        _mm256_unpackhi_epi16(c01, c23),
        _mm256_unpackhi_epi16(c45, c67),
    );
    let center = _mm256_set1_epi8(-128);
    [
        _mm256_xor_si256(_mm256_unpacklo_epi32(a, b), center),
        _mm256_xor_si256(_mm256_unpackhi_epi32(a, b), center),
        _mm256_xor_si256(_mm256_unpacklo_epi32(c, d), center),
        _mm256_xor_si256(_mm256_unpackhi_epi32(c, d), center),
    ]
}
