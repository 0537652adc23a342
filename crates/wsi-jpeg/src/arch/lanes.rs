//! Entropy decoding without bounds checks, one stream at a time or two side by side.
//!
//! A lane decodes the blocks of a chunk: some whole MCUs. Each step looks up the next bits in a
//! table of [`codes`](crate::codes), stores up to two coefficients and goes on, in the block or in
//! the next one, without a branch that data decide. A step waits for its look-up most of the time;
//! two lanes in one loop fill each other's waits.
//!
//! Lanes decode clean data exactly. Whatever they meet, they stay within their memory: reading is
//! bounded by the padding of the segment, writing by the blocks. Where data end too early or hold
//! an undefined code they say so, and the caller decodes the chunk again with the scalar code,
//! which is their twin and knows libjpeg's rules for damage.

#![allow(
    clippy::cast_possible_truncation,
    reason = "bit fields are cut out of wider words; coefficients to 16 bits, as the reference's"
)]

use std::cell::Cell;
use std::hint::{cold_path, select_unpredictable};
use std::ptr::{with_exposed_provenance, with_exposed_provenance_mut};
use std::sync::{Arc, LazyLock};

use super::Kernels;
use crate::codes::{Codes, Entry, Half, WINDOW};
use crate::huffman::{BitPosition, Bits, PADDING, extend};
use crate::idct::Block;

/// Blocks of the largest chunk.
pub(crate) const CHUNK_BLOCKS: usize = 192;

/// Bytes of a block.
const BLOCK_BYTES: usize = size_of::<Block>();
/// What separates the address of the AC half of a look-up from that of the DC half.
const AC_BIT: usize = size_of::<Half>();

/// The look-up behind the last block of a chunk: a lane that has come there stays, because what no
/// look-up knows is left to [`rare`].
static END: LazyLock<Box<[Half]>> = LazyLock::new(|| vec![Half::UNKNOWN; 1].into_boxed_slice());

/// Which look-ups the blocks of a chunk take.
#[derive(Debug)]
pub(crate) struct Schedule {
    /// DC look-up of a block by how many are left with it, and [`END`] where none is.
    tables: [*const Half; CHUNK_BLOCKS + 1],
    /// Codes of the blocks of one MCU; the tables are theirs.
    codes: Box<[Arc<Codes>]>,
}

impl Schedule {
    /// The schedule of chunks of whole MCUs whose blocks have these codes; none for MCUs without
    /// blocks.
    pub(crate) fn new(codes: Box<[Arc<Codes>]>) -> Option<Self> {
        if codes.is_empty() {
            return None;
        }
        let mut tables = [std::ptr::from_ref(&END[0]); CHUNK_BLOCKS + 1];
        let from_last = codes.iter().rev().cycle();
        for (table, codes) in tables.iter_mut().skip(1).zip(from_last) {
            // Of the whole look-up, not of its DC half: the AC half is reached from here.
            *table = std::ptr::from_ref(codes.lookup()).cast();
        }
        Some(Self { tables, codes })
    }

    /// Codes of a block with which so many are left.
    fn codes(&self, left: usize) -> &Codes {
        let from_last = (left - 1) % self.codes.len();
        &self.codes[self.codes.len() - 1 - from_last]
    }
}

// SAFETY: the pointers lead to look-ups that `codes` keeps alive, or to `END`; nobody changes them.
unsafe impl Send for Schedule {}
// SAFETY: as above.
unsafe impl Sync for Schedule {}

/// Where a lane stands in its chunk.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct LaneState {
    pub(crate) bits: BitPosition,
    /// Coefficient of the chunk that comes next.
    pub(crate) at: usize,
    /// An undefined code was met.
    pub(crate) failed: bool,
}

/// One stream's share of a call: its data, its chunk, and where it stands.
#[derive(Debug)]
pub(crate) struct Lane<'l> {
    schedule: &'l Schedule,
    /// The segment with its padding.
    segment: &'l [u8],
    /// The blocks of the chunk, zero where the lane has not been.
    blocks: &'l mut [Block],
    state: &'l mut LaneState,
}

impl<'l> Lane<'l> {
    /// The blocks are those of whole MCUs.
    ///
    /// # Panics
    /// If the segment is shorter than its padding, or there are more blocks than a chunk has.
    pub(crate) fn new(
        schedule: &'l Schedule,
        segment: &'l [u8],
        blocks: &'l mut [Block],
        state: &'l mut LaneState,
    ) -> Self {
        assert!(segment.len() >= PADDING && blocks.len() <= CHUNK_BLOCKS);
        Self {
            schedule,
            segment,
            blocks,
            state,
        }
    }

