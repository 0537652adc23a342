//! Upsampling and colour, 32 pixels at a time.
//!
//! Rows that do not end with a whole step have their last step moved back: it writes some bytes a
//! second time, with the same values. Rows shorter than a step are left to the scalar code.

#![allow(clippy::cast_possible_truncation, reason = "indices below 128")]

use std::arch::x86_64::*;

use crate::color::{self, Order};
use crate::upsample;

/// Byte shuffles from three registers to pixels of three or four bytes, for each 16 pixels.
#[derive(Clone, Copy)]
#[repr(C, align(16))]
struct Interleave {
    /// By sixteen bytes of output, by register.
    shuffles: [[[u8; 16]; 3]; 4],
    opaque: [[u8; 16]; 4],
}

/// `split`: samples lie as [`ycc`] leaves them, 8 even ones, then 8 odd ones.
const fn interleave(bytes_per_pixel: usize, split: bool) -> Interleave {
    let mut table = Interleave {
        shuffles: [[[0x80; 16]; 3]; 4],
        opaque: [[0; 16]; 4],
    };
    let mut at = 0;
    while at < 16 * bytes_per_pixel {
        let (pixel, sample) = (at / bytes_per_pixel, at % bytes_per_pixel);
        let source = if split {
            pixel / 2 + pixel % 2 * 8
        } else {
            pixel
        };
        if sample < 3 {
            table.shuffles[at / 16][sample][at % 16] = source as u8;
        } else {
            table.opaque[at / 16][at % 16] = 255;
        }
        at += 1;
    }
    table
}

static PLAIN_3: Interleave = interleave(3, false);
static PLAIN_4: Interleave = interleave(4, false);
static SPLIT_3: Interleave = interleave(3, true);
static SPLIT_4: Interleave = interleave(4, true);

/// Where steps of `step` start in a row of `length`, at least as long: the last one ends with it.
fn starts(length: usize, step: usize) -> impl Iterator<Item = usize> {
    (0..length)
        .step_by(step)
        .map(move |at| at.min(length - step))
}

/// A table for both lanes.
#[target_feature(enable = "avx2")]
fn lanes(bytes: &[u8; 16]) -> __m256i {
    // SAFETY: 16 bytes.
    _mm256_broadcastsi128_si256(unsafe { _mm_loadu_si128(bytes.as_ptr().cast()) })
}

/// 32 samples from `at` on.
#[target_feature(enable = "avx2")]
fn load_32(row: &[u8], at: usize) -> __m256i {
    let row = &row[at..at + 32];
    // SAFETY: 32 bytes.
    unsafe { _mm256_loadu_si256(row.as_ptr().cast()) }
}

/// 16 samples from `at` on, as words.
#[target_feature(enable = "avx2")]
fn load_16(row: &[u8], at: usize) -> __m256i {
    let row = &row[at..at + 16];
    // SAFETY: 16 bytes.
    _mm256_cvtepu8_epi16(unsafe { _mm_loadu_si128(row.as_ptr().cast()) })
}

/// 16 words from `at` on.
#[target_feature(enable = "avx2")]
fn load_words(words: &[u16], at: usize) -> __m256i {
    let words = &words[at..at + 16];
    // SAFETY: 32 bytes.
    unsafe { _mm256_loadu_si256(words.as_ptr().cast()) }
}

#[target_feature(enable = "avx2")]
fn store_32(bytes: __m256i, out: &mut [u8], at: usize) {
    let out = &mut out[at..at + 32];
    // SAFETY: 32 bytes.
    unsafe { _mm256_storeu_si256(out.as_mut_ptr().cast(), bytes) };
}

#[target_feature(enable = "avx2")]
fn times_3(x: __m256i) -> __m256i {
    _mm256_add_epi16(x, _mm256_add_epi16(x, x))
}

