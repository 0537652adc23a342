//! Removal of byte stuffing, 32 bytes at a time.

use std::arch::x86_64::*;

use crate::huffman::PADDING;

/// Twin of [`huffman::unstuff`](crate::huffman::unstuff).
#[target_feature(enable = "avx2,bmi1")]
pub(in crate::arch) fn unstuff(data: &[u8], from: usize, out: &mut Vec<u8>) -> (usize, Option<u8>) {
    out.clear();
    let mut at = from.min(data.len());
    // A segment is no longer than what is left of the data.
    out.reserve(data.len() - at + 32 + PADDING);
    let ones = _mm256_set1_epi8(-1);
    let mut length = 0;
    // Each step looks one byte past its 32.
    while let Some(bytes) = data.get(at..at + 33) {
        // SAFETY: 33 bytes are there.
        let here = unsafe { _mm256_loadu_si256(bytes.as_ptr().cast()) };
        // SAFETY: there is room for what is left of the data and 32 bytes more, and no step makes
        // more output than it passes data.
        unsafe { _mm256_storeu_si256(out.as_mut_ptr().add(length).cast(), here) };
        let is_ff = _mm256_movemask_epi8(_mm256_cmpeq_epi8(here, ones)).cast_unsigned();
        if is_ff == 0 {
            length += 32;
            at += 32;
            continue;
        }
        let plain = is_ff.trailing_zeros() as usize;
        // Anything but a zero behind 0xFF is for the careful way.
        if bytes[plain + 1] != 0 {
            break;
        }
        length += plain + 1;
        at += plain + 2;
    }
    // SAFETY: so many bytes have been written.
    unsafe { out.set_len(length) };
    let end = crate::huffman::unstuff_rest(data, at, out);
    out.extend_from_slice(&[0; PADDING]);
    end
}
