//! Upsampling and colour, 64 pixels at a time.

#![allow(
    clippy::cast_possible_wrap,
    clippy::cast_possible_truncation,
    reason = "indices below 128, and bit patterns of constants"
)]

use std::arch::x86_64::*;
use std::hint::cold_path;

use super::idct::multiply_add;
use crate::color::Order;
use crate::upsample::Upsampled;

/// The lower 32 bytes and the upper 32 in turn.
static PAIRS: [u8; 64] = {
    let mut pairs = [0; 64];
    let mut at = 0;
    while at < 64 {
        pairs[at] = (at / 2 + at % 2 * 32) as u8;
        at += 1;
    }
    pairs
};

/// From three registers of 64 samples to pixels of three or four bytes.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Interleave {
    /// For each register of the output: bytes of the first two, then of the third.
    first_two: [[u8; 64]; 4],
    third: [[u8; 64]; 4],
    third_mask: [u64; 4],
    opaque_mask: [u64; 4],
}

/// `split`: samples lie as [`ycc`] leaves them, in each lane 8 even ones, then 8 odd ones.
const fn interleave(bytes_per_pixel: usize, split: bool) -> Interleave {
    let mut table = Interleave {
        first_two: [[0; 64]; 4],
        third: [[0; 64]; 4],
        third_mask: [0; 4],
        opaque_mask: [0; 4],
    };
    let mut at = 0;
    while at < 64 * bytes_per_pixel {
        let (pixel, sample) = (at / bytes_per_pixel, at % bytes_per_pixel);
        let (register, byte) = (at / 64, at % 64);
        let half = pixel / 2;
        let source = if split {
            half / 8 * 16 + half % 8 + pixel % 2 * 8
        } else {
            pixel
        } as u8;
        match sample {
            0 => table.first_two[register][byte] = source,
            1 => table.first_two[register][byte] = 64 + source,
            2 => {
                table.third[register][byte] = source;
                table.third_mask[register] |= 1 << byte;
            }
            _ => table.opaque_mask[register] |= 1 << byte,
        }
        at += 1;
    }
    table
}

static PLAIN_3: Interleave = interleave(3, false);
static PLAIN_4: Interleave = interleave(4, false);
static SPLIT_3: Interleave = interleave(3, true);
static SPLIT_4: Interleave = interleave(4, true);

/// The lowest `count` bits.
#[inline(always)]
fn mask(count: usize) -> u64 {
    if count >= 64 {
        u64::MAX
    } else {
        (1 << count) - 1
    }
}

#[target_feature(enable = "avx512f")]
fn load_index<T>(from: &T) -> __m512i {
    const { assert!(size_of::<T>() == 64) }
    // SAFETY: 64 bytes.
    unsafe { _mm512_loadu_si512(std::ptr::from_ref(from).cast()) }
}

// Masked stores are slow on Zen 4, so whole registers go without a mask.

/// Up to 64 samples, zeros behind them.
#[target_feature(enable = "avx512f,avx512bw")]
fn load_64(row: &[u8]) -> __m512i {
    match row.first_chunk::<64>() {
        // SAFETY: 64 bytes.
        Some(all) => unsafe { _mm512_loadu_si512(all.as_ptr().cast()) },
        None => {
            cold_path();
            // SAFETY: masked to the length of the row.
            unsafe { _mm512_maskz_loadu_epi8(mask(row.len()), row.as_ptr().cast()) }
        }
    }
}

/// Up to 32 samples, zeros behind them.
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
fn load_32(row: &[u8]) -> __m256i {
    match row.first_chunk::<32>() {
        // SAFETY: 32 bytes.
        Some(all) => unsafe { _mm256_loadu_si256(all.as_ptr().cast()) },
        None => {
            cold_path();
            // SAFETY: masked to the length of the row.
            unsafe { _mm256_maskz_loadu_epi8(mask(row.len()) as u32, row.as_ptr().cast()) }
        }
    }
}