/// Twin of [`upsample::both`].
#[target_feature(enable = "avx2")]
pub(in crate::arch) fn both(near: &[u8], far: &[u8], sums: &mut [u16], out: &mut [u8]) {
    let width = near.len();
    if width < 16 || far.len() < width || sums.len() < width + 2 || out.len() < 2 * width {
        return upsample::both(near, far, sums, out);
    }
    // The sums with the first and the last one repeated around them.
    let sums = &mut sums[..width + 2];
    for at in starts(width, 16) {
        let sum = _mm256_add_epi16(times_3(load_16(near, at)), load_16(far, at));
        let to = &mut sums[at + 1..at + 17];
        // SAFETY: 32 bytes.
        unsafe { _mm256_storeu_si256(to.as_mut_ptr().cast(), sum) };
    }
    sums[0] = sums[1];
    sums[width + 1] = sums[width];
    let (even, odd) = (_mm256_set1_epi16(8), _mm256_set1_epi16(7));
    for at in starts(width, 16) {
        let x = times_3(load_words(sums, at + 1));
        let (left, right) = (load_words(sums, at), load_words(sums, at + 2));
        let low = _mm256_srli_epi16::<4>(_mm256_add_epi16(_mm256_add_epi16(x, even), left));
        let high = _mm256_srli_epi16::<4>(_mm256_add_epi16(_mm256_add_epi16(x, odd), right));
        let both = _mm256_or_si256(low, _mm256_slli_epi16::<8>(high));
        store_32(both, out, 2 * at);
    }
}

/// Twin of [`upsample::across`].
#[target_feature(enable = "avx2")]
pub(in crate::arch) fn across(row: &[u8], out: &mut [u8]) {
    let width = row.len();
    if width < 18 || out.len() < 2 * width {
        return upsample::across(row, out);
    }
    let (even, odd) = (_mm256_set1_epi16(1), _mm256_set1_epi16(2));
    for at in starts(width - 2, 16) {
        let x = times_3(load_16(row, at + 1));
        let (left, right) = (load_16(row, at), load_16(row, at + 2));
        let low = _mm256_srli_epi16::<2>(_mm256_add_epi16(_mm256_add_epi16(x, even), left));
        let high = _mm256_srli_epi16::<2>(_mm256_add_epi16(_mm256_add_epi16(x, odd), right));
        let both = _mm256_or_si256(low, _mm256_slli_epi16::<8>(high));
        store_32(both, out, 2 * at + 2);
    }
    // The ends, by the scalar code: three samples at each.
    let mut end = [0; 6];
    upsample::across(&row[..3], &mut end);
    out[..2].copy_from_slice(&end[..2]);
    upsample::across(&row[width - 3..], &mut end);
    out[2 * width - 2..2 * width].copy_from_slice(&end[4..]);
}

/// Twin of [`upsample::down`], which compilers turn into vector code by themselves.
#[target_feature(enable = "avx2")]
pub(in crate::arch) fn down(near: &[u8], far: &[u8], lower: bool, out: &mut [u8]) {
    upsample::down(near, far, lower, out);
}

/// Twin of [`color::ycc_row`].
#[target_feature(enable = "avx2")]
pub(in crate::arch) fn ycc_row(order: Order, rows: [&[u8]; 3], out: &mut [u8]) {
    let [y, cb, cr] = rows;
    if !is_long(order, rows, out) {
        return color::ycc_row(order, rows, 8, out);
    }
    let (low_byte, center) = (_mm256_set1_epi16(255), _mm256_set1_epi16(128));
    let even = |x| _mm256_and_si256(x, low_byte);
    let odd = |x| _mm256_srli_epi16::<8>(x);
    let centered = |x| _mm256_sub_epi16(x, center);
    let planes = |at| {
        let (y, cb, cr) = (load_32(y, at), load_32(cb, at), load_32(cr, at));
        let a = ycc(even(y), centered(even(cb)), centered(even(cr)));
        let b = ycc(odd(y), centered(odd(cb)), centered(odd(cr)));
        [
            _mm256_packus_epi16(a[0], b[0]),
            _mm256_packus_epi16(a[1], b[1]),
            _mm256_packus_epi16(a[2], b[2]),
        ]
    };
    each_32(order, y.len(), out, &SPLIT_3, &SPLIT_4, planes);
}

