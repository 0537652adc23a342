//! What the vector transforms have in common: sorting blocks, and where their samples go.

use crate::idct::{self, Block, Multipliers, Place, Target};
use crate::tables::ZIGZAG_ORDER;

/// Rows or columns that are multiplied together: of the even and of the odd half.
pub(super) const EVEN: [(usize, usize); 2] = [(0, 4), (2, 6)];
pub(super) const ODD: [(usize, usize); 2] = [(7, 1), (3, 5)];

/// A bit for each zigzag index in these rows.
const fn rows_bits(rows: &[usize]) -> u64 {
    let mut bits = 0;
    let mut row = 0;
    while row < rows.len() {
        let mut column = 0;
        while column < 8 {
            bits |= 1 << ZIGZAG_ORDER[rows[row] * 8 + column];
            column += 1;
        }
        row += 1;
    }
    bits
}

/// What must hold something for the first pass to be a transform, see [`idct`].
const NOT_FLAT_8: u64 = rows_bits(&[1, 2, 3, 4, 5, 6, 7]);
const NOT_FLAT_4: u64 = rows_bits(&[1, 2, 3, 5, 6, 7]);

/// Blocks that wait for a partner.
pub(super) const LIST: usize = 128;

/// Does the blocks that take no transform, and lists the others: the numbers of those to 8 x 8
/// samples from the front, to 4 x 4 from the back.
///
/// Returns the end of the former and the start of the latter. All blocks that are not listed are
/// zero afterwards. `nonzero` gives a bit for each coefficient that is not zero.
#[inline(always)]
#[allow(clippy::cast_possible_truncation, reason = "there are no more blocks than the list has")]
pub(super) fn sort(
    blocks: &mut [Block],
    places: &[Place],
    targets: &mut [Target<'_>],
    list: &mut [u8; LIST],
    nonzero: impl Fn(&Block) -> u64,
) -> (usize, usize) {
    let (mut eights, mut fours) = (0, LIST);
    for (number, (block, place)) in blocks.iter_mut().zip(places).enumerate() {
        let Some(target) = targets.get_mut(usize::from(place.component)) else {
            *block = Block::ZERO;
            continue;
        };
        let bits = nonzero(block);
        if place.offset == Place::SKIP {
            *block = Block::ZERO;
        } else if target.size >= 4 && bits & !1 == 0 {
            let sample = idct::dc_only(block, target.quant);
            block[0] = 0;
            if target.size == 8 {
                fill(destination(target, place, 8), 8, sample);
            } else {
                fill(destination(target, place, 4), 4, sample);
            }
        } else if target.size == 8 && (bits & NOT_FLAT_8 != 0 || is_tame(block, target.quant)) {
            list[eights] = number as u8;
            eights += 1;
        } else if target.size == 4 && (bits & NOT_FLAT_4 != 0 || is_tame(block, target.quant)) {
            fours -= 1;
            list[fours] = number as u8;
        } else {
            scalar(block, place, target);
        }
    }
    (eights, fours)
}

/// The blocks that are too rare for vectors.
#[cold]
#[inline(never)]
fn scalar(block: &mut Block, place: &Place, target: &mut Target<'_>) {
    let out = &mut target.samples[place.offset as usize..];
    idct::transform_8_bit(target.size, block, target.quant, out, target.stride);
    *block = Block::ZERO;
}

/// Whether the first pass, which saturates, gives what the wrapping shift of a flat block gives.
#[cold]
#[inline(never)]
fn is_tame(block: &Block, quant: &Multipliers) -> bool {
    const FIRST_ROW: [usize; 8] = [0, 1, 5, 6, 14, 15, 27, 28];
    let small = |at: usize| (-8192..8192).contains(&block[at].wrapping_mul(quant[at]));
    FIRST_ROW.into_iter().all(small)
}

/// Where the rows of a block go.
#[derive(Clone, Copy)]
pub(super) struct Destination {
    /// `size` rows of as many bytes, `stride` apart, can be written from here.
    pub(super) first: *mut u8,
    pub(super) stride: usize,
}

/// Checks that a block of `size` rows has its place.
#[inline(always)]
pub(super) fn destination(target: &mut Target<'_>, place: &Place, size: usize) -> Destination {
    let (start, stride) = (place.offset as usize, target.stride);
    let rows = &mut target.samples[start..];
    assert!(
        (size - 1) * stride + size <= rows.len(),
        "a block outside its plane"
    );
    Destination {
        first: rows.as_mut_ptr(),
        stride,
    }
}

/// Sets all samples of a block of `size` rows, 8 or 4.
#[inline(always)]
fn fill(to: Destination, size: usize, sample: u8) {
    for row in 0..size {
        let at = to.first.wrapping_add(row * to.stride);
        // SAFETY: `destination` has checked it.
        unsafe {
            if size == 8 {
                at.cast::<[u8; 8]>().write([sample; 8]);
            } else {
                at.cast::<[u8; 4]>().write([sample; 4]);
            }
        }
    }
}
