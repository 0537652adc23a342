//! Quantisation and Huffman tables: as a stream defines them, the standard ones, and shared ones.
//!
//! A TIFF level stores its tables once, in `JPEGTables`, and its tiles leave them out
//! (TIFF Technical Note 2). [`Tables`] holds them parsed, with the Huffman look-ups prepared.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use crate::error::{Error, Outcome};
use crate::huffman::HuffmanTable;
use crate::markers;

/// Natural (row by row) index of each zigzag index, ITU-T T.81 figure A.6.
#[rustfmt::skip]
pub(crate) const NATURAL_ORDER: [u8; 64] = [
     0,  1,  8, 16,  9,  2,  3, 10, 17, 24, 32, 25, 18, 11,  4,  5,
    12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13,  6,  7, 14, 21, 28,
    35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51,
    58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63,
];

/// Zigzag index of each natural index.
pub(crate) const ZIGZAG_ORDER: [u8; 64] = {
    let mut order = [0; 64];
    let mut index = 0;
    while index < 64 {
        order[NATURAL_ORDER[index as usize] as usize] = index;
        index += 1;
    }
    order
};

/// A quantisation table in zigzag order.
pub(crate) type Quantisers = [u16; 64];

/// A Huffman table as a DHT segment gives it: counts per code length, symbols in code order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HuffmanSpec {
    pub(crate) counts: [u8; 16],
    pub(crate) symbols: [u8; 256],
}

/// A defined Huffman slot, with its look-ups if somebody has prepared them.
#[derive(Debug, Clone)]
pub(crate) struct HuffmanSlot {
    pub(crate) spec: HuffmanSpec,
    pub(crate) prepared: Option<Arc<HuffmanTable>>,
}

/// DC or AC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class {
    Dc,
    Ac,
}

/// The tables in force at some point of a stream: four slots of each kind.
#[derive(Debug, Clone, Default)]
pub(crate) struct TableSet {
    pub(crate) quantisers: [Option<Quantisers>; 4],
    dc: [Option<HuffmanSlot>; 4],
    ac: [Option<HuffmanSlot>; 4],
}

impl TableSet {
    pub(crate) fn huffman(&self, class: Class, slot: u8) -> Option<&HuffmanSlot> {
        let slots = match class {
            Class::Dc => &self.dc,
            Class::Ac => &self.ac,
        };
        slots.get(usize::from(slot))?.as_ref()
    }

    /// Defines a slot; `false` if there is no such slot.
    pub(crate) fn set_huffman(&mut self, class: Class, slot: u8, value: HuffmanSlot) -> bool {
        let slots = match class {
            Class::Dc => &mut self.dc,
            Class::Ac => &mut self.ac,
        };
        match slots.get_mut(usize::from(slot)) {
            Some(place) => {
                *place = Some(value);
                true
            }
            None => false,
        }
    }

    /// Fills the empty ones of slots 0 and 1 with the standard tables, as libjpeg-turbo does for
    /// sequential pictures: abbreviated Motion-JPEG frames rely on it.
    pub(crate) fn install_standard(&mut self) {
        for (index, table) in standard().iter().enumerate() {
            let slots = if index < 2 {
                &mut self.dc
            } else {
                &mut self.ac
            };
            if let Some(place) = slots.get_mut(index % 2) {
                place.get_or_insert_with(|| HuffmanSlot {
                    spec: table.spec().clone(),
                    prepared: Some(Arc::clone(table)),
                });
            }
        }
    }

    /// Prepares the look-ups of every slot that is a legal code.
    fn prepare(&mut self) {
        for slot in self.dc.iter_mut().chain(&mut self.ac).flatten() {
            if slot.prepared.is_none() {
                slot.prepared = find_standard(&slot.spec)
                    .or_else(|| HuffmanTable::new(&slot.spec).ok().map(Arc::new));
            }
        }
    }
}

/// Tables shared by many pictures: a parsed tables-only stream, such as TIFF's `JPEGTables`.
///
/// Parse once per level, share between threads, and hand to every decode of its tiles through
/// [`Options::with_tables`](crate::Options::with_tables). Tables inside a tile override them. A
/// restart interval in such a stream does not reach the tiles: SOI resets it (libjpeg `get_soi`).
#[derive(Debug, Clone)]
pub struct Tables {
    /// Tells these tables from all others of the process; clones are the same tables.
    id: u64,
    set: TableSet,
    outcome: Outcome,
}

