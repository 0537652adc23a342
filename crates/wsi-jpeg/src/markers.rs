//! Marker segments: from bytes to tables, a frame header and scan headers.
//!
//! What is accepted follows libjpeg-turbo (`jdmarker.c`) to the letter, also where T.81 annex B is
//! stricter, because a tile that the peers open must open here and one they refuse must not.
//! Entropy-coded data are not looked at; `scan` takes over behind SOS.

#![warn(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use crate::error::{Error, Outcome, Warning};
use crate::frame::{Component, Frame, Process};
use crate::tables::{Class, HuffmanSlot, HuffmanSpec, Quantisers, TableSet};

const SOI: u8 = 0xD8;
const EOI: u8 = 0xD9;

/// A position in the data, and a marker that was found but not dealt with.
#[derive(Debug, Clone)]
pub(crate) struct Source<'d> {
    data: &'d [u8],
    position: usize,
    /// Marker code already read at the end of a data segment; 0 for none.
    pub(crate) pending: u8,
    /// Bytes skipped since the last marker.
    discarded: usize,
    past_end: bool,
}

impl<'d> Source<'d> {
    fn new(data: &'d [u8]) -> Self {
        Self {
            data,
            position: 0,
            pending: 0,
            discarded: 0,
            past_end: false,
        }
    }

    /// A source that has read the headers of a clean picture.
    pub(crate) fn at(data: &'d [u8], position: usize) -> Self {
        let mut source = Self::new(data);
        source.position = position;
        source
    }

    pub(crate) fn data(&self) -> &'d [u8] {
        self.data
    }

    pub(crate) fn position(&self) -> usize {
        self.position
    }

    /// Moves behind a data segment; the marker that ended it, if any, is pending.
    pub(crate) fn leave_segment(&mut self, position: usize, marker: Option<u8>) {
        self.position = position;
        self.pending = marker.unwrap_or(0);
    }

    /// Counts bytes of a segment that nothing used. The next search for a marker warns of them.
    pub(crate) fn discard(&mut self, bytes: usize) {
        self.discarded = self.discarded.saturating_add(bytes);
    }

    /// Whether bytes have been counted that nothing has warned of yet.
    pub(crate) fn has_discarded(&self) -> bool {
        self.discarded > 0
    }

    /// Warns of bytes that were skipped before a marker.
    pub(crate) fn warn_discarded(&mut self, marker: u8, outcome: &mut Outcome) {
        if self.discarded > 0 {
            outcome.warn(Warning::ExtraneousBytes {
                count: self.discarded,
                marker,
            });
            self.discarded = 0;
        }
    }

    /// Whether everything up to the end has been read.
    pub(crate) fn at_end(&self) -> bool {
        self.position >= self.data.len()
    }

    /// Whether the next byte is the second one of an EOI that only stands for the end.
    pub(crate) fn in_appended_marker(&self) -> bool {
        self.position > self.data.len() && self.position.wrapping_sub(self.data.len()) & 1 == 1
    }

    pub(crate) fn warn_end(&mut self, outcome: &mut Outcome) {
        if !self.past_end {
            self.past_end = true;
            outcome.warn(Warning::PrematureEndOfFile);
        }
    }

    /// The next byte. The data are followed by EOI markers without end, as in libjpeg's memory
    /// source, so that every loop over markers ends.
    fn byte(&mut self, outcome: &mut Outcome) -> u8 {
        let byte = match self.data.get(self.position) {
            Some(byte) => *byte,
            None => {
                self.warn_end(outcome);
                let past = self.position.saturating_sub(self.data.len());
                if past & 1 == 0 { 0xFF } else { EOI }
            }
        };
        self.position = self.position.saturating_add(1);
        byte
    }

    fn word(&mut self, outcome: &mut Outcome) -> u16 {
        let high = self.byte(outcome);
        let low = self.byte(outcome);
        u16::from_be_bytes([high, low])
    }

    fn skip(&mut self, bytes: usize, outcome: &mut Outcome) {
        self.position = self.position.saturating_add(bytes);
        if self.position > self.data.len() {
            self.warn_end(outcome);
        }
    }

    /// Finds the next marker and returns its code, never 0 or 0xFF.
    pub(crate) fn next_marker(&mut self, outcome: &mut Outcome) -> u8 {
        loop {
            let mut byte = self.byte(outcome);
            while byte != 0xFF {
                self.discard(1);
                byte = self.byte(outcome);
            }
            // Fill bytes before a marker are legal (T.81 B.1.1.2).
            while byte == 0xFF {
                byte = self.byte(outcome);
            }
            if byte == 0 {
                self.discard(2);
                continue;
            }
            self.warn_discarded(byte, outcome);
            return byte;
        }
    }
}

