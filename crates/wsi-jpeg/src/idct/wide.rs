//! 12-bit samples: the reference has no SIMD routines for them, so that its C code's wide sums and its
//! masked range limit are followed.

#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "values are clamped to the target's range, or cut on purpose as the reference does"
)]

use super::{Block, Multipliers};
use crate::tables::ZIGZAG_ORDER;

/// libjpeg's range limit after a transform: the value modulo four times the sample range, moved
/// up by half the range, clamped.
pub(super) fn masked_limit(value: i64, bits: u32) -> u16 {
    let range = 1_i64 << bits;
    let mut value = value & (4 * range - 1);
    if value >= 2 * range {
        value -= 4 * range;
    }
    (value + range / 2).clamp(0, range - 1) as u16
}

/// Transforms a block of 12-bit samples, see [`transform_8_bit`](super::transform_8_bit).
///
/// With 12 bits the first pass keeps 1 fraction bit in place of 2 (`PASS1_BITS`).
pub(crate) fn transform_12_bit(
    size: usize,
    block: &Block,
    quant: &Multipliers,
    out: &mut [u16],
    stride: usize,
) {
    let at = |natural: usize| {
        let index = usize::from(ZIGZAG_ORDER[natural]);
        i64::from(i32::from(block[index]) * i32::from(quant[index]))
    };
    let edge = match size {
        8 => 8,
        4 => 4,
        2 => 2,
        _ => {
            if let Some(sample) = out.first_mut() {
                *sample = masked_limit((at(0) + 4) >> 3, 12);
            }
            return;
        }
    };
    let (first, second) = match edge {
        8 => (12, 17),
        4 => (13, 18),
        _ => (14, 19),
    };
    let mut work = [[0_i64; 8]; 8];
    for column in 0..8 {
        let x = std::array::from_fn(|row| at(row * 8 + column));
        for (row, value) in work.iter_mut().zip(pass_12_bit(edge, x)) {
            // The reference keeps the first pass in an `int` array.
            row[column] = i64::from(((value + (1 << (first - 1))) >> first) as i32);
        }
    }
    for (samples, row) in out.chunks_mut(stride).zip(&work).take(edge) {
        for (sample, value) in samples.iter_mut().zip(pass_12_bit(edge, *row)).take(edge) {
            let value = ((value + (1 << (second - 1))) >> second) as i32;
            *sample = masked_limit(value.into(), 12);
        }
    }
}

/// One pass to `edge` samples in wide arithmetic; entries past them are zero.
pub(super) fn pass_12_bit(edge: usize, x: [i64; 8]) -> [i64; 8] {
    match edge {
        8 => {
            let (t0, t1) = ((x[0] + x[4]) << 13, (x[0] - x[4]) << 13);
            let a = 10703 * x[2] + 4433 * x[6];
            let b = 4433 * x[2] - 10704 * x[6];
            let even = [t0 + a, t1 + b, t1 - b, t0 - a];
            let odd = [
                11363 * x[1] + 9633 * x[3] + 6437 * x[5] + 2260 * x[7],
                9633 * x[1] - 2259 * x[3] - 11362 * x[5] - 6436 * x[7],
                6437 * x[1] - 11362 * x[3] + 2261 * x[5] + 9633 * x[7],
                2260 * x[1] - 6436 * x[3] + 9633 * x[5] - 11363 * x[7],
            ];
            std::array::from_fn(|k| {
                if k < 4 {
                    even[k] + odd[k]
                } else {
                    even[7 - k] - odd[7 - k]
                }
            })
        }
        4 => {
            let e = x[0] << 14;
            let t = 15137 * x[2] - 6270 * x[6];
            let u = 20995 * x[1] + 7373 * x[3] - 4926 * x[5] - 4176 * x[7];
            let v = 8697 * x[1] - 17799 * x[3] + 11893 * x[5] - 1730 * x[7];
            [e + t + u, e - t + v, e - t - v, e + t - u, 0, 0, 0, 0]
        }
        _ => {
            let e = x[0] << 15;
            let t = 29692 * x[1] - 10426 * x[3] + 6967 * x[5] - 5906 * x[7];
            [e + t, e - t, 0, 0, 0, 0, 0, 0]
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_masked_limit_follows_the_table_of_the_reference() {
        for value in -4096_i64..4096 {
            let expected = match value & 0x3FF {
                index @ 0..=127 => index + 128,
                128..=511 => 255,
                512..=895 => 0,
                index => index - 896,
            };
            assert_eq!(i64::from(masked_limit(value, 8)), expected);
        }
    }
}