    /// The blocks must not be touched otherwise while the pointers in it are in use.
    fn bounds(&mut self) -> Bounds<'l> {
        let readable = self.segment.len() - PADDING + 8;
        let start = self.blocks.as_mut_ptr().cast::<i16>();
        Bounds {
            schedule: self.schedule,
            segment: self.segment,
            limit: self.segment[readable..].as_ptr(),
            start,
            end: start.wrapping_add(self.blocks.len() * 64),
            failed: Cell::new(self.state.failed),
        }
    }

    fn load(&self, bounds: &Bounds<'_>) -> Registers {
        let bits = self.state.bits;
        let readable = self.segment.len() - PADDING + 8;
        let at = self.state.at.min(self.blocks.len() * 64);
        let left = self.blocks.len() - at / 64;
        let table = self.schedule.tables[left];
        Registers {
            buffer: bits.buffer,
            count: count(bits.count, left),
            next: self.segment[bits.next.min(readable)..].as_ptr(),
            at: bounds.start.wrapping_add(at),
            table: if at.is_multiple_of(64) {
                table
            } else {
                ac_half(table)
            },
        }
    }

    fn store(&mut self, registers: &Registers, bounds: &Bounds<'_>) {
        self.state.bits = BitPosition {
            next: registers.next.addr() - self.segment.as_ptr().addr(),
            buffer: registers.buffer,
            count: (registers.count & 63) as u32,
        };
        self.state.at = (registers.at.addr() - bounds.start.addr()) / size_of::<i16>();
        self.state.failed = bounds.failed.get();
    }
}

/// What a lane may touch.
#[derive(Debug)]
struct Bounds<'l> {
    schedule: &'l Schedule,
    segment: &'l [u8],
    /// The last place in the segment that 8 bytes may be read from.
    limit: *const u8,
    start: *mut i16,
    end: *mut i16,
    failed: Cell<bool>,
}

/// What changes from step to step; meant to live in registers.
///
/// Between steps, `next` is at most the limit of the bounds, `at` lies in the chunk's blocks or at
/// their end, `count` says how many blocks are left with that of `at`, and `table` is the look-up
/// for `at`: [`END`] at the end, the DC half of its block's where `at` is the first coefficient,
/// else the AC half.
#[derive(Debug, Clone, Copy)]
struct Registers {
    buffer: u64,
    /// See [`count`].
    count: u64,
    next: *const u8,
    at: *mut i16,
    table: *const Half,
}

/// Where the number of blocks is in [`count`].
const BLOCKS_SHIFT: u32 = 7;

/// Bits in the buffer and, above them, the blocks that are left. To subtract an
/// [`Advance`](crate::codes::Advance) does for both.
fn count(bits: u32, left: usize) -> u64 {
    (left << BLOCKS_SHIFT) as u64 | u64::from(bits.min(63))
}

/// Brings the buffer to at least 56 bits.
///
/// # Safety
/// The invariant of [`Registers`] holds for `bounds`.
#[inline(always)]
unsafe fn refill(r: &mut Registers, bounds: &Bounds<'_>) {
    // SAFETY: `next` is at most `limit`, where 8 bytes can be read.
    let word = u64::from_be(unsafe { r.next.cast::<u64>().read_unaligned() });
    r.buffer |= word >> (r.count & 63);
    let next = r.next.wrapping_add(((r.count ^ 63) >> 3 & 7) as usize);
    r.next = if next > bounds.limit {
        bounds.limit
    } else {
        next
    };
    r.count |= 56;
}

/// Decodes what one look-up knows: up to two coefficients and an end of block; nothing at the end of
/// the chunk.
///
/// # Safety
/// The invariant of [`Registers`] holds for `bounds`. At least [`WINDOW`] bits are in the buffer.
#[inline(always)]
unsafe fn step(r: &mut Registers, bounds: &Bounds<'_>) {
    let window = (r.buffer >> (64 - WINDOW)) as usize;
    // SAFETY: a window has 13 bits, and either half of a look-up as many entries.
    let (advance, entry) = unsafe {
        let half = &*r.table;
        (
            *half.advances.get_unchecked(window),
            half.entries.get_unchecked(window),
        )
    };
    let first = r.at.wrapping_byte_add(entry.first.into());
    let next = r.at.wrapping_byte_add(entry.next.into());
    let last = last_byte(r.at);
    if next.addr() > last {
        cold_path();
        // SAFETY: as for this function.
        unsafe { rare(r, entry, first, bounds) };
        return;
    }
    // SAFETY: `next` lies in the block of `at`, behind it, and `first` is before `next`. Where
    // there is no coefficient this writes a zero to a place that is still zero.
    unsafe {
        *next.wrapping_sub(1) = entry.values[1].into();
        *first = entry.values[0].into();
    }
    // Not by way of `at`: that waits for the entry, which may be far away.
    let left = (r.count >> BLOCKS_SHIFT) as usize;
    // SAFETY: at the end of the chunk the look-up knows nothing, so that a block is left here, and
    // what follows it has a table.
    let dc = unsafe { *bounds.schedule.tables.get_unchecked(left - 1) };
    r.buffer <<= advance.both() & 63;
    r.count -= advance.both();
    let ac = ac_half(r.table);
    let ends = advance.ends();
    r.table = select_unpredictable(ends, dc, ac);
    r.at = select_unpredictable(ends, with_exposed_provenance_mut(last + 1), next);
}

