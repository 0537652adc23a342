//! CCITT compression of bilevel pictures: modified Huffman (TIFF 6.0 section 10), T.4 and T.6
//! (section 11, with the names of ITU-T T.4 and T.6). Code tables are those of the `fax` crate.
//!
//! A row is the list of columns at which its colour changes, white first; black becomes 1. Rows with
//! wrong codes or of a wrong length are an error, not white.

use std::convert::Infallible;

use fax::BitReader;
use fax::maps::{Mode, black, mode, white};
use wsi_core::{Error, Result};

use super::ends_early;
use crate::tiff::{Storage, compression};

/// How the rows are coded.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Coding {
    /// Each row by itself, from a byte on.
    Rle,
    /// Rows between ends of lines; perhaps some as changes of the row before.
    T4 { two_dimensional: bool },
    /// Each row as changes of the row before.
    T6,
}

impl Coding {
    /// # Errors
    /// `Corrupt` if the samples are not single bits.
    pub(super) fn new(storage: &Storage) -> Result<Self> {
        if storage.bits_per_sample != 1 || (storage.samples_per_pixel != 1 && !storage.planar) {
            return Err(Error::corrupt(format!(
                "CCITT compression of {} samples of {} bits",
                storage.samples_per_pixel, storage.bits_per_sample
            )));
        }
        Ok(match storage.compression {
            compression::CCITT_RLE => Self::Rle,
            compression::CCITT_T4 => Self::T4 {
                two_dimensional: storage.t4_options & 1 != 0,
            },
            _ => Self::T6,
        })
    }
}

/// The row that is decoded and the one before, kept between chunks.
#[derive(Default)]
pub(super) struct Lines {
    reference: Vec<u32>,
    current: Vec<u32>,
}

/// Decodes rows of `width` bits, each from a byte on, until `out` is full.
///
/// # Errors
/// `Corrupt` if the data is damaged or ends early; `Unsupported` for uncompressed mode.
pub(super) fn decode(
    coding: Coding,
    stored: &[u8],
    width: u32,
    out: &mut [u8],
    lines: &mut Lines,
) -> Result<()> {
    let row_bytes = width.div_ceil(8) as usize;
    let wanted = out.len();
    let mut bits = Bits {
        data: stored,
        position: 0,
    };
    lines.reference.clear();
    for (index, row) in out.chunks_exact_mut(row_bytes.max(1)).enumerate() {
        let two_dimensional = match coding {
            Coding::Rle => {
                bits.align();
                Ok(false)
            }
            Coding::T4 { two_dimensional } => start_of_line(&mut bits, two_dimensional),
            Coding::T6 => Ok(true),
        };
        let decoded = two_dimensional.and_then(|two_dimensional| match two_dimensional {
            true => changes(&mut bits, width, &lines.reference, &mut lines.current),
            false => runs(&mut bits, width, &mut lines.current),
        });
        decoded.map_err(|bad| match bad {
            Bad::End => ends_early("CCITT", index * row_bytes, wanted),
            _ if bits.is_past_the_end() => ends_early("CCITT", index * row_bytes, wanted),
            Bad::Code => Error::corrupt(format!("CCITT data is damaged in row {index}")),
            Bad::Extension => Error::unsupported("CCITT uncompressed mode"),
        })?;
        fill(row, width, &lines.current);
        std::mem::swap(&mut lines.reference, &mut lines.current);
    }
    Ok(())
}

/// Why a row cannot be decoded.
#[derive(Clone, Copy)]
enum Bad {
    Code,
    End,
    Extension,
}

/// Goes to the start of a T.4 line; whether the line is coded as changes.
fn start_of_line(bits: &mut Bits<'_>, two_dimensional: bool) -> Result<bool, Bad> {
    if !end_of_line(bits)? {
        // Some writers leave the ends of lines out.
        return match two_dimensional {
            true => Err(Bad::Code),
            false => Ok(false),
        };
    }
    let changes = two_dimensional && bits.take_bit() == 0;
    match bits.zeros_ahead(11) {
        // A second end of line at once: the end of the page.
        true => Err(Bad::End),
        false => Ok(changes),
    }
}

/// Skips fill and one end of line, if that is what comes next.
fn end_of_line(bits: &mut Bits<'_>) -> Result<bool, Bad> {
    if !bits.zeros_ahead(11) {
        return Ok(false);
    }
    while bits.take_bit() == 0 {
        if bits.is_past_the_end() {
            return Err(Bad::End);
        }
    }
    Ok(true)
}

/// A row of run lengths (T.4, 4.1).
fn runs(bits: &mut Bits<'_>, width: u32, line: &mut Vec<u32>) -> Result<(), Bad> {
    line.clear();
    let (mut at, mut is_white) = (0, true);
    while at < width {
        at = after_run(bits, at, is_white, width)?;
        line.push(at);
        is_white = !is_white;
    }
    Ok(())
}

