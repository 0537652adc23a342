//! The same coefficients with other Huffman tables: what encoders that optimise theirs write, or
//! those that share one pair among all components.

use std::collections::HashMap;

use wsi_jpeg::{HuffmanCode, Parts, unstuff_segment};

use super::writer::{Bits, Code};

/// Reads bits, most significant first; ones behind the end.
struct Reader<'d> {
    data: &'d [u8],
    position: usize,
}

impl Reader<'_> {
    fn bit(&mut self) -> u32 {
        let byte = self.data.get(self.position / 8).copied().unwrap_or(0xFF);
        let bit = byte >> (7 - self.position % 8) & 1;
        self.position += 1;
        bit.into()
    }

    fn bits(&mut self, count: u32) -> u32 {
        (0..count).fold(0, |bits, _| bits << 1 | self.bit())
    }

    fn symbol(&mut self, symbols: &HashMap<(u32, u32), u8>) -> u8 {
        let mut code = 0;
        for length in 1..=16 {
            code = code << 1 | self.bit();
            if let Some(&symbol) = symbols.get(&(length, code)) {
                return symbol;
            }
        }
        panic!("no code at bit {}", self.position);
    }
}

/// Symbols by length and code.
fn symbols(code: &HuffmanCode) -> HashMap<(u32, u32), u8> {
    let mut found = HashMap::new();
    let (mut next, mut all) = (0, code.symbols().iter());
    for (length, &count) in (1..).zip(code.counts()) {
        for &symbol in all.by_ref().take(count.into()) {
            found.insert((length, next), symbol);
            next += 1;
        }
        next <<= 1;
    }
    found
}

/// Replaces the tables of a clean baseline stream. `pairs` says which codes each component takes.
pub(crate) fn transcode(stream: &[u8], codes: &[[Code; 2]], pairs: &[u8]) -> Vec<u8> {
    let parts = Parts::read(stream, None).expect("a baseline stream");
    let mut out = header(stream, parts.header_length(), codes, pairs);
    let components = parts.components().iter();
    let tables: Vec<_> = components
        .map(|component| [symbols(&component.dc), symbols(&component.ac)])
        .collect();
    let single = tables.len() == 1;
    let units: Vec<usize> = parts
        .info()
        .components()
        .iter()
        .enumerate()
        .flat_map(|(index, c)| {
            let blocks = if single { 1 } else { c.horizontal * c.vertical };
            std::iter::repeat_n(index, blocks.into())
        })
        .collect();
    let largest = |get: fn(&wsi_jpeg::Component) -> u8| match single {
        true => 1,
        false => parts
            .info()
            .components()
            .iter()
            .map(get)
            .max()
            .expect("one"),
    };
    let side = |pixels: u32, factor: u8| pixels.div_ceil(8 * u32::from(factor)) as usize;
    let mut left = side(parts.info().width(), largest(|c| c.horizontal))
        * side(parts.info().height(), largest(|c| c.vertical));
    let mut at = parts.header_length();
    loop {
        let mut segment = Vec::new();
        let (end, marker) = unstuff_segment(stream, at, &mut segment);
        at = end;
        let interval = match parts.info().restart_interval() {
            0 => left,
            interval => left.min(interval.into()),
        };
        left -= interval;
        let mut reader = Reader {
            data: &segment,
            position: 0,
        };
        let mut bits = Bits::default();
        for _ in 0..interval {
            for &unit in &units {
                let to = &codes[usize::from(pairs[unit])];
                block(&mut reader, &tables[unit], to, &mut bits);
            }
        }
        bits.align();
        out.append(&mut bits.bytes);
        out.extend([0xFF, marker.expect("a marker")]);
        if left == 0 {
            return out;
        }
    }
}

fn block(
    reader: &mut Reader<'_>,
    from: &[HashMap<(u32, u32), u8>; 2],
    to: &[Code; 2],
    bits: &mut Bits,
) {
    let mut index = 0;
    while index < 64 {
        let class = usize::from(index > 0);
        let symbol = reader.symbol(&from[class]);
        let (code, length) = to[class].of(symbol);
        bits.put(code, length);
        let size = u32::from(symbol & 15);
        let value = reader.bits(size);
        bits.put(value, size);
        index += match (class, symbol) {
            (0, _) => 1,
            (_, 0) => 64,
            _ => usize::from(symbol >> 4) + 1,
        };
    }
}

/// The segments up to the scan, with other tables.
fn header(stream: &[u8], length: usize, codes: &[[Code; 2]], pairs: &[u8]) -> Vec<u8> {
    let mut out = stream[..2].to_vec();
    let mut at = 2;
    while at < length {
        let size = usize::from(u16::from_be_bytes([stream[at + 2], stream[at + 3]]));
        let segment = &stream[at..at + 2 + size];
        match segment[1] {
            0xC4 => {}
            0xDA => {
                for (pair, codes) in codes.iter().enumerate() {
                    for (class, code) in codes.iter().enumerate() {
                        code.define(u8::try_from(class << 4 | pair).expect("small"), &mut out);
                    }
                }
                let mut scan = segment.to_vec();
                for (component, pair) in pairs.iter().enumerate() {
                    scan[6 + 2 * component] = pair << 4 | pair;
                }
                out.extend(scan);
            }
            _ => out.extend(segment),
        }
        at += 2 + size;
    }
    out
}