/// [`step`] in either lane.
///
/// # Safety
/// As for [`step`], for either lane.
#[inline(always)]
unsafe fn step_both(
    a: &mut Registers,
    a_bounds: &Bounds<'_>,
    b: &mut Registers,
    b_bounds: &Bounds<'_>,
) {
    // SAFETY: as for this function.
    unsafe {
        step(a, a_bounds);
        step(b, b_bounds);
    }
}

/// Address of the last byte of the block of `at`.
// By exposed addresses here and below: `map_addr` costs three more instructions a step.
#[inline(always)]
fn last_byte(at: *mut i16) -> usize {
    at.expose_provenance() | (BLOCK_BYTES - 1)
}

/// The AC half of a look-up of which either half is given.
#[inline(always)]
fn ac_half(table: *const Half) -> *const Half {
    with_exposed_provenance(table.expose_provenance() | AC_BIT)
}

/// Decodes a coefficient that the look-up does not know whole; leaves the rest to [`slow`].
///
/// # Safety
/// As for [`step`]; `entry` is the one at hand, and `first` is where it puts its coefficient.
#[inline(always)]
unsafe fn rare(r: &mut Registers, entry: &Entry, first: *mut i16, bounds: &Bounds<'_>) {
    if r.at == bounds.end {
        return;
    }
    let last = last_byte(r.at) - 1;
    if entry.next == Entry::RARE {
        // SAFETY: as for this function.
        unsafe { refill(r, bounds) };
        let [mut size, mut code] = entry.values.map(|value| u64::from(value.cast_unsigned()));
        let mut first = first;
        if code == 0 {
            let long = long_code(*r, bounds);
            (size, code) = (long.size.into(), long.length.into());
            first = r.at.wrapping_add(long.run.into());
        }
        if size > 0 && first.addr() < last {
            let value = r.buffer << (code & 63);
            let bits = (value >> ((64 - size) & 63)).cast_signed();
            // T.81 figure F.12: a leading 0 marks a negative value.
            let negative = (value.cast_signed() >> 63) + 1;
            // SAFETY: `first` is not before `at` and before the last coefficient of its block.
            unsafe { *first = (bits - negative * ((1 << size) - 1)) as i16 };
            r.buffer = value << size;
            r.count -= code + size;
            r.at = first.wrapping_add(1);
            r.table = ac_half(r.table);
            // SAFETY: as for this function.
            unsafe { refill(r, bounds) };
            return;
        }
    }
    *r = slow(*r, bounds);
}

/// A code that is longer than a window.
struct LongCode {
    /// Coefficients before the one that it is of.
    run: u8,
    /// Bits of its value, 1 to 15; or 0 if there are none or the code is undefined.
    size: u8,
    length: u8,
}

/// The code that the highest 16 bits of the buffer begin with.
#[inline(never)]
fn long_code(r: Registers, bounds: &Bounds<'_>) -> LongCode {
    let codes = bounds.schedule.codes((r.count >> BLOCKS_SHIFT) as usize);
    let dc = r.at.addr().is_multiple_of(BLOCK_BYTES);
    let table = if dc { &codes.dc } else { &codes.ac };
    const { assert!(WINDOW == 13) }
    let (length, symbol) = table.code_of_14_to_16((r.buffer >> 48) as u32);
    let symbol = symbol.unwrap_or(0);
    LongCode {
        run: if dc { 0 } else { symbol >> 4 },
        size: symbol & 15,
        length: length as u8,
    }
}

