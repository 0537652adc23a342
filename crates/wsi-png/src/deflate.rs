//! A band of bytes to a DEFLATE block (RFC 1951) that starts and ends on a whole byte.

use crate::arch::Kernels;
use crate::bits::Bits;
use crate::huffman;
use crate::runs::{Piece, matches};
use crate::tables::{END, LENGTH_CODE, LENGTHS, ORDER, SYMBOLS};

/// The longest code of a literal: so that four of them fit between two flushes.
const LONGEST_CODE: usize = 12;

/// The longest code of a code length (RFC 1951 3.2.7).
const LONGEST_LENGTH_CODE: usize = 7;

/// The most bytes of a stored block (RFC 1951 3.2.4).
const STORED: usize = 65_535;

/// Two distance codes of one bit each, the first for distance 1. One would do, but a code that is not
/// complete is what some readers refuse.
const DISTANCES: [u8; 2] = [1, 1];

/// Appends `data`, which is not empty, to `out` as blocks that fill whole bytes. `last` ends the
/// stream.
pub(crate) fn append(
    data: &[u8],
    last: bool,
    out: &mut Vec<u8>,
    pieces: &mut Vec<Piece>,
    kernels: Kernels,
) {
    let counts = kernels.find(data, pieces).total();
    let mut lengths = [0; SYMBOLS];
    huffman::lengths(&counts, LONGEST_CODE, &mut lengths);
    let header = Header::new(&lengths);
    let bits = 3 + header.bits() + body_bits(&counts, &lengths);
    // What ends a band that is not the last: the start of an empty stored block, and the rest of it.
    let end = if last { 0 } else { 3 };
    let bytes = (bits + end).div_ceil(8) + if last { 0 } else { 4 };
    if bytes >= data.len() + 5 * data.len().div_ceil(STORED) {
        return append_stored(data, last, out);
    }
    let start = out.len();
    out.resize(start + bytes + Bits::SLACK, 0);
    let mut writer = Bits::new(&mut out[start..]);
    writer.add(u64::from(last) | 0b10 << 1, 3);
    header.write(&mut writer);
    writer.flush();
    kernels.write(data, pieces, &Codes::new(&lengths), &mut writer);
    if !last {
        writer.add(0, 3);
    }
    let written = writer.finish();
    out.truncate(start + written);
    if !last {
        out.extend_from_slice(&[0, 0, 0xFF, 0xFF]);
    }
    debug_assert_eq!(out.len(), start + bytes, "the size that was foreseen");
}

fn append_stored(data: &[u8], last: bool, out: &mut Vec<u8>) {
    let mut blocks = data.chunks(STORED).peekable();
    while let Some(block) = blocks.next() {
        let ends = last && blocks.peek().is_none();
        #[expect(clippy::cast_possible_truncation, reason = "at most STORED")]
        let length = block.len() as u16;
        out.push(u8::from(ends));
        out.extend_from_slice(&length.to_le_bytes());
        out.extend_from_slice(&(!length).to_le_bytes());
        out.extend_from_slice(block);
    }
}

/// Bits of all literals and matches, and of the end.
fn body_bits(counts: &[u32; SYMBOLS], lengths: &[u8; SYMBOLS]) -> usize {
    let bits = |symbol: usize| {
        let extra = match symbol.checked_sub(END + 1) {
            Some(code) => usize::from(LENGTHS[code].1) + usize::from(DISTANCES[0]),
            None => 0,
        };
        counts[symbol] as usize * (usize::from(lengths[symbol]) + extra)
    };
    (0..SYMBOLS).map(bits).sum()
}

/// The codes of a block, none longer than [`LONGEST_CODE`].
pub(crate) struct Codes {
    /// The code in the lower half, its length in the upper; literals first.
    pub(crate) all: [u32; SYMBOLS],
}

impl Codes {
    fn new(lengths: &[u8; SYMBOLS]) -> Self {
        let codes = huffman::codes(lengths);
        let all = |symbol| u32::from(codes[symbol]) | u32::from(lengths[symbol]) << 16;
        Self {
            all: std::array::from_fn(all),
        }
    }
}

