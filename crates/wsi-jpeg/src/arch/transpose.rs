//! Turning 8 rows of 8 values into columns, of which compilers make no good code by themselves.

use crate::idct::Lanes;

/// Rows to columns: three times, each row is merged with the one that is four further on.
#[inline(always)]
pub(crate) fn transpose(rows: &[Lanes; 8]) -> [Lanes; 8] {
    let mut x = rows.map(row::load);
    for _ in 0..3 {
        x = [
            row::merge_low(x[0], x[4]),
            row::merge_high(x[0], x[4]),
            row::merge_low(x[1], x[5]),
            row::merge_high(x[1], x[5]),
            row::merge_low(x[2], x[6]),
            row::merge_high(x[2], x[6]),
            row::merge_low(x[3], x[7]),
            row::merge_high(x[3], x[7]),
        ];
    }
    x.map(row::store)
}

/// Two instructions that all of these processors have, and rows as registers.
#[cfg(any(target_arch = "x86_64", all(target_arch = "aarch64", target_endian = "little")))]
mod row {
    #[cfg(target_arch = "aarch64")]
    use std::arch::aarch64::{int16x8_t as Row, vzip1q_s16 as zip_low, vzip2q_s16 as zip_high};
    #[cfg(target_arch = "x86_64")]
    use std::arch::x86_64::{
        __m128i as Row, _mm_unpackhi_epi16 as zip_high, _mm_unpacklo_epi16 as zip_low,
    };

    use super::Lanes;

    #[inline(always)]
    pub(super) fn load(row: Lanes) -> Row {
        // SAFETY: 16 bytes each, of which any values are either.
        unsafe { std::mem::transmute(row) }
    }

    #[inline(always)]
    pub(super) fn store(row: Row) -> Lanes {
        // SAFETY: as above.
        unsafe { std::mem::transmute(row) }
    }

    /// The lower halves, in turns.
    #[inline(always)]
    pub(super) fn merge_low(a: Row, b: Row) -> Row {
        // SAFETY: every x86-64 processor has SSE2, every AArch64 target with a standard library NEON.
        unsafe { zip_low(a, b) }
    }

    /// The upper halves.
    #[inline(always)]
    pub(super) fn merge_high(a: Row, b: Row) -> Row {
        // SAFETY: as above.
        unsafe { zip_high(a, b) }
    }
}

/// For all others, in plain code.
#[cfg(not(any(target_arch = "x86_64", all(target_arch = "aarch64", target_endian = "little"))))]
mod row {
    use super::Lanes;

    #[inline(always)]
    pub(super) fn load(row: Lanes) -> Lanes {
        row
    }

    #[inline(always)]
    pub(super) fn store(row: Lanes) -> Lanes {
        row
    }

    /// The lower halves, in turns.
    #[inline(always)]
    pub(super) fn merge_low(a: Lanes, b: Lanes) -> Lanes {
        [a[0], b[0], a[1], b[1], a[2], b[2], a[3], b[3]]
    }

    /// The upper halves.
    #[inline(always)]
    pub(super) fn merge_high(a: Lanes, b: Lanes) -> Lanes {
        [a[4], b[4], a[5], b[5], a[6], b[6], a[7], b[7]]
    }
}
