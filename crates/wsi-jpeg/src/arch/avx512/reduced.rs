//! The inverse transform to 4 x 4 and to 2 x 2 samples, of the operands of [`idct`](super::idct).

use std::arch::x86_64::*;

use super::idct::{
    COLUMNS_EVEN, COLUMNS_ODD, Operands, factors, load_words, multiply_add, pack, pair,
};

/// Both passes to 4 x 4 samples: row by row, the two blocks in the two lowest lanes.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
pub(super) fn four(input: &Operands) -> __m512i {
    let x = pass_4(input, _mm512_set1_epi32(1 << 11));
    let (r01, r23) = (pack::<12>(x[0], x[1]), pack::<12>(x[2], x[3]));
    let even = _mm512_permutex2var_epi16(r01, load_words(&COLUMNS_EVEN), r23);
    let odd = _mm512_permutex2var_epi16(r01, load_words(&COLUMNS_ODD), r23);
    let rows = Operands {
        p04: _mm512_shuffle_i64x2::<0x88>(even, even),
        p26: _mm512_shuffle_i64x2::<0xDD>(even, even),
        p71: _mm512_shuffle_i64x2::<0x88>(odd, odd),
        p35: _mm512_shuffle_i64x2::<0xDD>(odd, odd),
    };
    let x = pass_4(&rows, _mm512_set1_epi32(1 << 18));
    let (c01, c23) = (pack::<19>(x[0], x[1]), pack::<19>(x[2], x[3]));
    let columns = _mm512_xor_si512(_mm512_packs_epi16(c01, c23), _mm512_set1_epi8(-128));
    let turn = _mm_setr_epi8(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    _mm512_shuffle_epi8(columns, _mm512_broadcast_i32x4(turn))
}

/// One pass of the transform to 4 samples, before the shift.
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
fn pass_4(x: &Operands, half: __m512i) -> [__m512i; 4] {
    let dot = |sum, pairs, low, high| multiply_add(sum, pairs, low, high);
    let e = dot(half, x.p04, 16384, 0);
    let sum = dot(e, x.p26, 15137, -6270);
    let difference = dot(e, x.p26, -15137, 6270);
    let u = _mm512_madd_epi16(x.p71, factors(-4176, 20995));
    let u = dot(u, x.p35, 7373, -4926);
    let v = _mm512_madd_epi16(x.p71, factors(-1730, 8697));
    let v = dot(v, x.p35, -17799, 11893);
    [
        _mm512_add_epi32(sum, u),
        _mm512_add_epi32(difference, v),
        _mm512_sub_epi32(difference, v),
        _mm512_sub_epi32(sum, u),
    ]
}

/// Both passes to 2 x 2 samples: row by row, in the lowest bytes of lanes 0 and 2.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
pub(super) fn two(input: &Operands) -> __m512i {
    let even = _mm512_srai_epi32::<1>(_mm512_slli_epi32::<16>(input.p04));
    let even = _mm512_add_epi32(even, _mm512_set1_epi32(1 << 12));
    let odd = _mm512_madd_epi16(input.p71, factors(-5906, 29692));
    let odd = _mm512_dpwssd_epi32(odd, input.p35, factors(-10426, 6967));
    // In each lane four columns: 0 to 3, or 4 to 7.
    let upper = _mm512_srai_epi32::<13>(_mm512_add_epi32(even, odd));
    let lower = _mm512_srai_epi32::<13>(_mm512_sub_epi32(even, odd));
    let words = _mm512_packs_epi32(upper, lower);
    // The factors of columns 1 and 3 of either row, then those of columns 5 and 7.
    let (left, right) = (pair(0, 29692), pair(0, -10426));
    let columns_0 = _mm_set_epi32(right, left, right, left);
    let (left, right) = (pair(0, 6967), pair(0, -5906));
    let columns_4 = _mm_set_epi32(right, left, right, left);
    let half = _mm256_set_m128i(columns_4, columns_0);
    let sums = _mm512_madd_epi16(words, _mm512_broadcast_i64x4(half));
    let sums = _mm512_add_epi32(sums, _mm512_shuffle_epi32::<0b10_11_00_01>(sums));
    let odd = _mm512_add_epi32(sums, _mm512_shuffle_i64x2::<0b10_11_00_01>(sums, sums));
    // The DC column keeps its 32 bits.
    let dc = _mm512_unpacklo_epi64(upper, lower);
    let even = _mm512_slli_epi32::<15>(_mm512_shuffle_epi32::<0b10_10_00_00>(dc));
    let even = _mm512_add_epi32(even, _mm512_set1_epi32(1 << 19));
    let sums = _mm512_mask_sub_epi32(_mm512_add_epi32(even, odd), 0xAAAA, even, odd);
    let samples = _mm512_srai_epi32::<20>(sums);
    let words = _mm512_packs_epi32(samples, samples);
    _mm512_xor_si512(_mm512_packs_epi16(words, words), _mm512_set1_epi8(-128))
}
