//! Removal of byte stuffing, 64 bytes at a time.

use std::arch::x86_64::*;

use crate::huffman::PADDING;

/// Twin of [`huffman::unstuff`](crate::huffman::unstuff).
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vbmi,avx512vbmi2,popcnt")]
pub(in crate::arch) fn unstuff(data: &[u8], from: usize, out: &mut Vec<u8>) -> (usize, Option<u8>) {
    out.clear();
    let mut at = from.min(data.len());
    // A segment is no longer than what is left of the data.
    out.reserve(data.len() - at + 64 + PADDING);
    let ones = _mm512_set1_epi8(-1);
    let mut length = 0;
    // Whether the first byte of the step is the zero behind an 0xFF. Only this and the length go
    // from step to step: a position that hung on what was found would make each step wait.
    let mut stuffed = 0;
    // Each step looks one byte past its 64.
    while let Some(bytes) = data.get(at..at + 65) {
        let source = bytes.as_ptr();
        // SAFETY: 65 bytes are there.
        let (here, next) = unsafe {
            (
                _mm512_loadu_si512(source.cast()),
                _mm512_loadu_si512(source.add(1).cast()),
            )
        };
        let is_ff = _mm512_cmpeq_epi8_mask(here, ones);
        // A zero behind 0xFF goes; anything else behind it, and a run of 0xFF, is for the careful
        // way.
        if _mm512_mask_test_epi8_mask(is_ff, next, next) != 0 {
            break;
        }
        let keep = !(is_ff << 1 | stuffed);
        stuffed = is_ff >> 63;
        let packed = _mm512_maskz_compress_epi8(keep, here);
        // SAFETY: there is room for what is left of the data and 64 bytes more, and no more than
        // 64 bytes of output are made of 64 of the data.
        unsafe { _mm512_storeu_si512(out.as_mut_ptr().add(length).cast(), packed) };
        length += keep.count_ones() as usize;
        at += 64;
    }
    // A last zero that goes.
    at += usize::from(stuffed != 0);
    // SAFETY: so many bytes have been written.
    unsafe { out.set_len(length) };
    let end = crate::huffman::unstuff_rest(data, at, out);
    out.extend_from_slice(&[0; PADDING]);
    end
}
