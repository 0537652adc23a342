//! AVX-512 with VBMI, whose permutations look up 64 bytes in 128 at once.

#[allow(clippy::wildcard_imports, reason = "the names say where they are from")]
use std::arch::x86_64::*;

use crate::bits::{Bits, PARTS};
use crate::deflate::{self, Codes};
use crate::runs::{self, Counts, Piece};

#[target_feature(enable = "avx512f,avx512bw,avx512vbmi,bmi2")]
pub(super) fn find(data: &[u8], pieces: &mut Vec<Piece>) -> Counts {
    runs::find(data, pieces, |data, at| skip(data, at))
}

/// Passes steps of eight bytes in which no run begins, eight of them at a time.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn skip(data: &[u8], mut at: usize) -> usize {
    /// The first five bytes of each step.
    const FIRST_FIVE: u64 = 0x1F1F_1F1F_1F1F_1F1F;
    while let Some(block) = data.get(at - 1..).and_then(|rest| rest.first_chunk::<65>()) {
        let [before @ .., _] = block;
        let [_, bytes @ ..] = block;
        let same = _mm512_cmpeq_epi8_mask(load(before), load(bytes));
        let four = same & same >> 1 & same >> 2 & same >> 3 & FIRST_FIVE;
        if four != 0 {
            return at + (four.trailing_zeros() & !7) as usize;
        }
        at += 64;
    }
    at
}

#[target_feature(enable = "avx512f,avx512bw,avx512vbmi,bmi2")]
pub(super) fn write(data: &[u8], pieces: &[Piece], codes: &Codes, out: &mut Bits<'_>) {
    // Bytes of the entries: of the code the lower, the higher, and its length.
    let byte = |number: usize| -> [u8; 256] {
        std::array::from_fn(|literal| codes.all[literal].to_le_bytes()[number])
    };
    let tables = Tables {
        low: quarters(&byte(0)),
        high: quarters(&byte(1)),
        lengths: quarters(&byte(2)),
    };
    deflate::write_pieces(data, pieces, codes, out, |bytes, _, out| {
        literals(bytes, &tables, out);
    });
}

/// Codes of the 256 literals, and their lengths: 64 in each register.
struct Tables {
    low: [__m512i; 4],
    high: [__m512i; 4],
    lengths: [__m512i; 4],
}

/// Writes the codes of literals, 64 at a time: each is looked up, two become one of up to 24 bits,
/// four one of up to 48, and these are written one after another.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi,bmi2")]
fn literals(bytes: &[u8], tables: &Tables, out: &mut Bits<'_>) {
    let (mut codes, mut lengths) = ([[[0; 8]; 2]; PARTS / 16], [[[0; 8]; 2]; PARTS / 16]);
    for bytes in bytes.chunks(4 * PARTS) {
        let (blocks, rest) = bytes.as_chunks::<64>();
        let places = codes.iter_mut().zip(&mut lengths);
        for (block, (codes, lengths)) in blocks.iter().zip(places) {
            fours(load(block), !0, tables, codes, lengths);
        }
        if !rest.is_empty() {
            let (bytes, mask) = load_part(rest);
            let place = blocks.len();
            fours(bytes, mask, tables, &mut codes[place], &mut lengths[place]);
        }
        let number = bytes.len().div_ceil(4);
        let codes = codes.as_flattened().as_flattened();
        out.add_all(
            &codes[..number],
            &lengths.as_flattened().as_flattened()[..number],
        );
    }
}

/// The codes of the bytes in the mask, of four bytes one behind another, and their lengths.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi")]
fn fours(
    bytes: __m512i,
    mask: __mmask64,
    tables: &Tables,
    codes: &mut [[u64; 8]; 2],
    lengths: &mut [[u64; 8]; 2],
) {
    let look_up = |table| _mm512_maskz_mov_epi8(mask, look_up(table, bytes));
    let [low, high, of_bytes] = [&tables.low, &tables.high, &tables.lengths].map(look_up);
    let zero = _mm512_setzero_si512();
    // Bytes 0 to 7, 16 to 23 and so on, and those between them.
    let (first, first_lengths) = joined(
        _mm512_unpacklo_epi8(low, high),
        _mm512_unpacklo_epi8(of_bytes, zero),
    );
    let (second, second_lengths) = joined(
        _mm512_unpackhi_epi8(low, high),
        _mm512_unpackhi_epi8(of_bytes, zero),
    );
    store_in_order(first, second, codes);
    store_in_order(first_lengths, second_lengths, lengths);
}