impl Tables {
    /// Parses a stream of SOI, DQT, DHT and EOI.
    ///
    /// # Errors
    /// [`Corrupt`](crate::ErrorKind::Corrupt) for a broken segment, or a stream with a picture in
    /// it; [`Unsupported`](crate::ErrorKind::Unsupported) for the frame headers that the decoder
    /// does not know either.
    ///
    /// # Example
    /// ```
    /// use wsi_jpeg::Tables;
    ///
    /// let empty = [0xFF, 0xD8, 0xFF, 0xD9];
    /// assert!(Tables::parse(&empty).is_ok());
    /// assert!(Tables::parse(b"no JPEG").is_err());
    /// ```
    pub fn parse(data: &[u8]) -> Result<Self, Error> {
        let (mut set, outcome) = markers::parse_tables(data)?;
        set.prepare();
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let id = NEXT.fetch_add(1, Ordering::Relaxed);
        Ok(Self { id, set, outcome })
    }

    /// What libjpeg-turbo would warn of in this stream.
    pub fn outcome(&self) -> &Outcome {
        &self.outcome
    }

    pub(crate) fn id(&self) -> u64 {
        self.id
    }

    pub(crate) fn set(&self) -> &TableSet {
        &self.set
    }
}

/// The prepared standard tables: DC luminance and chrominance, then AC; T.81 annex K.3.
pub(crate) fn standard() -> &'static [Arc<HuffmanTable>] {
    static STANDARD: OnceLock<Vec<Arc<HuffmanTable>>> = OnceLock::new();
    STANDARD.get_or_init(|| {
        let dc_symbols: Vec<u8> = (0..=11).collect();
        [
            (&K3_DC_COUNTS, dc_symbols.as_slice()),
            (&K4_DC_COUNTS, dc_symbols.as_slice()),
            (&K5_AC_COUNTS, K5_AC_SYMBOLS.as_slice()),
            (&K6_AC_COUNTS, K6_AC_SYMBOLS.as_slice()),
        ]
        .iter()
        .filter_map(|(counts, symbols)| {
            let mut all = [0; 256];
            for (to, from) in all.iter_mut().zip(symbols.iter()) {
                *to = *from;
            }
            HuffmanTable::new(&HuffmanSpec {
                counts: **counts,
                symbols: all,
            })
            .ok()
            .map(Arc::new)
        })
        .collect()
    })
}

/// The standard table with this definition, if it is one.
pub(crate) fn find_standard(spec: &HuffmanSpec) -> Option<Arc<HuffmanTable>> {
    standard()
        .iter()
        .find(|table| table.spec() == spec)
        .map(Arc::clone)
}

/// T.81 table K.3: codes per length of luminance DC differences.
const K3_DC_COUNTS: [u8; 16] = [0, 1, 5, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0];
/// T.81 table K.4: codes per length of chrominance DC differences.
const K4_DC_COUNTS: [u8; 16] = [0, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0];
/// T.81 table K.5: codes per length of luminance AC coefficients.
const K5_AC_COUNTS: [u8; 16] = [0, 2, 1, 3, 3, 2, 4, 3, 5, 5, 4, 4, 0, 0, 1, 125];
/// T.81 table K.6: codes per length of chrominance AC coefficients.
const K6_AC_COUNTS: [u8; 16] = [0, 2, 1, 2, 4, 4, 3, 4, 7, 5, 4, 4, 0, 1, 2, 119];