/// A row of changes of the row before (T.4, 4.2; T.6, 2.2).
///
/// Runs of no length, which some writers code at the start of a row, count as changes of the row
/// after it, as for libtiff (`EXPAND2D` of `tif_fax3.h`): its writers rely on that.
fn changes(
    bits: &mut Bits<'_>,
    width: u32,
    reference: &[u32],
    line: &mut Vec<u32>,
) -> Result<(), Bad> {
    line.clear();
    // b1 of the standard is change `next - 1` of the reference, even ones being from white to
    // black; change -1 is at column 0.
    let change_at = |next: usize| match next.checked_sub(1) {
        None => 0,
        Some(index) => reference.get(index).copied().unwrap_or(width),
    };
    // a0 of the standard.
    let (mut at, mut is_white, mut next) = (0, true, 1_usize);
    while at < width {
        let mode = mode::decode(bits).ok_or(Bad::Code)?;
        if !line.is_empty() {
            while change_at(next) <= at && change_at(next) < width {
                next += 2;
            }
        }
        match mode {
            Mode::Pass => {
                at = change_at(next + 1);
                next += 2;
            }
            Mode::Horizontal => {
                for colour in [is_white, !is_white] {
                    at = after_run(bits, at, colour, width)?;
                    line.push(at);
                }
            }
            Mode::Vertical(delta) => {
                let b1 = change_at(next);
                let to = b1.checked_add_signed(delta.into()).ok_or(Bad::Code)?;
                if to < at || to > width {
                    return Err(Bad::Code);
                }
                at = to;
                line.push(at);
                is_white = !is_white;
                next = match delta < 0 {
                    true => next.saturating_sub(1),
                    false => next + 1,
                };
            }
            Mode::Extension => return Err(Bad::Extension),
            Mode::EOF => return Err(Bad::End),
        }
    }
    Ok(())
}

/// The column after a run that starts at `at`.
fn after_run(bits: &mut Bits<'_>, at: u32, is_white: bool, width: u32) -> Result<u32, Bad> {
    let mut end = at;
    loop {
        let code = match is_white {
            true => white::decode(bits),
            false => black::decode(bits),
        };
        let length = u32::from(code.ok_or(Bad::Code)?);
        end = end.saturating_add(length);
        if end > width {
            return Err(Bad::Code);
        }
        if length < 64 {
            return Ok(end);
        }
    }
}

/// Writes a row: 0 for white, 1 for black.
fn fill(row: &mut [u8], width: u32, changes: &[u32]) {
    row.fill(0);
    for run in changes.chunks(2) {
        let (start, end) = match *run {
            [start, end] => (start.min(width), end.min(width)),
            [start] => (start.min(width), width),
            _ => continue,
        };
        if start >= end {
            continue;
        }
        let (first, last) = (start as usize / 8, (end - 1) as usize / 8);
        let head = 0xFF >> (start % 8);
        let tail = 0xFF_u8 << (7 - (end - 1) % 8);
        if first == last {
            row[first] |= head & tail;
        } else {
            row[first] |= head;
            row[first + 1..last].fill(0xFF);
            row[last] |= tail;
        }
    }
}

/// Bits from the most significant one on; zeros behind the end.
struct Bits<'a> {
    data: &'a [u8],
    position: usize,
}

impl Bits<'_> {
    fn is_past_the_end(&self) -> bool {
        self.position > self.data.len() * 8
    }

    fn align(&mut self) {
        self.position = self.position.next_multiple_of(8);
    }

    /// Whether that many zeros follow, all of them in the data.
    fn zeros_ahead(&self, count: u8) -> bool {
        self.position + usize::from(count) <= self.data.len() * 8 && self.peek(count) == Some(0)
    }

    fn take_bit(&mut self) -> u16 {
        let bit = self.peek(1).unwrap_or(0);
        self.position += 1;
        bit
    }
}

impl BitReader for Bits<'_> {
    type Error = Infallible;

    fn peek(&self, bits: u8) -> Option<u16> {
        let first = self.position / 8;
        let byte = |index: usize| u32::from(self.data.get(first + index).copied().unwrap_or(0));
        let window = byte(0) << 16 | byte(1) << 8 | byte(2);
        let aligned = window << (8 + self.position % 8);
        match bits {
            0 => Some(0),
            1..=16 => u16::try_from(aligned >> (32 - u32::from(bits))).ok(),
            _ => None,
        }
    }

    fn consume(&mut self, bits: u8) -> Result<(), Infallible> {
        self.position += usize::from(bits);
        Ok(())
    }

    fn bits_to_byte_boundary(&self) -> u8 {
        u8::try_from(self.position.wrapping_neg() % 8).unwrap_or(0)
    }
}

#[cfg(test)]
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "small test data")]
mod tests {
    use fax::{BitWriter as _, Color, VecWriter, encoder::Encoder};
    use proptest::prelude::*;

    use super::*;

    fn decoded(coding: Coding, stored: &[u8], width: u32, rows: usize) -> Result<Vec<u8>> {
        let mut out = vec![0xAA; width.div_ceil(8) as usize * rows];
        decode(coding, stored, width, &mut out, &mut Lines::default()).map(|()| out)
    }

