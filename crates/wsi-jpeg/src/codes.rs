//! Look-ups that yield up to two coefficients and an end of block at once.
//!
//! Slides hold few bits per coefficient: thirteen bits of their data are often two whole
//! coefficients. An [`Entry`] says what the next bits are.

#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    reason = "lengths up to 16, runs up to 15, values that have been checked"
)]

use std::sync::Arc;

use crate::huffman::{HuffmanTable, extend};

/// Bits that index a look-up.
pub(crate) const WINDOW: u32 = 13;
/// Entries of the look-up of one Huffman code.
pub(crate) const ENTRIES: usize = 1 << WINDOW;

/// What a window of bits is.
///
/// Four bytes, each read by itself: they take few instructions and little of the first cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C, align(4))]
pub(crate) struct Entry {
    /// Coefficients from where the block stands to behind the last one, or [`Self::RARE`]; the top
    /// bit says that an end of block follows.
    advance: u8,
    /// Bits that it stands for, 0 where there is no whole coefficient; and in the upper half the
    /// coefficients from where the block stands to the first one.
    length: u8,
    /// The first and the last coefficient: the same one, or 0, if there are no two.
    ///
    /// Where only the code of the first coefficient is known, the number of its value bits and the
    /// length of its code; of an entry that knows nothing, 0 and 0.
    pub(crate) values: [i8; 2],
}

impl Entry {
    /// Advance of entries without a whole coefficient. It leads out of any block, so that one
    /// comparison finds them as well as blocks that are full.
    pub(crate) const RARE: u8 = 64;
    const ENDS: u8 = 0x80;

    const UNKNOWN: Self = Self::code(0, 0, 0);

    const fn new(length: u32, run: u32, advance: u32, values: [i8; 2]) -> Self {
        Self {
            advance: advance as u8,
            length: (run << 4 | length) as u8,
            values,
        }
    }

    /// Of a code whose value is not known, or does not fit.
    const fn code(length: u32, run: u32, size: u32) -> Self {
        Self::new(0, run, Self::RARE as u32, [size as i8, length as i8])
    }

    #[inline(always)]
    pub(crate) fn length(&self) -> u8 {
        self.length & 15
    }

    #[inline(always)]
    pub(crate) fn first(&self) -> u8 {
        self.length >> 4
    }

    #[inline(always)]
    pub(crate) fn advance(&self) -> u8 {
        self.advance & !Self::ENDS
    }

    #[inline(always)]
    pub(crate) fn ends(&self) -> bool {
        self.advance.cast_signed() < 0
    }
}

/// The look-ups of a DC code and the AC code that follows it.
///
/// Aligned to their size, so that the address of an AC entry differs from that of the DC entry by
/// one bit.
#[derive(Debug, Clone, Copy)]
#[repr(C, align(65536))]
pub(crate) struct Lookup {
    pub(crate) dc: [Entry; ENTRIES],
    pub(crate) ac: [Entry; ENTRIES],
}

/// A pair of Huffman codes with its look-ups.
#[derive(Debug)]
pub(crate) struct Codes {
    /// One element; a slice so that 64 KiB never pass through the stack.
    lookup: Box<[Lookup]>,
    pub(crate) dc: Arc<HuffmanTable>,
    pub(crate) ac: Arc<HuffmanTable>,
}

/// What the bits of a window are when looked at for one symbol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Symbol {
    /// The code is longer than the window, or none.
    Unknown,
    /// The code is known but its value bits are not all there.
    Code { length: u32, run: u32, size: u32 },
    /// A coefficient: bits, run, value. 16 zeros are a run of 15 and a value of 0.
    Value { length: u32, run: u32, value: i32 },
    /// The end of the block.
    End { length: u32 },
}

