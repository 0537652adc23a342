//! Look-ups that yield up to two coefficients and an end of block at once.
//!
//! Slides hold few bits per coefficient: thirteen bits of their data are often two whole
//! coefficients. An [`Entry`] says what the next bits are.

#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    reason = "lengths up to 16, runs up to 15, values that have been checked"
)]

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::arch::as_words;
use crate::huffman::{HuffmanTable, extend};

/// Bits that index a look-up.
pub(crate) const WINDOW: u32 = 13;
/// Entries of the look-up of one Huffman code.
pub(crate) const ENTRIES: usize = 1 << WINDOW;

/// How far a window of bits leads: the bits that are used up, and 128 if the block ends there.
///
/// A byte apart from the [`Entry`], because the next look-up waits for this alone: the tables of all
/// components then are in the first cache, which cannot hold their entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(transparent)]
pub(crate) struct Advance(u8);

impl Advance {
    const ENDS: u8 = 0x80;
    const UNKNOWN: Self = Self(0);

    const fn new(length: u32, ends: bool) -> Self {
        Self(length as u8 | if ends { Self::ENDS } else { 0 })
    }

    /// Nothing where a bit of the mask is not set.
    const fn only_if(self, mask: u8) -> Self {
        Self(self.0 & mask)
    }

    /// This many bits before.
    const fn after(self, length: u32) -> Self {
        Self(self.0 + length as u8)
    }

    /// Bits that are used up in the lowest 6 bits, 0 where there is no whole coefficient; and 128 if
    /// the block ends.
    #[inline(always)]
    pub(crate) fn both(self) -> u64 {
        self.0.into()
    }

    #[inline(always)]
    pub(crate) fn ends(self) -> bool {
        self.0.cast_signed() < 0
    }
}

/// What a window of bits holds.
///
/// Four bytes, each read by itself: they take few instructions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C, align(4))]
pub(crate) struct Entry {
    /// Bytes from where the block stands to the first coefficient, two for each.
    pub(crate) first: u8,
    /// Bytes from where the block stands to behind the last coefficient, or [`Self::RARE`].
    pub(crate) next: u8,
    /// The first and the last coefficient: the same one, or 0, if there are no two.
    ///
    /// Where only the code of the first coefficient is known, the number of its value bits and the
    /// length of its code; of an entry that knows nothing, 0 and 0.
    pub(crate) values: [i8; 2],
}

impl Entry {
    /// `next` of entries without a whole coefficient. It leads out of any block, so that one
    /// comparison finds them as well as blocks that are full.
    pub(crate) const RARE: u8 = 128;

    const UNKNOWN: Self = Self::code(0, 0, 0);

    const fn new(first: u32, next: u32, values: [i8; 2]) -> Self {
        Self {
            first: 2 * first as u8,
            next: 2 * next as u8,
            values,
        }
    }

    /// The four bytes, the first one lowest.
    const fn word(self) -> u32 {
        let [a, b] = self.values;
        u32::from_le_bytes([self.first, self.next, a.cast_unsigned(), b.cast_unsigned()])
    }

    /// Of a code whose value is not known, or does not fit.
    const fn code(length: u32, run: u32, size: u32) -> Self {
        Self::new(run, Self::RARE as u32 / 2, [size as i8, length as i8])
    }
}

/// The look-up of one Huffman code by the next [`WINDOW`] bits.
#[derive(Debug, Clone, Copy)]
#[repr(C, align(65536))]
pub(crate) struct Half {
    pub(crate) advances: [Advance; ENTRIES],
    pub(crate) entries: [Entry; ENTRIES],
}

impl Half {
    /// Knows nothing.
    #[allow(clippy::large_stack_arrays, reason = "a constant that fills memory on the heap")]
    pub(crate) const UNKNOWN: Self = Self {
        advances: [Advance::UNKNOWN; ENTRIES],
        entries: [Entry::UNKNOWN; ENTRIES],
    };
}

