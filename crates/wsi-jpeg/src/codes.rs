//! Look-ups that yield up to two coefficients and an end of block at once.
//!
//! Slides hold few bits per coefficient: twelve bits of their data are often two whole
//! coefficients. An entry says what the next bits are:
//!
//! | bits | meaning |
//! | --- | --- |
//! | 0..6 | bits that it stands for; 0 where there is no whole coefficient |
//! | 6 | a second coefficient follows |
//! | 7 | an end of block follows |
//! | 8..12, 16..24 | zero run before the first coefficient, and its value |
//! | 12..16, 24..32 | the same of the second |
//!
//! Where only the code of the first coefficient fits, bits 0..6 are 0 and bit 6 is set; then bits
//! 8..12 hold its run, 16..20 the number of its value bits, 24..32 the length of its code. An entry
//! of 0 knows nothing.

#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "fields are packed into words after their range has been checked"
)]

use std::sync::Arc;

use crate::huffman::{HuffmanTable, extend};

/// Bits that index a look-up.
pub(crate) const WINDOW: u32 = 12;
/// Entries of the look-up of one Huffman code.
pub(crate) const ENTRIES: usize = 1 << WINDOW;

/// Bits that an entry stands for.
pub(crate) const LENGTH: u32 = 63;
/// A second coefficient, or with a length of 0: the code alone is known.
pub(crate) const SECOND: u32 = 1 << 6;
/// The block ends.
pub(crate) const END: u32 = 1 << 7;

/// The look-ups of a DC code and the AC code that follows it.
///
/// Aligned to their size, so that the address of an AC entry differs from that of the DC entry by
/// one bit.
#[derive(Debug, Clone, Copy)]
#[repr(C, align(32768))]
pub(crate) struct Lookup {
    pub(crate) dc: [u32; ENTRIES],
    pub(crate) ac: [u32; ENTRIES],
}

/// A pair of Huffman codes with its look-ups.
#[derive(Debug)]
pub(crate) struct Codes {
    /// One element; a slice so that 32 KiB never pass through the stack.
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
    /// Prepares the look-ups; 30 microseconds or so.
    pub(crate) fn new(dc: Arc<HuffmanTable>, ac: Arc<HuffmanTable>) -> Self {
        const EMPTY: Lookup = Lookup {
            dc: [0; ENTRIES],
            ac: [0; ENTRIES],
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
fn entry(window: u32, first: &[Symbol], after: &[Symbol]) -> u32 {
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
    let byte = |value: i32| i8::try_from(value).ok().map(|value| u32::from(value as u8));
    let (mut length, mut entry) = match first[window as usize] {
        Symbol::Unknown => return 0,
        Symbol::Code { length, run, size } => return code(length, run, size),
        Symbol::End { length } => return length | END,
        Symbol::Value { length, run, value } => match byte(value) {
            Some(value) => (length, run << 8 | value << 16),
            // A code of 4 bits can leave room for values that a byte has not.
            None => return code_of(value, length, run),
        },
    };
    match next(length) {
        Symbol::End { length: more } => return entry | END | (length + more),
        Symbol::Value {
            length: more,
            run,
            value,
        } => {
            if let Some(value) = byte(value) {
                entry |= SECOND | run << 12 | value << 24;
                length += more;
                if let Symbol::End { length: more } = next(length) {
                    return entry | END | (length + more);
                }
            }
        }
        Symbol::Unknown | Symbol::Code { .. } => {}
    }
    entry | length
}

/// An entry that knows a code but not its value.
fn code(length: u32, run: u32, size: u32) -> u32 {
    SECOND | run << 8 | size << 16 | length << 24
}

/// The same for a known value that does not fit an entry.
fn code_of(value: i32, length: u32, run: u32) -> u32 {
    let size = 32 - value.unsigned_abs().leading_zeros();
    code(length - size, run, size)
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
                let data: Vec<u8> = (u64::from(window) << 52)
                    .to_be_bytes()
                    .into_iter()
                    .chain([0; 24])
                    .collect();
                check(&codes, codes.lookup().dc[window as usize], &data, true);
                check(&codes, codes.lookup().ac[window as usize], &data, false);
            }
        }
    }

    fn check(codes: &Codes, entry: u32, data: &[u8], mut dc: bool) {
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
        let (length, second, end) = (entry & LENGTH, entry & SECOND != 0, entry & END != 0);
        let Some((run, size, value, ends, code_length, mut total)) = next() else {
            assert_eq!(entry, 0);
            return;
        };
        if length == 0 {
            if second {
                assert_eq!((entry >> 8 & 15, entry >> 16 & 15), (run, size));
                assert_eq!(entry as usize >> 24, code_length);
                assert!(total > WINDOW as usize || i8::try_from(value).is_err());
            } else {
                assert!(code_length > WINDOW as usize);
            }
            return;
        }
        if ends {
            assert!(end && !second);
        } else {
            assert_eq!(
                (entry >> 8 & 15, ((entry >> 16) as u8).cast_signed()),
                (run, value as i8)
            );
            if second {
                let (run, _, value, ends, _, now) = next().unwrap();
                assert!(!ends);
                assert_eq!(
                    (entry >> 12 & 15, ((entry >> 24) as u8).cast_signed()),
                    (run, value as i8)
                );
                total = now;
            }
            if end {
                let (.., ends, _, now) = next().unwrap();
                assert!(ends);
                total = now;
            }
        }
        assert_eq!(length as usize, total);
    }
}
