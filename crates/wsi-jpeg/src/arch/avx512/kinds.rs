//! Which blocks of a chunk take which transform to 8 x 8 samples.

#![allow(clippy::cast_possible_truncation, reason = "numbers of blocks, below 256")]

use std::arch::x86_64::*;

use super::super::blocks::{CORNER, LIST, NOT_FLAT_8, flat, scalar};
use super::idct::{is_tame, nonzero};
use crate::idct::{Block, Place, Target};

/// Blocks with corners alone below which it does not pay to do them apart.
const FEW: usize = 16;

/// Numbers of blocks.
pub(super) struct Numbers {
    /// Behind the last one there is room for some of no account.
    numbers: [u8; LIST + FEW],
    count: usize,
}

impl Numbers {
    const NONE: Self = Self {
        numbers: [0; LIST + FEW],
        count: 0,
    };

    pub(super) fn numbers(&self) -> &[u8] {
        &self.numbers[..self.count]
    }

    fn push(&mut self, number: u8) {
        self.numbers[self.count] = number;
        self.count += 1;
    }

    /// Adds as many of the numbers as `count`, or all.
    #[inline(always)]
    fn push_some(&mut self, numbers: [u8; FEW], count: usize) {
        self.numbers[self.count..][..FEW].copy_from_slice(&numbers);
        self.count += count.min(FEW);
    }
}

/// Blocks that become 8 x 8 samples by a transform.
pub(super) struct Kinds {
    /// With nothing outside the first four rows and columns: whole groups of four.
    pub(super) corner: Numbers,
    pub(super) full: Numbers,
}

impl Kinds {
    /// Does those of up to [`LIST`] blocks that take no transform, and sorts the others; all of them
    /// become 8 x 8 samples.
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vbmi2")]
    pub(super) fn sort(blocks: &mut [Block], places: &[Place], targets: &mut [Target<'_>]) -> Self {
        let mut others = Numbers::NONE;
        let mut bits = [0; LIST];
        for (number, (block, place)) in blocks.iter_mut().zip(places).enumerate() {
            match targets.get_mut(usize::from(place.component)) {
                Some(target) if place.offset != Place::SKIP => {
                    let nonzero = nonzero(block);
                    if nonzero & !1 == 0 {
                        flat(block, place, target);
                    } else {
                        bits[others.count] = nonzero;
                        others.push(number as u8);
                    }
                }
                _ => *block = Block::ZERO,
            }
        }
        let mut kinds = Self {
            corner: Numbers::NONE,
            full: Numbers::NONE,
        };
        let groups = others.numbers.as_chunks::<8>().0.iter();
        let groups = groups.zip(bits.as_chunks::<8>().0);
        for (group, (numbers, bits)) in groups.enumerate() {
            let Some(count) = others.count.checked_sub(group * 8) else {
                break;
            };
            let first_row = kinds.push_group(*numbers, bits, count);
            kinds.do_first_rows((*numbers, first_row), blocks, places, targets);
        }
        kinds.group_corners();
        kinds
    }

    /// Sorts the first `count` of 8 blocks by the bits of their coefficients, but for those with
    /// nothing outside the first row: it returns a bit for each of these.
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vbmi2")]
    #[inline]
    fn push_group(&mut self, numbers: [u8; 8], bits: &[u64; 8], count: usize) -> u8 {
        // SAFETY: 64 bytes.
        let bits = unsafe { _mm512_loadu_si512(bits.as_ptr().cast()) };
        let none = |bit: u64| _mm512_testn_epi64_mask(bits, _mm512_set1_epi64(bit.cast_signed()));
        let wanted = if count >= 8 {
            u8::MAX
        } else {
            (1 << count) - 1
        };
        let first_row = none(NOT_FLAT_8) & wanted;
        let corner = none(!CORNER) & !first_row & wanted;
        let full = wanted & !first_row & !corner;
        let numbers = _mm_cvtsi64_si128(i64::from_le_bytes(numbers));
        for (list, mask) in [(&mut self.corner, corner), (&mut self.full, full)] {
            let some = _mm_maskz_compress_epi8(mask.into(), numbers);
            let mut all = [0; FEW];
            // SAFETY: 16 bytes.
            unsafe { _mm_storeu_si128(all.as_mut_ptr().cast(), some) };
            list.push_some(all, mask.count_ones() as usize);
        }
        first_row
    }

    /// Does blocks whose first pass is a shift, or lists them with those for which it makes no
    /// difference.
    #[target_feature(enable = "avx512f,avx512bw")]
    #[inline]
    fn do_first_rows(
        &mut self,
        (numbers, mut mask): ([u8; 8], u8),
        blocks: &mut [Block],
        places: &[Place],
        targets: &mut [Target<'_>],
    ) {
        while mask != 0 {
            let number = numbers[mask.trailing_zeros() as usize];
            mask &= mask - 1;
            let (block, place) = (
                &mut blocks[usize::from(number)],
                &places[usize::from(number)],
            );
            let target = &mut targets[usize::from(place.component)];
            if is_tame(block, target.quant) {
                self.full.push(number);
            } else {
                scalar(block, place, target);
            }
        }
    }

    /// Leaves whole groups of corners; or none if they are few.
    fn group_corners(&mut self) {
        let count = self.corner.count;
        let kept = if count < FEW { 0 } else { count / 4 * 4 };
        // Not one by one: loops over a few are hard to foretell.
        let mut moved = [0; FEW];
        moved.copy_from_slice(&self.corner.numbers[kept..][..FEW]);
        self.full.push_some(moved, count - kept);
        self.corner.count = kept;
    }
}