/// T.81 table K.5: run/size symbols in code order.
#[rustfmt::skip]
const K5_AC_SYMBOLS: [u8; 162] = [
    0x01, 0x02, 0x03, 0x00, 0x04, 0x11, 0x05, 0x12, 0x21, 0x31, 0x41, 0x06, 0x13, 0x51, 0x61, 0x07,
    0x22, 0x71, 0x14, 0x32, 0x81, 0x91, 0xA1, 0x08, 0x23, 0x42, 0xB1, 0xC1, 0x15, 0x52, 0xD1, 0xF0,
    0x24, 0x33, 0x62, 0x72, 0x82, 0x09, 0x0A, 0x16, 0x17, 0x18, 0x19, 0x1A, 0x25, 0x26, 0x27, 0x28,
    0x29, 0x2A, 0x34, 0x35, 0x36, 0x37, 0x38, 0x39, 0x3A, 0x43, 0x44, 0x45, 0x46, 0x47, 0x48, 0x49,
    0x4A, 0x53, 0x54, 0x55, 0x56, 0x57, 0x58, 0x59, 0x5A, 0x63, 0x64, 0x65, 0x66, 0x67, 0x68, 0x69,
    0x6A, 0x73, 0x74, 0x75, 0x76, 0x77, 0x78, 0x79, 0x7A, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89,
    0x8A, 0x92, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99, 0x9A, 0xA2, 0xA3, 0xA4, 0xA5, 0xA6, 0xA7,
    0xA8, 0xA9, 0xAA, 0xB2, 0xB3, 0xB4, 0xB5, 0xB6, 0xB7, 0xB8, 0xB9, 0xBA, 0xC2, 0xC3, 0xC4, 0xC5,
    0xC6, 0xC7, 0xC8, 0xC9, 0xCA, 0xD2, 0xD3, 0xD4, 0xD5, 0xD6, 0xD7, 0xD8, 0xD9, 0xDA, 0xE1, 0xE2,
    0xE3, 0xE4, 0xE5, 0xE6, 0xE7, 0xE8, 0xE9, 0xEA, 0xF1, 0xF2, 0xF3, 0xF4, 0xF5, 0xF6, 0xF7, 0xF8,
    0xF9, 0xFA,
];

/// T.81 table K.6: run/size symbols in code order.
#[rustfmt::skip]
const K6_AC_SYMBOLS: [u8; 162] = [
    0x00, 0x01, 0x02, 0x03, 0x11, 0x04, 0x05, 0x21, 0x31, 0x06, 0x12, 0x41, 0x51, 0x07, 0x61, 0x71,
    0x13, 0x22, 0x32, 0x81, 0x08, 0x14, 0x42, 0x91, 0xA1, 0xB1, 0xC1, 0x09, 0x23, 0x33, 0x52, 0xF0,
    0x15, 0x62, 0x72, 0xD1, 0x0A, 0x16, 0x24, 0x34, 0xE1, 0x25, 0xF1, 0x17, 0x18, 0x19, 0x1A, 0x26,
    0x27, 0x28, 0x29, 0x2A, 0x35, 0x36, 0x37, 0x38, 0x39, 0x3A, 0x43, 0x44, 0x45, 0x46, 0x47, 0x48,
    0x49, 0x4A, 0x53, 0x54, 0x55, 0x56, 0x57, 0x58, 0x59, 0x5A, 0x63, 0x64, 0x65, 0x66, 0x67, 0x68,
    0x69, 0x6A, 0x73, 0x74, 0x75, 0x76, 0x77, 0x78, 0x79, 0x7A, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87,
    0x88, 0x89, 0x8A, 0x92, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99, 0x9A, 0xA2, 0xA3, 0xA4, 0xA5,
    0xA6, 0xA7, 0xA8, 0xA9, 0xAA, 0xB2, 0xB3, 0xB4, 0xB5, 0xB6, 0xB7, 0xB8, 0xB9, 0xBA, 0xC2, 0xC3,
    0xC4, 0xC5, 0xC6, 0xC7, 0xC8, 0xC9, 0xCA, 0xD2, 0xD3, 0xD4, 0xD5, 0xD6, 0xD7, 0xD8, 0xD9, 0xDA,
    0xE2, 0xE3, 0xE4, 0xE5, 0xE6, 0xE7, 0xE8, 0xE9, 0xEA, 0xF2, 0xF3, 0xF4, 0xF5, 0xF6, 0xF7, 0xF8,
    0xF9, 0xFA,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_zigzag_visits_every_coefficient_once() {
        let mut seen = [false; 64];
        for index in &NATURAL_ORDER {
            assert!(!seen[usize::from(*index)]);
            seen[usize::from(*index)] = true;
        }
    }

    #[test]
    fn the_standard_tables_are_legal_codes() {
        assert_eq!(standard().len(), 4);
        for table in standard() {
            let symbols: usize = table.spec().counts.iter().map(|&n| usize::from(n)).sum();
            assert!(symbols == 12 || symbols == 162);
        }
    }
}