/// Writes as many of the bytes as `out` has, up to 64.
#[target_feature(enable = "avx512f,avx512bw")]
fn store_64(bytes: __m512i, out: &mut [u8]) {
    match out.first_chunk_mut::<64>() {
        // SAFETY: 64 bytes.
        Some(all) => unsafe { _mm512_storeu_si512(all.as_mut_ptr().cast(), bytes) },
        // SAFETY: masked to the length of the slice.
        None => unsafe {
            _mm512_mask_storeu_epi8(out.as_mut_ptr().cast(), mask(out.len()), bytes);
        },
    }
}

/// Twin of [`upsample::both`](crate::upsample::both).
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vbmi")]
pub(in crate::arch) fn both(near: &[u8], far: &[u8], out: &mut [u8]) {
    let width = near.len().min(far.len());
    let mut spread = Spread::<8, 7, 4, 0, _>::new(width, |at| column_sums(near, far, at));
    for out in out[..2 * width].chunks_mut(64) {
        let (low, high) = spread.next();
        store_64(_mm512_or_si512(low, _mm512_slli_epi16::<8>(high)), out);
    }
}

/// Twin of [`upsample::across`](crate::upsample::across).
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vbmi")]
pub(in crate::arch) fn across(row: &[u8], out: &mut [u8]) {
    let mut spread = Spread::<1, 2, 2, 0, _>::new(row.len(), |at| words(row, at));
    for out in out[..2 * row.len()].chunks_mut(64) {
        let (low, high) = spread.next();
        store_64(_mm512_or_si512(low, _mm512_slli_epi16::<8>(high)), out);
    }
}

/// Up to 32 samples from `at` on, as words.
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
fn words(row: &[u8], at: usize) -> __m512i {
    _mm512_cvtepu8_epi16(load_32(&row[at.min(row.len())..]))
}

/// `3 near + far`.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vbmi")]
fn column_sums(near: &[u8], far: &[u8], at: usize) -> __m512i {
    let near = load_32(&near[at.min(near.len())..]);
    let far = load_32(&far[at.min(far.len())..]);
    let both = _mm512_inserti64x4::<1>(_mm512_castsi256_si512(near), far);
    let pairs = _mm512_permutexvar_epi8(load_index(&PAIRS), both);
    _mm512_maddubs_epi16(pairs, _mm512_set1_epi16(1 << 8 | 3))
}

/// Twice as many samples: `(3 x + left + EVEN) >> SHIFT` and `(3 x + right + ODD) >> SHIFT`, each
/// edge its own neighbour, and `LESS` taken off each.
///
/// A quarter of what is to be added to the sums of four words is added to each word beforehand.
struct Spread<const EVEN: i16, const ODD: i16, const SHIFT: u32, const LESS: i16, F> {
    words: F,
    width: usize,
    /// Where the words of `here` are.
    at: usize,
    before: __m512i,
    here: __m512i,
}

