//! What the vector transforms have in common: sorting blocks, and where their samples go.

use std::arch::x86_64::{__m128i, _mm_cvtsi128_si32, _mm_extract_epi32, _mm_storel_epi64};

use crate::idct::{self, Block, Multipliers, Place, Target};
use crate::tables::ZIGZAG_ORDER;

/// Rows or columns that are multiplied together: of the even and of the odd half.
pub(super) const EVEN: [(usize, usize); 2] = [(0, 4), (2, 6)];
pub(super) const ODD: [(usize, usize); 2] = [(7, 1), (3, 5)];

/// A bit for each zigzag index in the first four rows and columns.
pub(super) const CORNER: u64 = {
    let mut bits = 0;
    let mut at = 0;
    while at < 64 {
        if at / 8 < 4 && at % 8 < 4 {
            bits |= 1 << ZIGZAG_ORDER[at];
        }
        at += 1;
    }
    bits
};

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
pub(super) const NOT_FLAT_8: u64 = rows_bits(&[1, 2, 3, 4, 5, 6, 7]);
const NOT_FLAT_4: u64 = rows_bits(&[1, 2, 3, 5, 6, 7]);

/// Blocks of one call of [`sort`], at most.
pub(super) const LIST: usize = 192;

/// Numbers of the blocks that are to be transformed, by the size of what they become.
pub(super) struct Lists {
    /// With nothing behind their first 32 coefficients: nearly all.
    low_eights: List,
    eights: List,
    fours: List,
    twos: List,
}

struct List {
    numbers: [u8; LIST],
    count: usize,
}

impl List {
    const EMPTY: Self = Self {
        numbers: [0; LIST],
        count: 0,
    };

    #[inline(always)]
    #[allow(clippy::cast_possible_truncation, reason = "there are no more than the list holds")]
    fn push(&mut self, number: usize) {
        self.numbers[self.count] = number as u8;
        self.count += 1;
    }
}

impl Lists {
    /// The blocks that become 8 x 8, 4 x 4 or 2 x 2 samples.
    ///
    /// `low`: those of the first with nothing behind their first 32 coefficients, or the others.
    #[inline(always)]
    pub(super) fn of(&self, size: usize, low: bool) -> &[u8] {
        let list = match (size, low) {
            (8, true) => &self.low_eights,
            (8, false) => &self.eights,
            (4, _) => &self.fours,
            _ => &self.twos,
        };
        &list.numbers[..list.count]
    }
}