/// Decodes one symbol by the scalar code: undefined codes, those without a value that are too long
/// for a window, and those that fill a block.
#[cold]
#[inline(never)]
fn slow(r: Registers, bounds: &Bounds<'_>) -> Registers {
    let at = (r.at.addr() - bounds.start.addr()) / size_of::<i16>();
    let (block, mut k) = (at / 64, at % 64);
    let left = (r.count >> BLOCKS_SHIFT) as usize;
    let codes = bounds.schedule.codes(left);
    let position = BitPosition {
        next: r.next.addr() - bounds.segment.as_ptr().addr(),
        buffer: r.buffer,
        count: (r.count & 63) as u32,
    };
    let mut bits = Bits::resume(bounds.segment, position);
    bits.refill();
    let table = if k == 0 { &codes.dc } else { &codes.ac };
    let symbol = table.symbol(&mut bits).unwrap_or_else(|| {
        bounds.failed.set(true);
        0
    });
    let (run, size) = if k == 0 {
        (0, u32::from(symbol) & 15)
    } else {
        (usize::from(symbol >> 4), u32::from(symbol & 15))
    };
    let mut value = None;
    if size > 0 {
        k += run;
        value = Some(extend(bits.take(size), size) as i16);
    } else if k > 0 {
        k = if run == 15 { k + 15 } else { 63 };
    }
    if let Some(value) = value {
        let place = bounds.start.wrapping_add(block * 64 + k.min(63));
        // SAFETY: `at` lies in a block of the chunk by the invariant of `Registers`, and `place`
        // in the same block.
        unsafe { *place = value };
    }
    bits.refill();
    let position = bits.pause();
    let readable = bounds.segment.len() - PADDING + 8;
    let within = k < 63;
    let left = if within { left } else { left - 1 };
    let table = bounds.schedule.tables[left];
    Registers {
        buffer: position.buffer,
        count: count(position.count, left),
        next: bounds.segment[position.next.min(readable)..].as_ptr(),
        at: bounds
            .start
            .wrapping_add(block * 64 + if within { k + 1 } else { 64 }),
        table: if within { ac_half(table) } else { table },
    }
}

/// Steps between two refills: 4 windows of 13 bits are within the 56 that a refill brings.
const STEPS: usize = 4;

/// Runs a lane to the end of its chunk.
#[inline(always)]
fn one(lane: &mut Lane<'_>) {
    let bounds = lane.bounds();
    let mut r = lane.load(&bounds);
    // SAFETY: `load` establishes the invariant of `Registers`, and every step keeps it.
    unsafe {
        while r.at < bounds.end {
            refill(&mut r, &bounds);
            for _ in 0..STEPS {
                step(&mut r, &bounds);
            }
        }
    }
    lane.store(&r, &bounds);
}

/// Runs two lanes until one of them is at the end of its chunk.
#[inline(always)]
fn two(first: &mut Lane<'_>, second: &mut Lane<'_>) {
    let (a_bounds, b_bounds) = (first.bounds(), second.bounds());
    let (mut a, mut b) = (first.load(&a_bounds), second.load(&b_bounds));
    // SAFETY: as in `one`, for either lane.
    unsafe {
        while a.at < a_bounds.end && b.at < b_bounds.end {
            refill(&mut a, &a_bounds);
            refill(&mut b, &b_bounds);
            // `STEPS` times, written out: the counter of a loop would take a register that one of
            // the lanes needs.
            step_both(&mut a, &a_bounds, &mut b, &b_bounds);
            step_both(&mut a, &a_bounds, &mut b, &b_bounds);
            step_both(&mut a, &a_bounds, &mut b, &b_bounds);
            step_both(&mut a, &a_bounds, &mut b, &b_bounds);
        }
    }
    first.store(&a, &a_bounds);
    second.store(&b, &b_bounds);
}

/// [`one`] with the shifts of BMI2, which leave the flags alone.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "bmi1,bmi2")]
fn one_bmi2(lane: &mut Lane<'_>) {
    one(lane);
}

/// [`two`] with the shifts of BMI2.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "bmi1,bmi2")]
fn two_bmi2(first: &mut Lane<'_>, second: &mut Lane<'_>) {
    two(first, second);
}

impl Kernels {
    /// Whether these kernels have lanes; the scalar set has none.
    pub(crate) fn has_lanes(self) -> bool {
        self != Self::scalar()
    }

    /// Runs a lane to the end of its chunk.
    pub(crate) fn run_lane(self, lane: &mut Lane<'_>) {
        #[cfg(target_arch = "x86_64")]
        if self.has_vectors() {
            // SAFETY: every set of vector kernels has been seen to have BMI1 and BMI2.
            unsafe { one_bmi2(lane) };
            return;
        }
        one(lane);
    }

    /// Runs two lanes until one of them is at the end of its chunk.
    pub(crate) fn run_lanes(self, first: &mut Lane<'_>, second: &mut Lane<'_>) {
        #[cfg(target_arch = "x86_64")]
        if self.has_vectors() {
            // SAFETY: as in `run_lane`.
            unsafe { two_bmi2(first, second) };
            return;
        }
        two(first, second);
    }
}