impl<const EVEN: i16, const ODD: i16, const SHIFT: u32, const LESS: i16, F: Fn(usize) -> __m512i>
    Spread<EVEN, ODD, SHIFT, LESS, F>
{
    /// What is added to the sum for an even sample, to each word, and to what these leave.
    const TOTAL: i16 = EVEN - (LESS << SHIFT);
    const TO_WORD: i16 = Self::TOTAL.div_euclid(4);
    const TO_EVEN: i16 = Self::TOTAL - 4 * Self::TO_WORD;
    const TO_ODD: i16 = Self::TO_EVEN + ODD - EVEN;

    /// `words` gives 32 words from some index on, of `width`.
    #[target_feature(enable = "avx512f,avx512bw")]
    #[inline]
    fn new(width: usize, words: F) -> Self {
        let here = plus(words(0), Self::TO_WORD);
        Self {
            before: _mm512_broadcastw_epi16(_mm512_castsi512_si128(here)),
            here,
            at: 0,
            width,
            words,
        }
    }

    /// The even and the odd ones of the next 64; what they are behind the end is of no account.
    #[target_feature(enable = "avx512f,avx512bw")]
    #[inline]
    fn next(&mut self) -> (__m512i, __m512i) {
        let left_count = self.width.saturating_sub(self.at);
        let mut here = self.here;
        let mut behind = here;
        if left_count > 32 {
            behind = plus((self.words)(self.at + 32), Self::TO_WORD);
        } else {
            cold_path();
            // The last word is repeated behind itself.
            let last = _mm512_set1_epi16(left_count as i16 - 1);
            let repeated = _mm512_permutexvar_epi16(last, here);
            if left_count == 32 {
                behind = repeated;
            } else {
                here = _mm512_mask_mov_epi16(here, 1 << left_count, repeated);
            }
        }
        // By 8 words and within lanes: a permutation of words takes three operations on Intel's
        // processors.
        let lefts = _mm512_alignr_epi64::<6>(here, self.before);
        let lefts = _mm512_alignr_epi8::<14>(here, lefts);
        let rights = _mm512_alignr_epi64::<2>(behind, here);
        let rights = _mm512_alignr_epi8::<2>(rights, here);
        let x = _mm512_mullo_epi16(here, _mm512_set1_epi16(3));
        let even = plus(_mm512_add_epi16(x, lefts), Self::TO_EVEN);
        let odd = plus(_mm512_add_epi16(x, rights), Self::TO_ODD);
        self.before = here;
        self.here = behind;
        self.at += 32;
        (
            _mm512_srai_epi16::<SHIFT>(even),
            _mm512_srai_epi16::<SHIFT>(odd),
        )
    }
}

/// Each word and `value`, which is a constant.
#[target_feature(enable = "avx512f,avx512bw")]
#[inline]
fn plus(words: __m512i, value: i16) -> __m512i {
    match value {
        0 => words,
        _ => _mm512_add_epi16(words, _mm512_set1_epi16(value)),
    }
}

/// Twin of [`upsample::down`](crate::upsample::down): its code, which compilers turn into vector
/// code no slower than one written for the purpose.
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
pub(in crate::arch) fn down(near: &[u8], far: &[u8], lower: bool, out: &mut [u8]) {
    crate::upsample::down(near, far, lower, out);
}

/// Twin of [`color::ycc_row`](crate::color::ycc_row).
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vbmi,avx512vnni")]
pub(in crate::arch) fn ycc_row(order: Order, [y, cb, cr]: [&[u8]; 3], out: &mut [u8]) {
    let (low_byte, center) = (_mm512_set1_epi16(255), _mm512_set1_epi16(128));
    each_64(
        order,
        [y, cb, cr],
        out,
        &SPLIT_3,
        &SPLIT_4,
        |[y, cb, cr]| {
            let even = |x| _mm512_and_si512(x, low_byte);
            let odd = |x| _mm512_srli_epi16::<8>(x);
            let centered = |x| _mm512_sub_epi16(x, center);
            let a = ycc(even(y), centered(even(cb)), centered(even(cr)));
            let b = ycc(odd(y), centered(odd(cb)), centered(odd(cr)));
            [
                _mm512_packus_epi16(a[0], b[0]),
                _mm512_packus_epi16(a[1], b[1]),
                _mm512_packus_epi16(a[2], b[2]),
            ]
        },
    );
}