/// Does the blocks that take no transform, and lists the others.
///
/// There are up to [`LIST`] blocks. Those that are not listed are zero afterwards. `nonzero` gives
/// a bit for each coefficient that is not zero. `LOW`: blocks with nothing behind their first 32
/// coefficients are listed apart.
#[inline(always)]
pub(super) fn sort<const LOW: bool>(
    blocks: &mut [Block],
    places: &[Place],
    targets: &mut [Target<'_>],
    nonzero: impl Fn(&Block) -> u64,
) -> Lists {
    let mut lists = Lists {
        low_eights: List::EMPTY,
        eights: List::EMPTY,
        fours: List::EMPTY,
        twos: List::EMPTY,
    };
    for (number, (block, place)) in blocks.iter_mut().zip(places).enumerate() {
        let Some(target) = targets.get_mut(usize::from(place.component)) else {
            *block = Block::ZERO;
            continue;
        };
        if place.offset == Place::SKIP {
            *block = Block::ZERO;
            continue;
        }
        let quant = target.quant;
        match target.size() {
            8 => {
                let bits = nonzero(block);
                if bits & !1 == 0 {
                    flat(block, place, target);
                } else if bits & NOT_FLAT_8 != 0 || is_tame(block, quant) {
                    if LOW && bits >> 32 == 0 {
                        lists.low_eights.push(number);
                    } else {
                        lists.eights.push(number);
                    }
                } else {
                    scalar(block, place, target);
                }
            }
            4 => {
                let bits = nonzero(block);
                if bits & !1 == 0 {
                    let sample = idct::dc_only(block, quant);
                    block[0] = 0;
                    fill(destination(target, place, 4), 4, sample);
                } else if bits & NOT_FLAT_4 != 0 || is_tame(block, quant) {
                    lists.fours.push(number);
                } else {
                    scalar(block, place, target);
                }
            }
            2 => {
                if nonzero(block) & !1 == 0 {
                    let sample = idct::dc_only_quarter(block, quant);
                    block[0] = 0;
                    fill(destination(target, place, 2), 2, sample);
                } else {
                    lists.twos.push(number);
                }
            }
            _ => {
                target.block_at(place).0[0] = idct::eighth(block, quant);
                *block = Block::ZERO;
            }
        }
    }
    lists
}

/// A block of 8 x 8 samples with nothing but its DC coefficient.
#[inline(always)]
pub(super) fn flat(block: &mut Block, place: &Place, target: &mut Target<'_>) {
    let sample = idct::dc_only(block, target.quant);
    block[0] = 0;
    fill(destination(target, place, 8), 8, sample);
}

/// The blocks that are too rare for vectors.
#[cold]
#[inline(never)]
pub(super) fn scalar(block: &mut Block, place: &Place, target: &mut Target<'_>) {
    let (size, quant) = (target.size(), target.quant);
    let (out, stride) = target.block_at(place);
    idct::transform_8_bit(size, block, quant, out, stride);
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
///
/// It is good until its plane is borrowed again: each block is written before the next one's place
/// is looked up.
#[derive(Clone, Copy)]
pub(super) struct Destination {
    /// As many rows as the block has samples down, `stride` apart, can be written from here.
    pub(super) first: *mut u8,
    pub(super) stride: usize,
}

/// Checks that a block of `size` rows has its place.
#[inline(always)]
pub(super) fn destination(target: &mut Target<'_>, place: &Place, size: usize) -> Destination {
    assert!(size <= target.size(), "a block larger than its target has");
    let (rows, stride) = target.block_at(place);
    Destination {
        first: rows.as_mut_ptr(),
        stride,
    }
}

/// Sets all samples of a block of `size` rows: 8, 4 or 2.
#[inline(always)]
fn fill(to: Destination, size: usize, sample: u8) {
    for row in 0..size {
        let at = to.first.wrapping_add(row * to.stride);
        // SAFETY: `destination` has checked that so many rows of as many bytes can be written.
        unsafe {
            match size {
                8 => at.cast::<[u8; 8]>().write([sample; 8]),
                4 => at.cast::<[u8; 4]>().write([sample; 4]),
                _ => at.cast::<[u8; 2]>().write([sample; 2]),
            }
        }
    }
}

/// Writes 8 rows of 8 samples, two in each register.
#[target_feature(enable = "avx2")]
pub(super) fn put_8(rows: [__m128i; 4], to: Destination) {
    for (index, two) in rows.into_iter().enumerate() {
        let at = to.first.wrapping_add(index * 2 * to.stride);
        // SAFETY: `destination` has checked that 8 rows of 8 bytes can be written.
        unsafe {
            _mm_storel_epi64(at.cast(), two);
            store_upper(at.wrapping_add(to.stride), two);
        }
    }
}

/// Writes the upper 8 bytes.
///
/// # Safety
/// As many bytes can be written to `at`.
#[target_feature(enable = "avx2")]
unsafe fn store_upper(at: *mut u8, bytes: __m128i) {
    // SAFETY: as for this function. Compilers make a shuffle and a store of the intrinsic.
    unsafe {
        std::arch::asm!("vmovhps qword ptr [{0}], {1}", in(reg) at, in(xmm_reg) bytes,
            options(nostack, preserves_flags));
    }
}

/// Writes 4 rows of 4 samples.
#[target_feature(enable = "avx2")]
pub(super) fn put_4(rows: __m128i, to: Destination) {
    let rows = [
        _mm_extract_epi32::<0>(rows),
        _mm_extract_epi32::<1>(rows),
        _mm_extract_epi32::<2>(rows),
        _mm_extract_epi32::<3>(rows),
    ];
    for (index, row) in rows.into_iter().enumerate() {
        let at = to.first.wrapping_add(index * to.stride);
        // SAFETY: `destination` has checked that 4 rows of 4 bytes can be written.
        unsafe { at.cast::<i32>().write_unaligned(row) };
    }
}

/// Writes 2 rows of 2 samples, the lowest bytes of `rows`.
#[target_feature(enable = "avx2")]
pub(super) fn put_2(rows: __m128i, to: Destination) {
    let rows = _mm_cvtsi128_si32(rows).to_le_bytes();
    let below = to.first.wrapping_add(to.stride);
    // SAFETY: `destination` has checked that 2 rows of 2 bytes can be written.
    unsafe {
        to.first.cast::<[u8; 2]>().write([rows[0], rows[1]]);
        below.cast::<[u8; 2]>().write([rows[2], rows[3]]);
    }
}