/// Parameters of a scan, T.81 B.2.3.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Scan {
    pub(crate) count: usize,
    /// Indices into the frame's components.
    pub(crate) components: [usize; 4],
    pub(crate) dc_slots: [u8; 4],
    pub(crate) ac_slots: [u8; 4],
    /// First coefficient, or the predictor of a lossless scan.
    pub(crate) spectral_start: u8,
    pub(crate) spectral_end: u8,
    pub(crate) approx_high: u8,
    /// Low bit position, or the point transform of a lossless scan.
    pub(crate) approx_low: u8,
}

/// Where the markers stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reached {
    /// A scan header; entropy-coded data follow.
    Scan,
    /// The end of the image, or of the data.
    End,
}

/// A stream being read, and what its markers have said so far.
#[derive(Debug)]
pub(crate) struct Stream<'d> {
    pub(crate) source: Source<'d>,
    pub(crate) tables: TableSet,
    pub(crate) frame: Option<Frame>,
    pub(crate) scan: Scan,
    pub(crate) scans: usize,
    pub(crate) restart_interval: u16,
    pub(crate) jfif: bool,
    /// The transform byte of an Adobe APP14 marker.
    pub(crate) adobe: Option<u8>,
}

impl<'d> Stream<'d> {
    /// Checks that the data start with SOI; `tables` are in force until redefined.
    pub(crate) fn open(data: &'d [u8], tables: TableSet) -> Result<Self, Error> {
        if data.get(..2) != Some(&[0xFF, SOI]) {
            return Err(
                Error::corrupt("data do not start with a JPEG start-of-image marker").at(0),
            );
        }
        let mut source = Source::new(data);
        source.position = 2;
        Ok(Self {
            source,
            tables,
            frame: None,
            scan: Scan::default(),
            scans: 0,
            restart_interval: 0,
            jfif: false,
            adobe: None,
        })
    }

    /// Reads marker segments up to the next scan, or to the end.
    pub(crate) fn read_markers(&mut self, outcome: &mut Outcome) -> Result<Reached, Error> {
        loop {
            let marker = match self.source.pending {
                0 => self.source.next_marker(outcome),
                pending => pending,
            };
            self.source.pending = 0;
            let offset = self.source.position;
            let reached = self
                .segment(marker, outcome)
                .map_err(|error| error.at(offset))?;
            if let Some(reached) = reached {
                return Ok(reached);
            }
        }
    }

    /// Deals with one marker segment, T.81 table B.1.
    fn segment(&mut self, marker: u8, outcome: &mut Outcome) -> Result<Option<Reached>, Error> {
        match marker {
            SOI => return Err(Error::corrupt("second start-of-image marker")),
            0xC0 => self.frame_header(Process::Baseline, outcome)?,
            0xC1 => self.frame_header(Process::Extended, outcome)?,
            0xC2 => self.frame_header(Process::Progressive, outcome)?,
            0xC3 => self.frame_header(Process::Lossless, outcome)?,
            0xC9..=0xCB => return Err(Error::unsupported("arithmetic coding")),
            0xC5..=0xC7 | 0xCD..=0xCF => return Err(Error::unsupported("hierarchical JPEG")),
            0xC8 => return Err(Error::unsupported("JPEG extension marker 0xc8")),
            0xF7 | 0xF8 => return Err(Error::unsupported("JPEG-LS")),
            0xDA => {
                self.scan_header(outcome)?;
                return Ok(Some(Reached::Scan));
            }
            EOI => return Ok(Some(Reached::End)),
            0xCC => self.arithmetic_conditioning(outcome)?,
            0xC4 => self.huffman_tables(outcome)?,
            0xDB => self.quantisation_tables(outcome)?,
            0xDD => {
                if self.source.word(outcome) != 4 {
                    return Err(Error::corrupt(
                        "restart interval segment has a wrong length",
                    ));
                }
                self.restart_interval = self.source.word(outcome);
            }
            0xE0 | 0xEE => self.application_data(marker, outcome),
            // Other application data, comments, and DNL, which libjpeg skips too.
            0xE1..=0xEF | 0xFE | 0xDC => {
                let length = usize::from(self.source.word(outcome));
                self.source.skip(length.saturating_sub(2), outcome);
            }
            // Restart and TEM markers stand alone.
            0xD0..=0xD7 | 0x01 => {}
            _ => return Err(Error::unsupported(format!("marker 0x{marker:02x}"))),
        }
        Ok(None)
    }

