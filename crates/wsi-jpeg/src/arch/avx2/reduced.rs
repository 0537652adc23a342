//! The inverse transform to 4 x 4 and to 2 x 2 samples, of the operands of [`idct`](super::idct).

use std::arch::x86_64::*;

use super::idct::{Pairs, columns, factors, pack, pair, shuffle, turn};

/// Both passes to 4 x 4 samples: row by row in each lane.
#[target_feature(enable = "avx2")]
pub(super) fn four(x: &[__m256i; 8]) -> __m256i {
    let half = _mm256_set1_epi32(1 << 11);
    let (left, right) = (pass_4(&columns(x, 0), half), pass_4(&columns(x, 1), half));
    let row = |index: usize| pack::<12>(left[index], right[index]);
    let rows = turn([row(0), row(1), row(2), row(3)]);
    let columns = pass_4(&rows, _mm256_set1_epi32(1 << 18));
    let (c01, c23) = (
        pack::<19>(columns[0], columns[1]),
        pack::<19>(columns[2], columns[3]),
    );
    let bytes = _mm256_xor_si256(_mm256_packs_epi16(c01, c23), _mm256_set1_epi8(-128));
    let order = shuffle(&[0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15]);
    _mm256_shuffle_epi8(bytes, order)
}

/// One pass of the transform to 4 samples, before the shift.
#[target_feature(enable = "avx2")]
fn pass_4(x: &Pairs, half: __m256i) -> [__m256i; 4] {
    let dot = |pairs, low, high| _mm256_madd_epi16(pairs, factors(low, high));
    let e = _mm256_add_epi32(dot(x.p04, 16384, 0), half);
    let t = dot(x.p26, 15137, -6270);
    let (sum, difference) = (_mm256_add_epi32(e, t), _mm256_sub_epi32(e, t));
    let u = _mm256_add_epi32(dot(x.p71, -4176, 20995), dot(x.p35, 7373, -4926));
    let v = _mm256_add_epi32(dot(x.p71, -1730, 8697), dot(x.p35, -17799, 11893));
    [
        _mm256_add_epi32(sum, u),
        _mm256_add_epi32(difference, v),
        _mm256_sub_epi32(difference, v),
        _mm256_sub_epi32(sum, u),
    ]
}

/// Both passes to 2 x 2 samples: row by row in the lowest bytes of each lane.
#[target_feature(enable = "avx2")]
pub(super) fn two(x: &[__m256i; 8]) -> __m256i {
    let (left, right) = (pass_2(&columns(x, 0)), pass_2(&columns(x, 1)));
    // Columns 1 and 3 of either row, and columns 5 and 7.
    let left_factors = factors_2(pair(0, 29692), pair(0, -10426));
    let right_factors = factors_2(pair(0, 6967), pair(0, -5906));
    let sums = _mm256_add_epi32(
        _mm256_madd_epi16(_mm256_packs_epi32(left.0, left.1), left_factors),
        _mm256_madd_epi16(_mm256_packs_epi32(right.0, right.1), right_factors),
    );
    let odd = _mm256_add_epi32(sums, _mm256_shuffle_epi32::<0b10_11_00_01>(sums));
    // Added to the left, subtracted to the right.
    let odd = _mm256_sign_epi32(odd, _mm256_set_epi32(-1, 1, -1, 1, -1, 1, -1, 1));
    // The DC column keeps its 32 bits.
    let dc = _mm256_unpacklo_epi64(left.0, left.1);
    let even = _mm256_slli_epi32::<15>(_mm256_shuffle_epi32::<0b10_10_00_00>(dc));
    let even = _mm256_add_epi32(even, _mm256_set1_epi32(1 << 19));
    let samples = _mm256_srai_epi32::<20>(_mm256_add_epi32(even, odd));
    let words = _mm256_packs_epi32(samples, samples);
    _mm256_xor_si256(_mm256_packs_epi16(words, words), _mm256_set1_epi8(-128))
}

/// The first pass to 2 samples of four columns: upper and lower row.
#[target_feature(enable = "avx2")]
fn pass_2(x: &Pairs) -> (__m256i, __m256i) {
    let even = _mm256_srai_epi32::<1>(_mm256_slli_epi32::<16>(x.p04));
    let even = _mm256_add_epi32(even, _mm256_set1_epi32(1 << 12));
    let odd = _mm256_add_epi32(
        _mm256_madd_epi16(x.p71, factors(-5906, 29692)),
        _mm256_madd_epi16(x.p35, factors(-10426, 6967)),
    );
    (
        _mm256_srai_epi32::<13>(_mm256_add_epi32(even, odd)),
        _mm256_srai_epi32::<13>(_mm256_sub_epi32(even, odd)),
    )
}

/// Two pairs of factors, for every two pairs.
#[target_feature(enable = "avx2")]
fn factors_2(first: i32, second: i32) -> __m256i {
    _mm256_set_epi32(second, first, second, first, second, first, second, first)
}
