//! Huffman look-ups, the bit reader, and the removal of byte stuffing.
//!
//! A data segment (what lies between two markers) is copied without its stuffing first, with zero
//! bytes behind it. The bit reader then needs no branch for 0xFF and none for the end: it reads
//! zeros past the end, and [`Bits::overrun`] tells afterwards. That is also libjpeg's rule, which
//! feeds zero bits to finish the MCU at hand.

#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    reason = "bit fields are cut out of wider words, each masked or shifted to its width"
)]

use crate::error::Error;
use crate::tables::HuffmanSpec;

/// Bits that one look-up sees.
const LOOKAHEAD: u32 = 10;
const ENTRIES: usize = 1 << LOOKAHEAD;

/// What a look-up found, in bits 6 and 7 of the entry.
pub(crate) const KIND_MASK: u32 = 0xC0;
/// Code and value lie within the look-up: run and value are known, their bits are counted.
pub(crate) const KIND_VALUE: u32 = 0x00;
/// The code is known, its value bits (their number is in the upper half) follow.
pub(crate) const KIND_BITS: u32 = 0x40;
/// Size 0: end of block, or with a run of 16 a skip.
pub(crate) const KIND_ZERO: u32 = 0x80;
/// The code is longer than the look-up, or undefined.
pub(crate) const KIND_LONG: u32 = 0xC0;

/// A Huffman code prepared for decoding (T.81 annexes C and F.2.2.3).
#[derive(Debug)]
pub(crate) struct HuffmanTable {
    /// By the next bits: 6 bits to drop, 2 kind, 8 run, 16 value or size.
    entries: Box<[u32; ENTRIES]>,
    /// By the next bits: code length (0 where longer) and symbol.
    codes: Box<[u16; ENTRIES]>,
    /// First code past those of each length, justified to 16 bits; index is the length.
    limits: [u32; 17],
    /// Index of a symbol minus its code, per length.
    offsets: [i32; 17],
    largest_symbol: u8,
    spec: HuffmanSpec,
}

impl HuffmanTable {
    /// Builds the look-ups.
    ///
    /// # Errors
    /// `Corrupt` if the counts are no prefix code, or one that uses a code of all ones, which
    /// T.81 C.2 forbids and libjpeg rejects.
    pub(crate) fn new(spec: &HuffmanSpec) -> Result<Self, Error> {
        let mut table = Self {
            entries: Box::new([KIND_LONG; ENTRIES]),
            codes: Box::new([0; ENTRIES]),
            limits: [0; 17],
            offsets: [0; 17],
            largest_symbol: 0,
            spec: spec.clone(),
        };
        let mut code = 0_u32;
        let mut index = 0_usize;
        for length in 1..=16_u32 {
            let count = usize::from(spec.counts[length as usize - 1]);
            if index + count > spec.symbols.len() {
                return Err(Error::corrupt("Huffman table has more than 256 symbols"));
            }
            table.offsets[length as usize] = index as i32 - code as i32;
            for &symbol in &spec.symbols[index..index + count] {
                if length <= LOOKAHEAD && code < 1 << length {
                    table.fill(code, length, symbol);
                }
                table.largest_symbol = table.largest_symbol.max(symbol);
                code += 1;
            }
            // The check stands only where there are longer or equal codes: libjpeg stops at the
            // last symbol.
            if count > 0 && code >= 1 << length {
                return Err(Error::corrupt("Huffman table is no legal code"));
            }
            index += count;
            table.limits[length as usize] = if count > 0 { code << (16 - length) } else { 0 };
            code <<= 1;
        }
        Ok(table)
    }

    /// Enters one code under every look-up index that starts with it.
    fn fill(&mut self, code: u32, length: u32, symbol: u8) {
        let spare = LOOKAHEAD - length;
        let first = (code << spare) as usize;
        let (run, size) = (u32::from(symbol >> 4), u32::from(symbol & 15));
        for tail in 0..1_usize << spare {
            let entry = if size == 0 {
                let skip = if run == 15 { 16 } else { 0 };
                length | KIND_ZERO | skip << 8
            } else if size <= spare {
                let bits = (tail as u32) >> (spare - size);
                let value = extend(bits, size) as u32;
                (length + size) | KIND_VALUE | run << 8 | value << 16
            } else {
                length | KIND_BITS | run << 8 | size << 16
            };
            self.entries[first + tail] = entry;
            self.codes[first + tail] = (length << 8) as u16 | u16::from(symbol);
        }
    }