/// The look-ups of a DC code and the AC code that follows it.
///
/// Aligned to their size, so that the address of the AC half differs from that of the DC half by
/// one bit.
#[derive(Debug, Clone, Copy)]
#[repr(C, align(131072))]
pub(crate) struct Lookup {
    pub(crate) dc: Half,
    pub(crate) ac: Half,
}

/// A pair of Huffman codes with its look-ups.
#[derive(Debug)]
pub(crate) struct Codes {
    /// One element; a slice so that 128 KiB never pass through the stack.
    lookup: Box<[Lookup]>,
    pub(crate) dc: Arc<HuffmanTable>,
    pub(crate) ac: Arc<HuffmanTable>,
}

/// What may follow the first coefficient of an entry, for each run of bits after it: of n bits, those
/// of value v stand at 2^n + v.
struct Tails {
    /// Bits of it, and whether the block ends behind it.
    advances: Vec<Advance>,
    /// What it adds to the bytes of an entry: 255 for no second coefficient, or else 0, the distance
    /// in bytes from behind the first one to behind the second, 0, and the second coefficient.
    words: Vec<u32>,
}

/// The word of no second coefficient.
const ALONE: u32 = 0xFF;

/// Memory of look-ups that nobody uses any more: pages that the system has yet to give take several
/// times as long as what is written there.
static SPARE: Mutex<Vec<Box<[Lookup]>>> = Mutex::new(Vec::new());
/// Look-ups that are kept there; 1 MiB.
const SPARES: usize = 8;

fn spare_memory() -> MutexGuard<'static, Vec<Box<[Lookup]>>> {
    SPARE.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Drop for Codes {
    fn drop(&mut self) {
        let lookup = std::mem::take(&mut self.lookup);
        let mut spare = spare_memory();
        if spare.len() < SPARES {
            spare.push(lookup);
        }
    }
}

impl Codes {
    /// Prepares the look-ups: 6 microseconds or so, ten times that in fresh memory.
    pub(crate) fn new(dc: Arc<HuffmanTable>, ac: Arc<HuffmanTable>) -> Self {
        const EMPTY: Lookup = Lookup {
            dc: Half::UNKNOWN,
            ac: Half::UNKNOWN,
        };
        let spare = spare_memory().pop();
        let mut lookup = spare.unwrap_or_else(|| vec![EMPTY; 1].into_boxed_slice());
        let tails = tails(&ac);
        fill(&mut lookup[0].dc, &dc, true, &tails);
        fill(&mut lookup[0].ac, &ac, false, &tails);
        Self { lookup, dc, ac }
    }

    pub(crate) fn lookup(&self) -> &Lookup {
        &self.lookup[0]
    }

    /// Whether these are the look-ups of two codes.
    pub(crate) fn are_of(&self, dc: &HuffmanTable, ac: &HuffmanTable) -> bool {
        self.dc.spec() == dc.spec() && self.ac.spec() == ac.spec()
    }
}

/// Run of zeros and number of value bits of a symbol.
fn run_and_size(symbol: u8, dc: bool) -> (u32, u32) {
    match dc {
        true => (0, symbol.into()),
        false => (u32::from(symbol) >> 4, u32::from(symbol) & 15),
    }
}

/// Whether a symbol without value bits ends the block: others stand for 16 zeros, or for a DC of 0.
const fn is_end(run: u32, dc: bool) -> bool {
    !dc && run < 15
}

/// The value of a coefficient, if a byte has it. A short code can leave room for others.
fn small_value(bits: usize, size: u32) -> Option<i8> {
    match size {
        0 => Some(0),
        _ => i8::try_from(extend(bits as u32, size)).ok(),
    }
}