/// Upsamples two components and converts in one go: twin of [`both`] or [`across`] and
/// [`ycc_row`].
///
/// The first `skip` of the upsampled samples are left out; `y` has as many before those of the row.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vbmi,avx512vnni")]
pub(in crate::arch) fn ycc_upsampled(
    order: Order,
    y: &[u8],
    chroma: [Upsampled<'_>; 2],
    skip: usize,
    out: &mut [u8],
) {
    match order {
        Order::Rgb | Order::Bgr => ycc_upsampled_to::<3>(order, y, chroma, skip, out),
        Order::Rgba | Order::Bgra => ycc_upsampled_to::<4>(order, y, chroma, skip, out),
    }
}

#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vbmi,avx512vnni")]
fn ycc_upsampled_to<const BYTES: usize>(
    order: Order,
    y: &[u8],
    [cb, cr]: [Upsampled<'_>; 2],
    skip: usize,
    out: &mut [u8],
) {
    let width = cb.width().min(cr.width());
    match [cb, cr] {
        [
            Upsampled::Both { near, far },
            Upsampled::Both {
                near: near2,
                far: far2,
            },
        ] => {
            let cb = Spread::<8, 7, 4, 128, _>::new(width, |at| column_sums(near, far, at));
            let cr = Spread::<8, 7, 4, 128, _>::new(width, |at| column_sums(near2, far2, at));
            ycc_spread::<BYTES, _, _, _, _, _>(order, y, cb, cr, skip, out);
        }
        [Upsampled::Across(row), Upsampled::Across(row2)] => {
            let cb = Spread::<1, 2, 2, 128, _>::new(width, |at| words(row, at));
            let cr = Spread::<1, 2, 2, 128, _>::new(width, |at| words(row2, at));
            ycc_spread::<BYTES, _, _, _, _, _>(order, y, cb, cr, skip, out);
        }
        _ => {}
    }
}

#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vbmi,avx512vnni")]
#[inline]
fn ycc_spread<
    const BYTES: usize,
    const EVEN: i16,
    const ODD: i16,
    const SHIFT: u32,
    F: Fn(usize) -> __m512i,
    G: Fn(usize) -> __m512i,
>(
    order: Order,
    y: &[u8],
    mut cb: Spread<EVEN, ODD, SHIFT, 128, F>,
    mut cr: Spread<EVEN, ODD, SHIFT, 128, G>,
    skip: usize,
    out: &mut [u8],
) {
    let swap = matches!(order, Order::Bgr | Order::Bgra);
    let low_byte = _mm512_set1_epi16(255);
    let table = if BYTES == 3 { &SPLIT_3 } else { &SPLIT_4 };
    let masks = third_masks(table);
    let mut rest = &mut out[..(y.len() - skip) * BYTES];
    let mut at = 0;
    while at < y.len() {
        let part = load_64(&y[at..]);
        let (cb, cr) = (cb.next(), cr.next());
        let even = _mm512_and_si512(part, low_byte);
        let odd = _mm512_srli_epi16::<8>(part);
        let a = ycc(even, cb.0, cr.0);
        let b = ycc(odd, cb.1, cr.1);
        let [r, g, b] = [
            _mm512_packus_epi16(a[0], b[0]),
            _mm512_packus_epi16(a[1], b[1]),
            _mm512_packus_epi16(a[2], b[2]),
        ];
        let rgb = if swap { [b, g, r] } else { [r, g, b] };
        if at >= skip && rest.len() >= 64 * BYTES {
            let (now, later) = rest.split_at_mut(64 * BYTES);
            pixels::<BYTES>(rgb, table, masks, now);
            rest = later;
        } else if at + 64 > skip {
            let mut group = [0; 64 * 4];
            pixels::<BYTES>(rgb, table, masks, &mut group[..64 * BYTES]);
            let group = &group[skip.saturating_sub(at) * BYTES..(y.len() - at).min(64) * BYTES];
            let (now, later) = rest.split_at_mut(group.len());
            now.copy_from_slice(group);
            rest = later;
        }
        at += 64;
    }
}

/// Twin of [`color::interleave`](crate::color::interleave).
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vbmi,avx512vnni")]
pub(in crate::arch) fn interleave_row(order: Order, [a, b, c]: [&[u8]; 3], out: &mut [u8]) {
    each_64(order, [a, b, c], out, &PLAIN_3, &PLAIN_4, |samples| samples);
}

/// Converts 32 pixels, see [`color`](crate::color): `cb` and `cr` less their centre.
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
fn ycc(y: __m512i, cb: __m512i, cr: __m512i) -> [__m512i; 3] {
    // Whole multiples of 65536 are taken out of the factors; what is left fits a rounding product.
    let scaled = |x, factor| _mm512_add_epi16(x, _mm512_mulhrs_epi16(x, _mm512_set1_epi16(factor)));
    let red = _mm512_add_epi16(y, scaled(cr, 13172));
    let blue = _mm512_add_epi16(y, scaled(cb, 25297));
    // Both factors are even: half of them fit 16 bits, and nothing is lost.
    let half = _mm512_set1_epi32(1 << 14);
    let sum = |pairs| _mm512_srai_epi32::<15>(multiply_add(half, pairs, -11277, -23401));
    let low = sum(_mm512_unpacklo_epi16(cb, cr));
    let high = sum(_mm512_unpackhi_epi16(cb, cr));
    let green = _mm512_add_epi16(y, _mm512_packs_epi32(low, high));
    [red, green, blue]
}

/// Writes the pixels of a row, 64 at a time: what `planes` makes of their samples.
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi")]
#[inline]
fn each_64(
    order: Order,
    rows: [&[u8]; 3],
    out: &mut [u8],
    three: &Interleave,
    four: &Interleave,
    planes: impl Fn([__m512i; 3]) -> [__m512i; 3],
) {
    let swap = matches!(order, Order::Bgr | Order::Bgra);
    let ordered = |samples| {
        let [r, g, b] = planes(samples);
        if swap { [b, g, r] } else { [r, g, b] }
    };
    match order {
        Order::Rgb | Order::Bgr => each_64_to::<3>(rows, out, three, ordered),
        Order::Rgba | Order::Bgra => each_64_to::<4>(rows, out, four, ordered),
    }
}

#[target_feature(enable = "avx512f,avx512bw,avx512vbmi")]
#[inline]
fn each_64_to<const BYTES: usize>(
    [a, b, c]: [&[u8]; 3],
    out: &mut [u8],
    table: &Interleave,
    planes: impl Fn([__m512i; 3]) -> [__m512i; 3],
) {
    let masks = third_masks(table);
    let width = a.len();
    let out = &mut out[..width * BYTES];
    let Some(last) = width.checked_sub(64) else {
        let mut group = [0; 64 * 4];
        let samples = [load_64(a), load_64(b), load_64(c)];
        pixels::<BYTES>(planes(samples), table, masks, &mut group[..64 * BYTES]);
        out.copy_from_slice(&group[..width * BYTES]);
        return;
    };
    for at in (0..width).step_by(64) {
        // The last ones overlap: some pixels are written twice.
        let at = at.min(last);
        let samples = [load_64(&a[at..]), load_64(&b[at..]), load_64(&c[at..])];
        pixels::<BYTES>(
            planes(samples),
            table,
            masks,
            &mut out[at * BYTES..][..64 * BYTES],
        );
    }
}

/// The masks of a table, for registers of their own: compilers would bring the constants there
/// again for each group of pixels.
#[target_feature(enable = "avx512bw")]
fn third_masks(table: &Interleave) -> [__mmask64; 4] {
    let [mut first, mut second, mut third, _] = table.third_mask;
    // SAFETY: nothing is done.
    unsafe {
        std::arch::asm!("/* {0} {1} {2} */", inout(kreg) first, inout(kreg) second,
            inout(kreg) third, options(pure, nomem, nostack, preserves_flags));
    }
    [first, second, third, table.third_mask[3]]
}

/// Writes 64 pixels: as many as `out` takes.
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi")]
#[inline]
fn pixels<const BYTES: usize>(
    [a, b, c]: [__m512i; 3],
    table: &Interleave,
    third_masks: [__mmask64; 4],
    out: &mut [u8],
) {
    for (register, out) in out.as_chunks_mut::<64>().0.iter_mut().enumerate() {
        let two = _mm512_permutex2var_epi8(a, load_index(&table.first_two[register]), b);
        let third = load_index(&table.third[register]);
        let mut all = _mm512_mask_permutexvar_epi8(two, third_masks[register], third, c);
        if BYTES == 4 {
            let opaque = table.opaque_mask[register];
            all = _mm512_mask_mov_epi8(all, opaque, _mm512_set1_epi8(-1));
        }
        store_64(all, out);
    }
}