    /// Calls `visit` with every code of up to `longest` bits, its length and its symbol.
    pub(crate) fn for_each_code(&self, longest: u32, mut visit: impl FnMut(u32, u32, u8)) {
        let (mut code, mut symbols) = (0, self.spec.symbols.iter());
        for (length, &count) in (1..=longest).zip(&self.spec.counts) {
            for &symbol in symbols.by_ref().take(count.into()) {
                visit(code, length, symbol);
                code += 1;
            }
            code <<= 1;
        }
    }

    pub(crate) fn spec(&self) -> &HuffmanSpec {
        &self.spec
    }

    /// The largest symbol the code can yield: DC tables are bounded by it.
    pub(crate) fn largest_symbol(&self) -> u8 {
        self.largest_symbol
    }

    /// The entry for the next bits, see the `KIND_` constants.
    #[inline(always)]
    pub(crate) fn entry(&self, bits: &Bits<'_>) -> u32 {
        self.entries[(bits.buffer >> (64 - LOOKAHEAD)) as usize]
    }

    /// Length and symbol of the next code, if it has at most `longest` bits, and those 10.
    #[inline(always)]
    pub(crate) fn short_code(&self, bits: &Bits<'_>, longest: u32) -> Option<(u32, u8)> {
        let code = self.codes[(bits.buffer >> (64 - LOOKAHEAD)) as usize];
        let length = u32::from(code >> 8);
        (1..=longest)
            .contains(&length)
            .then_some((length, code as u8))
    }

    /// The symbol of a code of `length` bits, if it is one and no shorter code begins it.
    pub(crate) fn symbol_of(&self, code: u32, length: u32) -> Option<u8> {
        if code << (16 - length) >= self.limits[length as usize] {
            return None;
        }
        let index = code as i32 + self.offsets[length as usize];
        self.spec.symbols.get(index as usize).copied()
    }

    /// Reads one code; `None` if the bits are no code: then 17 bits are gone, as in libjpeg.
    ///
    /// Wants 17 bits in the reader.
    #[inline(always)]
    pub(crate) fn symbol(&self, bits: &mut Bits<'_>) -> Option<u8> {
        let code = self.codes[(bits.buffer >> (64 - LOOKAHEAD)) as usize];
        if code >= 1 << 8 {
            bits.drop(u32::from(code >> 8));
            Some(code as u8)
        } else {
            self.long_symbol(bits)
        }
    }

    /// Reads a code that the look-up did not know; see [`Self::symbol`].
    #[inline(always)]
    pub(crate) fn long_symbol(&self, bits: &mut Bits<'_>) -> Option<u8> {
        // By value, so that the reader can stay in registers.
        let (length, symbol) = self.long_code((bits.buffer >> 48) as u32);
        bits.drop(length);
        symbol
    }

    /// Length and symbol of the code at the top of 16 bits, which is longer than the look-up knows
    /// (T.81 figure F.16, by comparison of justified codes).
    #[cold]
    #[inline(never)]
    fn long_code(&self, window: u32) -> (u32, Option<u8>) {
        for length in LOOKAHEAD + 1..=16 {
            if window < self.limits[length as usize] {
                return (length, self.symbol_of(window >> (16 - length), length));
            }
        }
        (17, None)
    }

    /// The same for a code that is longer than 13 bits, without a branch.
    #[inline(always)]
    pub(crate) fn code_of_14_to_16(&self, window: u32) -> (u32, Option<u8>) {
        let length =
            14 + usize::from(window >= self.limits[14]) + usize::from(window >= self.limits[15]);
        let index = (window >> (16 - length)) as i32 + self.offsets[length];
        let symbol = self.spec.symbols.get(index as usize).copied();
        let defined = window < self.limits[length];
        (length as u32, symbol.filter(|_| defined))
    }
}

/// Value of `size` appended bits, T.81 figure F.12.
#[inline(always)]
pub(crate) fn extend(bits: u32, size: u32) -> i32 {
    let value = bits as i32;
    let below = value - (1 << (size - 1));
    // All ones where the top bit is clear.
    value + ((below >> 31) & ((-1 << size) + 1))
}

