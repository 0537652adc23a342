//! JPEG streams taken apart and put together: shared tables in and out, colour marks replaced.
//!
//! libjpeg-turbo takes a whole stream and believes its colour marks, where a TIFF stores tables
//! apart and says in a tag what the components mean.

const SOI: [u8; 2] = [0xFF, 0xD8];
const EOI: [u8; 2] = [0xFF, 0xD9];
const DHT: u8 = 0xC4;
const SOS: u8 = 0xDA;
const DQT: u8 = 0xDB;
const APP0: u8 = 0xE0;
const APP14: u8 = 0xEE;

/// What an Adobe marker says of the components.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transform {
    /// RGB, or CMYK if there are four.
    None,
    /// `YCbCr`.
    Ycc,
}

/// The segments of a header up to and without its first SOS, and the rest; `None` if it is broken.
fn split(stream: &[u8]) -> Option<(Vec<&[u8]>, &[u8])> {
    let mut rest = stream.strip_prefix(&SOI)?;
    let mut segments = Vec::new();
    while rest.len() >= 4 && rest[0] == 0xFF && rest[1] != SOS {
        let length = 2 + usize::from(u16::from_be_bytes([rest[2], rest[3]]));
        let (segment, after) = rest.split_at_checked(length)?;
        segments.push(segment);
        rest = after;
    }
    Some((segments, rest))
}

/// The stream with JFIF and Adobe marks replaced by one Adobe mark; `None` if its header is broken.
#[must_use]
pub fn mark(stream: &[u8], transform: Transform) -> Option<Vec<u8>> {
    let (segments, rest) = split(stream)?;
    let mut marked = SOI.to_vec();
    marked.extend([0xFF, APP14, 0, 14]);
    marked.extend(b"Adobe\0\x64\0\0\0\0");
    marked.push(match transform {
        Transform::None => 0,
        Transform::Ycc => 1,
    });
    for segment in segments {
        if segment[1] != APP0 && segment[1] != APP14 {
            marked.extend_from_slice(segment);
        }
    }
    marked.extend_from_slice(rest);
    Some(marked)
}

/// An abbreviated stream made whole: `tables`, a tables-only stream, goes in behind SOI.
///
/// Only DQT and DHT segments are taken over, since a restart interval among shared tables does
/// not reach the pictures (libjpeg `get_soi`). `None` if `tables` is broken.
#[must_use]
pub fn join(tables: &[u8], stream: &[u8]) -> Option<Vec<u8>> {
    let after = stream.strip_prefix(&SOI)?;
    let (segments, _) = split(tables)?;
    let mut whole = SOI.to_vec();
    for segment in segments {
        if segment[1] == DQT || segment[1] == DHT {
            whole.extend_from_slice(segment);
        }
    }
    whole.extend_from_slice(after);
    Some(whole)
}

/// A whole stream in two, as a TIFF has it: a tables-only stream, and the rest without JFIF mark.
#[must_use]
pub fn abbreviate(stream: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    let (segments, rest) = split(stream)?;
    let (mut tables, mut tile) = (SOI.to_vec(), SOI.to_vec());
    for segment in segments {
        match segment[1] {
            DQT | DHT => tables.extend_from_slice(segment),
            APP0 => {}
            _ => tile.extend_from_slice(segment),
        }
    }
    tables.extend(EOI);
    tile.extend_from_slice(rest);
    Some((tables, tile))
}