/// Puts the codes of four words one behind another, and adds their lengths.
#[inline]
#[target_feature(enable = "avx512f")]
fn joined(codes: __m512i, lengths: __m512i) -> (__m512i, __m512i) {
    let words = _mm512_set1_epi32(0xFFFF);
    let first = _mm512_and_si512(lengths, words);
    let codes = _mm512_or_si512(
        _mm512_and_si512(codes, words),
        _mm512_sllv_epi32(_mm512_srli_epi32::<16>(codes), first),
    );
    let lengths = _mm512_add_epi32(first, _mm512_srli_epi32::<16>(lengths));

    let halves = _mm512_set1_epi64(0xFFFF_FFFF);
    let first = _mm512_and_si512(lengths, halves);
    let codes = _mm512_or_si512(
        _mm512_and_si512(codes, halves),
        _mm512_sllv_epi64(_mm512_srli_epi64::<32>(codes), first),
    );
    let lengths = _mm512_add_epi64(first, _mm512_srli_epi64::<32>(lengths));
    (codes, lengths)
}

/// Two numbers of the first, two of the second, and so on.
#[inline]
#[target_feature(enable = "avx512f")]
fn store_in_order(first: __m512i, second: __m512i, numbers: &mut [[u64; 8]; 2]) {
    let lower = _mm512_setr_epi64(0, 1, 8, 9, 2, 3, 10, 11);
    let upper = _mm512_setr_epi64(4, 5, 12, 13, 6, 7, 14, 15);
    for (numbers, order) in numbers.iter_mut().zip([lower, upper]) {
        store(numbers, _mm512_permutex2var_epi64(first, order, second));
    }
}

/// The entries of a table of 256 bytes.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi")]
fn look_up(table: &[__m512i; 4], bytes: __m512i) -> __m512i {
    let [a, b, c, d] = *table;
    // The highest bit of a byte does not count here.
    let lower = _mm512_permutex2var_epi8(a, bytes, b);
    let upper = _mm512_permutex2var_epi8(c, bytes, d);
    _mm512_mask_blend_epi8(_mm512_movepi8_mask(bytes), lower, upper)
}

#[inline]
#[target_feature(enable = "avx512f")]
fn quarters(table: &[u8; 256]) -> [__m512i; 4] {
    let (quarters, _) = table.as_chunks::<64>();
    std::array::from_fn(|quarter| load(&quarters[quarter]))
}

#[inline]
#[target_feature(enable = "avx512f")]
fn load(bytes: &[u8; 64]) -> __m512i {
    // SAFETY: 64 bytes are read from a reference to as many; they need no alignment.
    unsafe { _mm512_loadu_si512(bytes.as_ptr().cast()) }
}

/// Fewer bytes than a register has, and which they are.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,bmi2")]
fn load_part(bytes: &[u8]) -> (__m512i, __mmask64) {
    #[expect(clippy::cast_possible_truncation, reason = "at most 64")]
    let mask = _bzhi_u64(!0, bytes.len().min(64) as u32);
    // SAFETY: the bytes in the mask are those of the slice, and no others are read.
    let bytes = unsafe { _mm512_maskz_loadu_epi8(mask, bytes.as_ptr().cast()) };
    (bytes, mask)
}

#[inline]
#[target_feature(enable = "avx512f")]
fn store(numbers: &mut [u64; 8], vector: __m512i) {
    // SAFETY: 64 bytes are written to an array of as many; they need no alignment.
    unsafe { _mm512_storeu_si512(numbers.as_mut_ptr().cast(), vector) };
}