/// Twin of [`color::interleave`].
#[target_feature(enable = "avx2")]
pub(in crate::arch) fn interleave_row(order: Order, rows: [&[u8]; 3], out: &mut [u8]) {
    if !is_long(order, rows, out) {
        return color::interleave(order, rows, out);
    }
    let planes = |at| rows.map(|row| load_32(row, at));
    each_32(order, rows[0].len(), out, &PLAIN_3, &PLAIN_4, planes);
}

/// Whether there is a whole step of pixels, and room for all of them.
fn is_long(order: Order, [a, b, c]: [&[u8]; 3], out: &[u8]) -> bool {
    let width = a.len();
    width >= 32
        && b.len() >= width
        && c.len() >= width
        && out.len() >= width * color::pixel::<u8>(order)
}

/// Converts 16 pixels, see [`color`]: `cb` and `cr` less their centre.
#[target_feature(enable = "avx2")]
fn ycc(y: __m256i, cb: __m256i, cr: __m256i) -> [__m256i; 3] {
    // Whole multiples of 65536 are taken out of the factors; what is left fits a rounding product.
    let scaled = |x, factor| _mm256_add_epi16(x, _mm256_mulhrs_epi16(x, _mm256_set1_epi16(factor)));
    let red = _mm256_add_epi16(y, scaled(cr, 13172));
    let blue = _mm256_add_epi16(y, scaled(cb, 25297));
    let (half, factors) = (
        _mm256_set1_epi32(1 << 15),
        _mm256_set1_epi32(18734 << 16 | (-22554 & 0xFFFF)),
    );
    let sum = |pairs| {
        let sum = _mm256_add_epi32(_mm256_madd_epi16(pairs, factors), half);
        _mm256_srai_epi32::<16>(sum)
    };
    let low = sum(_mm256_unpacklo_epi16(cb, cr));
    let high = sum(_mm256_unpackhi_epi16(cb, cr));
    let green = _mm256_sub_epi16(_mm256_add_epi16(y, _mm256_packs_epi32(low, high)), cr);
    [red, green, blue]
}

/// Writes `width` pixels, 32 at a time; `planes` gives their samples.
#[target_feature(enable = "avx2")]
#[inline]
fn each_32(
    order: Order,
    width: usize,
    out: &mut [u8],
    three: &Interleave,
    four: &Interleave,
    planes: impl Fn(usize) -> [__m256i; 3],
) {
    let swap = matches!(order, Order::Bgr | Order::Bgra);
    for at in starts(width, 32) {
        let [r, g, b] = planes(at);
        let samples = if swap { [b, g, r] } else { [r, g, b] };
        match order {
            Order::Rgb | Order::Bgr => {
                let [a, b, c] = [0, 1, 2].map(|part| sixteen(&samples, three, part));
                let at = 3 * at;
                store_32(_mm256_permute2x128_si256::<0x20>(a, b), out, at);
                store_32(_mm256_permute2x128_si256::<0x30>(c, a), out, at + 32);
                store_32(_mm256_permute2x128_si256::<0x31>(b, c), out, at + 64);
            }
            Order::Rgba | Order::Bgra => {
                let [a, b, c, d] = [0, 1, 2, 3].map(|part| sixteen(&samples, four, part));
                let at = 4 * at;
                store_32(_mm256_permute2x128_si256::<0x20>(a, b), out, at);
                store_32(_mm256_permute2x128_si256::<0x20>(c, d), out, at + 32);
                store_32(_mm256_permute2x128_si256::<0x31>(a, b), out, at + 64);
                store_32(_mm256_permute2x128_si256::<0x31>(c, d), out, at + 96);
            }
        }
    }
}

/// The bytes `16 part ..` of the pixels of each lane.
#[target_feature(enable = "avx2")]
fn sixteen(samples: &[__m256i; 3], table: &Interleave, part: usize) -> __m256i {
    let mut bytes = lanes(&table.opaque[part]);
    for (samples, shuffle) in samples.iter().zip(&table.shuffles[part]) {
        bytes = _mm256_or_si256(bytes, _mm256_shuffle_epi8(*samples, lanes(shuffle)));
    }
    bytes
}