    /// A frame header (`SOFn`), T.81 B.2.2.
    fn frame_header(&mut self, process: Process, outcome: &mut Outcome) -> Result<(), Error> {
        if self.frame.is_some() {
            return Err(Error::corrupt("second frame header"));
        }
        let source = &mut self.source;
        let length = usize::from(source.word(outcome));
        let bits = source.byte(outcome);
        let height = source.word(outcome);
        let width = source.word(outcome);
        let count = source.byte(outcome);
        if height == 0 || width == 0 || count == 0 {
            return Err(Error::corrupt(format!(
                "empty frame: {width} x {height} pixels, {count} components"
            )));
        }
        if length != usize::from(count).saturating_mul(3).saturating_add(8) {
            return Err(Error::corrupt("frame header has a wrong length"));
        }
        let mut frame = Frame::new(process, bits, u32::from(width), u32::from(height));
        if !frame.set_count(count) {
            return Err(Error::unsupported(format!("{count} components")));
        }
        for component in frame.components_mut() {
            let id = source.byte(outcome);
            let sampling = source.byte(outcome);
            *component = Component {
                id,
                horizontal: sampling >> 4,
                vertical: sampling & 15,
                quantiser_slot: source.byte(outcome),
            };
        }
        self.frame = Some(frame);
        Ok(())
    }

    /// SOS, T.81 B.2.3.
    fn scan_header(&mut self, outcome: &mut Outcome) -> Result<(), Error> {
        let Some(frame) = &self.frame else {
            return Err(Error::corrupt("scan before the frame header"));
        };
        let source = &mut self.source;
        let length = usize::from(source.word(outcome));
        let count = usize::from(source.byte(outcome));
        if !(1..=4).contains(&count) || length != count.saturating_mul(2).saturating_add(6) {
            return Err(Error::corrupt("scan header has a wrong length"));
        }
        let mut scan = Scan {
            count,
            ..Scan::default()
        };
        let mut used = [false; 4];
        let places = scan
            .components
            .iter_mut()
            .zip(&mut scan.dc_slots)
            .zip(&mut scan.ac_slots)
            .take(count);
        for (filled, ((place, dc_slot), ac_slot)) in places.enumerate() {
            let id = source.byte(outcome);
            let slots = source.byte(outcome);
            // libjpeg-turbo looks for a component whose index is not below the number of those
            // listed so far; it makes duplicate ids work when they come in frame order.
            let found = frame
                .components()
                .iter()
                .enumerate()
                .position(|(index, component)| component.id == id && index >= filled);
            match found.and_then(|index| Some((index, used.get_mut(index)?))) {
                Some((index, taken)) if !*taken => {
                    *taken = true;
                    *place = index;
                }
                _ => return Err(Error::corrupt(format!("scan names component {id}"))),
            }
            *dc_slot = slots >> 4;
            *ac_slot = slots & 15;
        }
        scan.spectral_start = source.byte(outcome);
        scan.spectral_end = source.byte(outcome);
        let approximation = source.byte(outcome);
        scan.approx_high = approximation >> 4;
        scan.approx_low = approximation & 15;
        self.scan = scan;
        self.scans = self.scans.saturating_add(1);
        Ok(())
    }

    /// DAC: checked, since libjpeg refuses wrong ones, and otherwise of no use here.
    fn arithmetic_conditioning(&mut self, outcome: &mut Outcome) -> Result<(), Error> {
        let mut left = i32::from(self.source.word(outcome)).saturating_sub(2);
        while left > 0 {
            let index = self.source.byte(outcome);
            let value = self.source.byte(outcome);
            left = left.saturating_sub(2);
            if index >= 32 || (index < 16 && value & 15 > value >> 4) {
                return Err(Error::corrupt("wrong arithmetic conditioning"));
            }
        }
        if left != 0 {
            return Err(Error::corrupt("arithmetic conditioning has a wrong length"));
        }
        Ok(())
    }