/// Fills in what is known of all windows, whatever stood there.
fn fill(half: &mut Half, table: &HuffmanTable, dc: bool, tails: &Tails) {
    // Codes rise: what has none, or a longer one, is at the end.
    let mut filled = 0;
    table.for_each_code(WINDOW, |code, length, symbol| {
        let spare = WINDOW - length;
        let (run, size) = run_and_size(symbol, dc);
        let windows = (code << spare) as usize..((code + 1) << spare) as usize;
        filled = windows.end;
        let advances = &mut half.advances[windows.clone()];
        let entries = &mut half.entries[windows];
        if size == 0 && is_end(run, dc) {
            advances.fill(Advance::new(length, true));
            entries.fill(Entry::new(0, 1, [0; 2]));
            return;
        }
        let Some(left) = spare.checked_sub(size) else {
            advances.fill(Advance::UNKNOWN);
            entries.fill(Entry::code(length, run, size));
            return;
        };
        let parts = advances.chunks_mut(1 << left);
        let parts = parts.zip(entries.chunks_mut(1 << left));
        for (bits, (advances, entries)) in parts.enumerate() {
            let Some(value) = small_value(bits, size) else {
                advances.fill(Advance::UNKNOWN);
                entries.fill(Entry::code(length, run, size));
                continue;
            };
            let tails = (&tails.advances[1 << left..], &tails.words[1 << left..]);
            for (advance, tail) in advances.iter_mut().zip(tails.0) {
                *advance = tail.after(length + size);
            }
            let alone = Entry::new(run, run + 1, [value, 0]).word();
            let second = Entry::new(0, 0, [0, value]).word();
            for (entry, tail) in as_words(entries).iter_mut().zip(tails.1) {
                *entry = ((alone + (tail & !ALONE)) | (second & (tail << 24))).to_le();
            }
        }
    });
    half.advances[filled..].fill(Advance::UNKNOWN);
    half.entries[filled..].fill(Entry::UNKNOWN);
}