/// Where a reader stands; lets it pause between rows.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct BitPosition {
    /// Byte of the segment that is loaded next.
    pub(crate) next: usize,
    /// Bits loaded but not used yet, at the top; what lies below them is of no account.
    pub(crate) buffer: u64,
    /// How many they are.
    pub(crate) count: u32,
}

/// Reads bits from an unstuffed segment, most significant first.
#[derive(Debug)]
pub(crate) struct Bits<'a> {
    /// The segment and [`PADDING`] zero bytes.
    data: &'a [u8],
    next: usize,
    /// Unread bits at the top.
    buffer: u64,
    count: u32,
}

/// Zero bytes behind a segment, so that whole words can be loaded up to 8 bytes past the end.
pub(crate) const PADDING: usize = 16;

impl<'a> Bits<'a> {
    pub(crate) fn resume(data: &'a [u8], at: BitPosition) -> Self {
        Self {
            data,
            next: at.next,
            buffer: at.buffer,
            count: at.count,
        }
    }

    pub(crate) fn pause(&self) -> BitPosition {
        BitPosition {
            next: self.next,
            buffer: self.buffer,
            count: self.count,
        }
    }

    /// The 8 bytes that come next.
    #[inline(always)]
    fn word(&self) -> u64 {
        match self
            .data
            .get(self.next..)
            .and_then(<[u8]>::first_chunk::<8>)
        {
            Some(bytes) => u64::from_be_bytes(*bytes),
            None => 0,
        }
    }

    /// Brings the reader to at least 56 bits, zeros where the segment has ended.
    #[inline(always)]
    pub(crate) fn refill(&mut self) {
        self.buffer |= self.word() >> self.count;
        self.next += ((63 - self.count) >> 3) as usize;
        self.count |= 56;
    }

    /// Bits that are there.
    #[inline(always)]
    pub(crate) fn held(&self) -> u32 {
        self.count
    }

    /// Loads so many bytes more, zeros where the segment has ended; there is room for them.
    #[inline(always)]
    pub(crate) fn load(&mut self, bytes: u32) {
        self.buffer |= self.word() >> self.count;
        self.next += bytes as usize;
        self.count += 8 * bytes;
    }

    /// Another reader at the same place.
    #[inline(always)]
    pub(crate) fn duplicate(&self) -> Self {
        Self { ..*self }
    }

    /// Discards bits that are there.
    #[inline(always)]
    pub(crate) fn drop(&mut self, bits: u32) {
        self.buffer <<= bits;
        self.count -= bits;
    }

    /// Takes 1 to 16 bits that are there.
    #[inline(always)]
    pub(crate) fn take(&mut self, bits: u32) -> u32 {
        let value = (self.buffer >> (64 - bits)) as u32;
        self.drop(bits);
        value
    }

    pub(crate) fn consumed(&self) -> usize {
        self.next * 8 - self.count as usize
    }

    /// Whether bits past the end have been used.
    #[inline(always)]
    pub(crate) fn overrun(&self) -> bool {
        self.consumed() > (self.data.len() - PADDING) * 8
    }

    /// Whole bytes not used yet.
    pub(crate) fn unused(&self) -> usize {
        (self.data.len() - PADDING).saturating_sub(self.consumed().div_ceil(8))
    }
}

/// Copies the segment that starts at `from` to `out` without stuffing, and pads it.
///
/// Returns the offset behind the marker that ends it and the marker's code, or the length of the
/// data and `None` where they end first. Several 0xFF before a zero count as one (libjpeg
/// `jpeg_fill_bit_buffer`).
pub(crate) fn unstuff(data: &[u8], from: usize, out: &mut Vec<u8>) -> (usize, Option<u8>) {
    out.clear();
    let end = unstuff_rest(data, from.min(data.len()), out);
    out.extend_from_slice(&[0; PADDING]);
    end
}

/// Goes on with [`unstuff`] at `at`, without the padding.
pub(crate) fn unstuff_rest(data: &[u8], mut at: usize, out: &mut Vec<u8>) -> (usize, Option<u8>) {
    loop {
        let rest = &data[at..];
        let plain = find_ff(rest);
        out.extend_from_slice(&rest[..plain]);
        at += plain;
        while data.get(at) == Some(&0xFF) {
            at += 1;
        }
        match data.get(at) {
            None => break (data.len(), None),
            Some(0) => {
                out.push(0xFF);
                at += 1;
            }
            Some(&marker) => break (at + 1, Some(marker)),
        }
    }
}