    fn packed(pixels: &[bool], width: usize) -> Vec<u8> {
        pixels
            .chunks(width)
            .flat_map(|row| row.chunks(8))
            .map(|eight| {
                let bit = |(i, &black): (usize, &bool)| u8::from(black) << (7 - i);
                eight.iter().enumerate().map(bit).sum()
            })
            .collect()
    }

    /// Codes from the tables of T.4, written by hand: EOL, 4 white (1011), 3 black (10),
    /// 1 white (000111).
    #[test]
    fn a_line_with_its_end_before_it_is_decoded() {
        let stored = [0x00, 0x1B, 0x87];
        let coding = Coding::T4 {
            two_dimensional: false,
        };
        assert_eq!(decoded(coding, &stored, 8, 1).unwrap(), [0b0000_1110]);
        // The same with four bits of fill, so that the end of line ends with a byte.
        let stored = [0x00, 0x01, 0xB8, 0x70];
        assert_eq!(decoded(coding, &stored, 8, 1).unwrap(), [0b0000_1110]);
        // Without ends of lines, each row from a byte on.
        let stored = [0b1011_1000, 0b0111_0000, 0b1011_1000, 0b0111_0000];
        assert_eq!(decoded(Coding::Rle, &stored, 8, 2).unwrap(), [0x0E; 2]);
    }

    /// Row 0: white 0 and black 0, white 2, black 3, rest. Row 1: pass, white 1, black 2, rest. By the
    /// standard the pass would go to column 5; libtiff, and the writer of such a file, mean column 0.
    #[test]
    fn runs_of_no_length_count_for_the_next_row() {
        let stored = [0x26, 0xA1, 0xB9, 0x7A, 0x24, 0x7E];
        assert_eq!(decoded(Coding::T6, &stored, 8, 2).unwrap(), [0x38, 0x60]);
    }

    #[test]
    fn damage_is_an_error_and_says_where() {
        let error = decoded(Coding::T6, &[], 8, 2).unwrap_err();
        assert!(error.message().starts_with("CCITT data"), "{error}");
        // A run of 1,792 columns in a row of 8.
        let error = decoded(Coding::Rle, &[0x01, 0x00, 0, 0], 8, 1).unwrap_err();
        assert_eq!(error.message(), "CCITT data is damaged in row 0");
    }

    fn picture() -> impl Strategy<Value = (usize, Vec<bool>)> {
        (1..300_usize, 0..12_usize).prop_flat_map(|(width, rows)| {
            let runs = prop::collection::vec((any::<bool>(), 1..90_usize), 1..200);
            runs.prop_map(move |runs| {
                let pixels = runs.iter().flat_map(|&(black, n)| vec![black; n]);
                (width, pixels.cycle().take(width * rows).collect())
            })
        })
    }

    proptest! {
        #[test]
        fn what_the_fax_crate_encodes_is_decoded((width, pixels) in picture()) {
            let colours = |row: &[bool]| {
                let colour = |&black: &bool| if black { Color::Black } else { Color::White };
                row.iter().map(colour).collect::<Vec<_>>()
            };
            let mut encoder = Encoder::new(VecWriter::new());
            for row in pixels.chunks(width) {
                encoder.encode_line(colours(row).into_iter(), width as u32).unwrap();
            }
            let stored = encoder.finish().unwrap().finish();
            let rows = pixels.len() / width;
            let out = decoded(Coding::T6, &stored, width as u32, rows).unwrap();
            prop_assert_eq!(out, packed(&pixels, width));
        }

        #[test]
        fn run_lengths_are_decoded((width, pixels) in picture(), align in any::<bool>()) {
            let mut writer = VecWriter::new();
            for row in pixels.chunks(width) {
                if !align {
                    writer.write(fax::maps::EOL).unwrap();
                }
                let (mut colour, mut rest) = (false, row);
                while !rest.is_empty() {
                    let length = rest.iter().take_while(|&&black| black == colour).count();
                    let code = if colour { black::encode } else { white::encode };
                    if length >= 64 {
                        writer.write(code((length / 64 * 64) as u16).unwrap()).unwrap();
                    }
                    writer.write(code((length % 64) as u16).unwrap()).unwrap();
                    (colour, rest) = (!colour, &rest[length..]);
                }
                if align {
                    writer.pad();
                }
            }
            let stored = writer.finish();
            let coding = match align {
                true => Coding::Rle,
                false => Coding::T4 { two_dimensional: false },
            };
            let out = decoded(coding, &stored, width as u32, pixels.len() / width).unwrap();
            prop_assert_eq!(out, packed(&pixels, width));
        }

        #[test]
        fn any_bytes_are_decoded_or_refused(
            stored in prop::collection::vec(any::<u8>(), 0..200),
            width in 1..2000_u32,
            two_dimensional in any::<bool>(),
        ) {
            for coding in [Coding::Rle, Coding::T4 { two_dimensional }, Coding::T6] {
                let _ = decoded(coding, &stored, width, 5).is_ok();
            }
        }
    }
}