/// Writes literals and matches, and the end of the block. The writer has been flushed.
#[inline(always)]
pub(crate) fn write_pieces(
    data: &[u8],
    pieces: &[Piece],
    codes: &Codes,
    out: &mut Bits<'_>,
    write_literals: impl Fn(&[u8], &Codes, &mut Bits<'_>),
) {
    let mut rest = data;
    for piece in pieces {
        let (literals, behind) = rest.split_at(piece.literals as usize);
        rest = &behind[piece.run as usize..];
        write_literals(literals, codes, out);
        for length in matches(piece.run as usize) {
            let code = usize::from(LENGTH_CODE[length]);
            let (base, extra) = LENGTHS[code];
            out.add_entry(codes.all[END + 1 + code]);
            out.add((length - usize::from(base)) as u64, extra.into());
            // Distance 1.
            out.add(0, DISTANCES[0].into());
            out.flush();
        }
    }
    out.add_entry(codes.all[END]);
    out.flush();
}

/// Writes the codes of literals.
#[inline(always)]
pub(crate) fn literals(bytes: &[u8], codes: &Codes, out: &mut Bits<'_>) {
    let (fours, tail) = bytes.as_chunks::<4>();
    for four in fours {
        for &byte in four {
            out.add_entry(codes.all[usize::from(byte)]);
        }
        out.flush();
    }
    for &byte in tail {
        out.add_entry(codes.all[usize::from(byte)]);
    }
    out.flush();
}

/// The code lengths as a block begins with them (RFC 1951 3.2.7).
struct Header {
    /// Symbols of the code of code lengths, each with the value of its extra bits.
    symbols: Vec<(u8, u8)>,
    /// Lengths of that code.
    lengths: [u8; 19],
    /// How many of them, in their order, are written.
    written: usize,
    literals: usize,
}

impl Header {
    fn new(lengths: &[u8; SYMBOLS]) -> Self {
        let unused = lengths.iter().rev().take_while(|&&length| length == 0);
        let literals = (SYMBOLS - unused.count()).max(END + 1);
        let mut all = lengths[..literals].to_vec();
        all.extend(DISTANCES);
        let symbols = packed(&all);
        let mut counts = [0; 19];
        for &(symbol, _) in &symbols {
            counts[usize::from(symbol)] += 1;
        }
        let mut lengths = [0; 19];
        huffman::lengths(&counts, LONGEST_LENGTH_CODE, &mut lengths);
        let unused = ORDER.iter().rev().take_while(|&&code| lengths[code] == 0);
        let written = (19 - unused.count()).max(4);
        Self {
            symbols,
            lengths,
            written,
            literals,
        }
    }

    fn bits(&self) -> usize {
        let symbol = |&(symbol, _): &(u8, u8)| {
            usize::from(self.lengths[usize::from(symbol)]) + extra_bits(symbol) as usize
        };
        14 + 3 * self.written + self.symbols.iter().map(symbol).sum::<usize>()
    }

    fn write(&self, out: &mut Bits<'_>) {
        out.add((self.literals - (END + 1)) as u64, 5);
        out.add(DISTANCES.len() as u64 - 1, 5);
        out.add(self.written as u64 - 4, 4);
        out.flush();
        for &code in &ORDER[..self.written] {
            out.add(self.lengths[code].into(), 3);
            out.flush();
        }
        let codes = huffman::codes(&self.lengths);
        for &(symbol, extra) in &self.symbols {
            let code = usize::from(symbol);
            out.add(codes[code].into(), self.lengths[code].into());
            out.add(extra.into(), extra_bits(symbol));
            out.flush();
        }
    }
}

/// Extra bits of a symbol of the code of code lengths.
const fn extra_bits(symbol: u8) -> u32 {
    match symbol {
        16 => 2,
        17 => 3,
        18 => 7,
        _ => 0,
    }
}

/// Code lengths with their repetitions, as symbols of RFC 1951 3.2.7.
fn packed(lengths: &[u8]) -> Vec<(u8, u8)> {
    let mut symbols = Vec::new();
    for same in lengths.chunk_by(|a, b| a == b) {
        let length = same[0];
        let mut left = same.len();
        if length > 0 {
            symbols.push((length, 0));
            left -= 1;
        }
        while left > 0 {
            let (symbol, least, most) = match (length, left) {
                (0, 11..) => (18, 11, 138),
                (0, 3..) => (17, 3, 10),
                (1.., 3..) => (16, 3, 6),
                _ => {
                    symbols.push((length, 0));
                    left -= 1;
                    continue;
                }
            };
            let taken = left.min(most);
            #[expect(clippy::cast_possible_truncation, reason = "at most 127")]
            symbols.push((symbol, (taken - least) as u8));
            left -= taken;
        }
    }
    symbols
}