/// Index of the first 0xFF, or the length.
fn find_ff(data: &[u8]) -> usize {
    let mut skipped = 0;
    for chunk in data.chunks_exact(32) {
        // Without an early exit, so that it becomes vector code.
        if chunk
            .iter()
            .fold(0, |any, &byte| any | u8::from(byte == 0xFF))
            != 0
        {
            break;
        }
        skipped += chunk.len();
    }
    let rest = &data[skipped..];
    skipped
        + rest
            .iter()
            .position(|&byte| byte == 0xFF)
            .unwrap_or(rest.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tables::standard;

    #[test]
    fn extension_follows_figure_f12() {
        assert_eq!(extend(0, 1), -1);
        assert_eq!(extend(1, 1), 1);
        assert_eq!(extend(0b011, 3), -4);
        assert_eq!(extend(0b100, 3), 4);
        assert_eq!(extend(0, 15), -32767);
    }

    #[test]
    fn stuffing_is_removed_up_to_the_marker() {
        let mut out = Vec::new();
        let end = unstuff(
            &[1, 0xFF, 0, 2, 0xFF, 0xFF, 0, 3, 0xFF, 0xFF, 0xD9, 4],
            0,
            &mut out,
        );
        assert_eq!(end, (11, Some(0xD9)));
        assert_eq!(out[..out.len() - PADDING], [1, 0xFF, 2, 0xFF, 3]);
        let end = unstuff(&[5, 6, 0xFF], 0, &mut out);
        assert_eq!(end, (3, None));
        assert_eq!(out[..out.len() - PADDING], [5, 6]);
    }

    #[test]
    fn every_code_of_the_standard_tables_is_found() {
        for table in standard() {
            let (mut code, mut index) = (0_u32, 0);
            for length in 1..=16 {
                for _ in 0..table.spec().counts[length as usize - 1] {
                    let data: Vec<u8> = (code << (32 - length))
                        .to_be_bytes()
                        .into_iter()
                        .chain([0; 12])
                        .collect();
                    let mut bits = Bits::resume(&data, BitPosition::default());
                    bits.refill();
                    assert_eq!(table.symbol(&mut bits), Some(table.spec().symbols[index]));
                    assert_eq!(bits.consumed(), length as usize);
                    code += 1;
                    index += 1;
                }
                code <<= 1;
            }
        }
    }

    #[test]
    fn long_codes_are_found_without_a_branch() {
        for table in standard() {
            for window in 0..1 << 16 {
                let (length, symbol) = table.long_code(window);
                let shorter = table.codes[(window >> 6) as usize] >= 1 << 8;
                if !shorter && length >= 14 {
                    let (found, same) = table.code_of_14_to_16(window);
                    assert_eq!(
                        (found.min(16), same),
                        (length.min(16), symbol),
                        "{window:x}"
                    );
                }
            }
        }
    }

    #[test]
    fn an_undefined_code_eats_17_bits() {
        let data = [0xFF; 24];
        let mut bits = Bits::resume(&data, BitPosition::default());
        bits.refill();
        assert_eq!(standard()[0].symbol(&mut bits), None);
        assert_eq!(bits.consumed(), 17);
    }

    #[test]
    fn all_ones_and_overfull_codes_are_rejected() {
        let mut spec = HuffmanSpec {
            counts: [0; 16],
            symbols: [0; 256],
        };
        spec.counts[0] = 2;
        assert!(HuffmanTable::new(&spec).is_err());
        spec.counts[0] = 1;
        assert!(HuffmanTable::new(&spec).is_ok());
        spec.counts[1] = 2;
        assert!(HuffmanTable::new(&spec).is_err());
    }

    #[test]
    fn reading_past_the_end_gives_zeros_and_is_noticed() {
        let mut padded = vec![0xAB, 0xCD];
        padded.extend_from_slice(&[0; PADDING]);
        let mut bits = Bits::resume(&padded, BitPosition::default());
        bits.refill();
        assert_eq!(bits.take(16), 0xABCD);
        assert!(!bits.overrun());
        for _ in 0..100 {
            bits.refill();
            assert_eq!(bits.take(1), 0);
        }
        assert!(bits.overrun());
    }
}