/// What follows a first coefficient in the bits that are left of a window.
fn tails(ac: &HuffmanTable) -> Tails {
    let mut tails = Tails {
        advances: vec![Advance::UNKNOWN; ENTRIES],
        words: vec![ALONE; ENTRIES],
    };
    for bits in 0..WINDOW {
        ac.for_each_code(bits, |code, length, symbol| {
            let spare = bits - length;
            let (run, size) = run_and_size(symbol, false);
            let first = (1 << bits) + (code << spare) as usize;
            // Fewer bits have been there before.
            let (fewer, advances) = tails.advances.split_at_mut(first);
            let advances = &mut advances[..1 << spare];
            if size == 0 && is_end(run, false) {
                advances.fill(Advance::new(length, true));
                return;
            }
            let Some(left) = spare.checked_sub(size) else {
                return;
            };
            let (words_of_fewer, words) = tails.words.split_at_mut(first);
            let words = &mut words[..1 << spare];
            let parts = advances.chunks_mut(1 << left);
            let parts = parts.zip(words.chunks_mut(1 << left));
            for (bits, (advances, words)) in parts.enumerate() {
                let Some(value) = small_value(bits, size) else {
                    continue;
                };
                words.fill(Entry::new(0, run + 1, [0, value]).word());
                let after = (&fewer[1 << left..], &words_of_fewer[1 << left..]);
                let after = after.0.iter().zip(after.1);
                for (advance, (after, word)) in advances.iter_mut().zip(after) {
                    // Only an end may come behind: there is no room for a third coefficient.
                    *advance = after.only_if(*word as u8).after(length + size);
                }
            }
        });
    }
    tails
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::huffman::{BitPosition, Bits};
    use crate::tables::{HuffmanSpec, standard};

    /// Reads symbols one by one from the same bits and compares.
    #[test]
    fn entries_say_what_symbol_by_symbol_decoding_says() {
        let tables = standard();
        for (dc, ac) in [(0, 2), (1, 3)] {
            check_all(&Codes::new(
                Arc::clone(&tables[dc]),
                Arc::clone(&tables[ac]),
            ));
        }
    }

    /// A legal code with symbols of any order.
    fn random_code(random: &mut impl FnMut(usize) -> usize, symbols: usize) -> Arc<HuffmanTable> {
        let mut spec = HuffmanSpec {
            counts: [0; 16],
            symbols: [0; 256],
        };
        for (index, symbol) in spec.symbols.iter_mut().enumerate() {
            *symbol = index as u8;
        }
        for index in 1..symbols {
            spec.symbols.swap(index, random(index + 1));
        }
        // Codes of a length that are free, one of which stays free.
        let (mut free, mut left) = (1, symbols);
        for count in &mut spec.counts {
            free *= 2;
            let taken = random(free.min(left + 1).min(40));
            *count = taken as u8;
            (free, left) = (free - taken, left - taken);
        }
        Arc::new(HuffmanTable::new(&spec).unwrap())
    }

    #[test]
    fn so_they_do_for_codes_of_any_shape() {
        let mut state = 1_u64;
        let mut random = |below: usize| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (state >> 33) as usize % below
        };
        for _ in 0..30 {
            let codes = Codes::new(random_code(&mut random, 16), random_code(&mut random, 256));
            check_all(&codes);
        }
    }

    fn check_all(codes: &Codes) {
        for window in 0..ENTRIES as u32 {
            let data: Vec<u8> = (u64::from(window) << (64 - WINDOW))
                .to_be_bytes()
                .into_iter()
                .chain([0; 24])
                .collect();
            check(codes, &codes.lookup().dc, window as usize, &data, true);
            check(codes, &codes.lookup().ac, window as usize, &data, false);
        }
    }

    fn check(codes: &Codes, half: &Half, window: usize, data: &[u8], mut dc: bool) {
        let (advance, entry) = (half.advances[window], &half.entries[window]);
        let length = usize::from(advance.0 & 63);
        let mut bits = Bits::resume(data, BitPosition::default());
        let mut next = || {
            bits.refill();
            let table = if dc { &codes.dc } else { &codes.ac };
            let before = bits.consumed();
            let symbol = table.symbol(&mut bits)?;
            let (run, size) = if dc {
                (0, u32::from(symbol))
            } else {
                (u32::from(symbol >> 4), u32::from(symbol & 15))
            };
            let code_length = bits.consumed() - before;
            let value = if size == 0 {
                0
            } else {
                extend(bits.take(size), size)
            };
            let end = !dc && size == 0 && run != 15;
            dc = false;
            Some((run, size, value, end, code_length, bits.consumed()))
        };
        let Some((run, size, value, ends, code_length, mut total)) = next() else {
            assert_eq!((*entry, advance), (Entry::UNKNOWN, Advance::UNKNOWN));
            return;
        };
        if entry.next == Entry::RARE {
            assert_eq!(advance, Advance::UNKNOWN);
            if entry.values == [0; 2] {
                assert!(code_length > WINDOW as usize);
            } else {
                assert_eq!(u32::from(entry.first), 2 * run);
                assert_eq!(entry.values, [size as i8, code_length as i8]);
                assert!(total > WINDOW as usize || i8::try_from(value).is_err());
            }
            return;
        }
        if ends {
            assert_eq!((advance.ends(), entry.next), (true, 2));
            assert_eq!((entry.first, entry.values), (0, [0; 2]));
            assert_eq!(length, total);
            return;
        }
        let first = (u32::from(entry.first) / 2, i32::from(entry.values[0]));
        assert_eq!(first, (run, value));
        let mut at = run + 1;
        if u32::from(entry.next) > 2 * at {
            let (run, _, value, ends, _, now) = next().unwrap();
            assert!(!ends);
            assert_eq!(i32::from(entry.values[1]), value);
            at += run + 1;
            total = now;
        } else {
            assert_eq!(entry.values[1], entry.values[0]);
        }
        assert_eq!(u32::from(entry.next), 2 * at);
        if advance.ends() {
            let (.., ends, _, now) = next().unwrap();
            assert!(ends);
            total = now;
        }
        assert_eq!(length, total);
    }
}