    /// DHT, T.81 B.2.4.2. Whether the counts are a legal code is checked on first use.
    fn huffman_tables(&mut self, outcome: &mut Outcome) -> Result<(), Error> {
        let source = &mut self.source;
        let Some(mut left) = usize::from(source.word(outcome)).checked_sub(2) else {
            return Err(Error::corrupt("Huffman table segment has a wrong length"));
        };
        while left > 16 {
            let selector = source.byte(outcome);
            let mut spec = HuffmanSpec {
                counts: [0; 16],
                symbols: [0; 256],
            };
            for count in &mut spec.counts {
                *count = source.byte(outcome);
            }
            left = left.saturating_sub(17);
            let total = spec
                .counts
                .iter()
                .fold(0, |sum: usize, &count| sum.saturating_add(count.into()));
            if total > 256 || total > left {
                return Err(Error::corrupt(format!("Huffman table of {total} symbols")));
            }
            for symbol in spec.symbols.iter_mut().take(total) {
                *symbol = source.byte(outcome);
            }
            left = left.saturating_sub(total);
            let class = if selector & 0x10 == 0 {
                Class::Dc
            } else {
                Class::Ac
            };
            let slot = HuffmanSlot {
                spec,
                prepared: None,
            };
            if !self.tables.set_huffman(class, selector & 0xEF, slot) {
                return Err(Error::corrupt(format!(
                    "Huffman table number 0x{selector:02x}"
                )));
            }
        }
        if left != 0 {
            return Err(Error::corrupt("Huffman table segment has a wrong length"));
        }
        Ok(())
    }

    /// DQT, T.81 B.2.4.1.
    fn quantisation_tables(&mut self, outcome: &mut Outcome) -> Result<(), Error> {
        let source = &mut self.source;
        let mut left = i32::from(source.word(outcome)).saturating_sub(2);
        while left > 0 {
            let selector = source.byte(outcome);
            let wide = selector >> 4 != 0;
            let Some(slot) = self.tables.quantisers.get_mut(usize::from(selector & 15)) else {
                return Err(Error::corrupt(format!(
                    "quantisation table {}",
                    selector & 15
                )));
            };
            let mut table: Quantisers = [0; 64];
            for place in &mut table {
                *place = if wide {
                    source.word(outcome)
                } else {
                    u16::from(source.byte(outcome))
                };
            }
            *slot = Some(table);
            left = left.saturating_sub(if wide { 129 } else { 65 });
        }
        if left != 0 {
            return Err(Error::corrupt(
                "quantisation table segment has a wrong length",
            ));
        }
        Ok(())
    }

    /// APP0 and APP14, which may be JFIF and Adobe markers.
    fn application_data(&mut self, marker: u8, outcome: &mut Outcome) {
        let mut left = usize::from(self.source.word(outcome)).saturating_sub(2);
        let mut start = [0; 14];
        let known = left.min(start.len());
        for byte in start.iter_mut().take(known) {
            *byte = self.source.byte(outcome);
        }
        left = left.saturating_sub(known);
        match (marker, start) {
            (0xE0, [b'J', b'F', b'I', b'F', 0, major, minor, ..]) if known == 14 => {
                self.jfif = true;
                if major != 1 {
                    outcome.warn(Warning::UnknownJfifVersion { major, minor });
                }
            }
            (
                0xEE,
                [
                    b'A',
                    b'd',
                    b'o',
                    b'b',
                    b'e',
                    _,
                    _,
                    _,
                    _,
                    _,
                    _,
                    transform,
                    ..,
                ],
            ) if known >= 12 => {
                self.adobe = Some(transform);
            }
            _ => {}
        }
        self.source.skip(left, outcome);
    }
}

/// Reads a tables-only stream.
pub(crate) fn parse_tables(data: &[u8]) -> Result<(TableSet, Outcome), Error> {
    let mut outcome = Outcome::default();
    let mut stream = Stream::open(data, TableSet::default())?;
    if stream.read_markers(&mut outcome)? == Reached::Scan || stream.frame.is_some() {
        return Err(Error::corrupt("a picture where only tables belong"));
    }
    Ok((stream.tables, outcome))
}