impl Codes {
    /// Prepares the look-ups; 60 microseconds or so.
    pub(crate) fn new(dc: Arc<HuffmanTable>, ac: Arc<HuffmanTable>) -> Self {
        const EMPTY: Lookup = Lookup {
            dc: [Entry::UNKNOWN; ENTRIES],
            ac: [Entry::UNKNOWN; ENTRIES],
        };
        let mut lookup = vec![EMPTY; 1].into_boxed_slice();
        let after = symbols(&ac, false);
        for (of, first) in [(0, &symbols(&dc, true)), (1, &after)] {
            for index in 0..ENTRIES {
                let entry = entry(index as u32, first, &after);
                if of == 0 {
                    lookup[0].dc[index] = entry;
                } else {
                    lookup[0].ac[index] = entry;
                }
            }
        }
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

/// The first symbol of every window.
fn symbols(table: &HuffmanTable, dc: bool) -> Vec<Symbol> {
    let mut symbols = vec![Symbol::Unknown; ENTRIES];
    table.for_each_code(WINDOW, |code, length, symbol| {
        let spare = WINDOW - length;
        let first = (code << spare) as usize;
        let (run, size) = if dc {
            (0, u32::from(symbol))
        } else {
            (u32::from(symbol >> 4), u32::from(symbol & 15))
        };
        let places = &mut symbols[first..first + (1 << spare)];
        if size == 0 {
            let known = match (dc, run) {
                (false, 0..15) => Symbol::End { length },
                _ => Symbol::Value {
                    length,
                    run,
                    value: 0,
                },
            };
            places.fill(known);
        } else if size <= spare {
            let length = length + size;
            for (bits, places) in places.chunks_mut(1 << (spare - size)).enumerate() {
                let value = extend(bits as u32, size);
                places.fill(Symbol::Value { length, run, value });
            }
        } else {
            places.fill(Symbol::Code { length, run, size });
        }
    });
    symbols
}

/// The entry of one window.
fn entry(window: u32, first: &[Symbol], after: &[Symbol]) -> Entry {
    // What follows `length` bits of the window, if it lies within.
    let next = |length: u32| {
        let symbol = after[(window << length) as usize & (ENTRIES - 1)];
        match symbol {
            Symbol::Value { length: more, .. } | Symbol::End { length: more }
                if length + more <= WINDOW =>
            {
                symbol
            }
            _ => Symbol::Unknown,
        }
    };
    let (mut length, run, value) = match first[window as usize] {
        Symbol::Unknown => return Entry::UNKNOWN,
        Symbol::Code { length, run, size } => return Entry::code(length, run, size),
        // Stands for a zero where the block stands.
        Symbol::End { length } => {
            return Entry::new(length, 0, u32::from(Entry::ENDS) | 1, [0; 2]);
        }
        Symbol::Value { length, run, value } => (length, run, value),
    };
    let Ok(small) = i8::try_from(value) else {
        // A short code can leave room for values that a byte has not.
        let size = 32 - value.unsigned_abs().leading_zeros();
        return Entry::code(length - size, run, size);
    };
    let (mut advance, mut values) = (run + 1, [small; 2]);
    if let Symbol::Value {
        length: more,
        run,
        value,
    } = next(length)
        && let Ok(second) = i8::try_from(value)
    {
        advance += run + 1;
        values[1] = second;
        length += more;
    }
    if let Symbol::End { length: more } = next(length) {
        advance |= u32::from(Entry::ENDS);
        length += more;
    }
    Entry::new(length, run, advance, values)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::huffman::{BitPosition, Bits};
    use crate::tables::standard;

    /// Reads symbols one by one from the same bits and compares.
    #[test]
    fn entries_say_what_symbol_by_symbol_decoding_says() {
        let tables = standard();
        for (dc, ac) in [(0, 2), (1, 3)] {
            let codes = Codes::new(Arc::clone(&tables[dc]), Arc::clone(&tables[ac]));
            for window in 0..ENTRIES as u32 {
                let data: Vec<u8> = (u64::from(window) << (64 - WINDOW))
                    .to_be_bytes()
                    .into_iter()
                    .chain([0; 24])
                    .collect();
                check(&codes, &codes.lookup().dc[window as usize], &data, true);
                check(&codes, &codes.lookup().ac[window as usize], &data, false);
            }
        }
    }

    fn check(codes: &Codes, entry: &Entry, data: &[u8], mut dc: bool) {
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
            assert_eq!(*entry, Entry::UNKNOWN);
            return;
        };
        if entry.advance() == Entry::RARE {
            assert_eq!((entry.length(), entry.ends()), (0, false));
            if entry.values == [0; 2] {
                assert!(code_length > WINDOW as usize);
            } else {
                assert_eq!(u32::from(entry.first()), run);
                assert_eq!(entry.values, [size as i8, code_length as i8]);
                assert!(total > WINDOW as usize || i8::try_from(value).is_err());
            }
            return;
        }
        if ends {
            assert_eq!((entry.ends(), entry.advance()), (true, 1));
            assert_eq!((entry.first(), entry.values), (0, [0; 2]));
            assert_eq!(usize::from(entry.length()), total);
            return;
        }
        let first = (u32::from(entry.first()), i32::from(entry.values[0]));
        assert_eq!(first, (run, value));
        let mut at = run + 1;
        if u32::from(entry.advance()) > at {
            let (run, _, value, ends, _, now) = next().unwrap();
            assert!(!ends);
            assert_eq!(i32::from(entry.values[1]), value);
            at += run + 1;
            total = now;
        } else {
            assert_eq!(entry.values[1], entry.values[0]);
        }
        assert_eq!(u32::from(entry.advance()), at);
        if entry.ends() {
            let (.., ends, _, now) = next().unwrap();
            assert!(ends);
            total = now;
        }
        assert_eq!(usize::from(entry.length()), total);
    }
}
