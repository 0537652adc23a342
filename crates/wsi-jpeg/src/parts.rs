//! A sequential picture taken apart, for decoders that run elsewhere: on a GPU, for one.
//!
//! [`Parts`] is what [`Decoder`](crate::Decoder) itself starts from, after the same checks: headers,
//! tables, and where the entropy-coded data begin. [`unstuff_segment`] takes those data segment by
//! segment. What a picture that is not of this kind is refused with tells the caller to leave it to
//! the decoder.

use std::sync::Arc;

use crate::arch::Kernels;
use crate::error::{Error, Outcome, Warning};
use crate::frame::{Info, Process};
use crate::huffman::{HuffmanTable, PADDING};
use crate::markers::{Scan, Stream};
use crate::plan::quantisers;
use crate::scan::TableCache;
use crate::tables::{Class, TableSet, Tables};

/// A Huffman code as T.81 B.2.4.2 defines it: how many codes there are of each length, and what
/// they mean. It has been checked to be a prefix code without a code of all ones.
#[derive(Debug, Clone)]
pub struct HuffmanCode(Arc<HuffmanTable>);

impl HuffmanCode {
    /// Codes of each length, from 1 to 16 bits; 256 at most altogether.
    #[must_use]
    pub fn counts(&self) -> &[u8; 16] {
        &self.0.spec().counts
    }

    /// The symbols in the order of the codes; as many as there are codes have a meaning.
    #[must_use]
    pub fn symbols(&self) -> &[u8; 256] {
        &self.0.spec().symbols
    }
}

/// What belongs to one component of a picture.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ComponentParts {
    /// Its quantisers in zigzag order.
    pub quantisers: [u16; 64],
    /// The code of its DC differences: sizes of 0 to 15 bits.
    pub dc: HuffmanCode,
    /// The code of its AC coefficients: runs and sizes.
    pub ac: HuffmanCode,
}

/// An 8-bit sequential picture whose components are all in one scan, in the order of the frame.
///
/// # Example
/// ```
/// use wsi_jpeg::{Parts, unstuff_segment};
///
/// // An 8 x 8 gray picture, as in the crate's documentation.
/// let mut data = vec![0xFF, 0xD8, 0xFF, 0xDB, 0, 67, 0];
/// data.extend([3; 64]);
/// data.extend([0xFF, 0xC0, 0, 11, 8, 0, 8, 0, 8, 1, 1, 0x11, 0]);
/// data.extend([0xFF, 0xDA, 0, 8, 1, 1, 0, 0, 63, 0]);
/// data.extend([0b0010_1011, 0xFF, 0xD9]);
///
/// let parts = Parts::read(&data, None)?;
/// assert_eq!(parts.components()[0].quantisers, [3; 64]);
/// let mut segment = Vec::new();
/// let (end, marker) = unstuff_segment(&data, parts.header_length(), &mut segment);
/// assert_eq!((end, marker), (data.len(), Some(0xD9)));
/// assert_eq!(segment, [0b0010_1011]);
/// # Ok::<(), wsi_jpeg::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Parts {
    info: Info,
    components: Vec<ComponentParts>,
    header_length: usize,
    outcome: Outcome,
}

impl Parts {
    /// Reads the headers up to the entropy-coded data of the only scan; `tables` are in force until
    /// the picture redefines them.
    ///
    /// # Errors
    /// As [`Decoder::decode`](crate::Decoder::decode) for what it refuses; besides, `Unsupported`
    /// for pictures of another process, more than 8 bits, or several scans.
    pub fn read(data: &[u8], tables: Option<&Tables>) -> Result<Self, Error> {
        let set = tables.map_or_else(TableSet::default, |tables| tables.set().clone());
        let mut stream = Stream::open(data, set)?;
        let mut outcome = Outcome::default();
        let info = Info::from_stream(&mut stream, &mut outcome)?;
        let scan = stream.scan;
        check_kind(&info, &scan)?;
        if (
            scan.spectral_start,
            scan.spectral_end,
            scan.approx_high,
            scan.approx_low,
        ) != (0, 63, 0, 0)
        {
            outcome.warn(Warning::NotSequential);
        }
        stream.tables.install_standard();
        let mut cache = TableCache::default();
        let slots = scan.dc_slots.iter().zip(&scan.ac_slots);
        let components = info.components().iter().zip(slots);
        let components = components.map(|(component, (&dc, &ac))| {
            Ok(ComponentParts {
                quantisers: quantisers(&stream, component.quantiser_slot)?,
                dc: HuffmanCode(cache.table(&stream.tables, Class::Dc, dc, 15)?),
                ac: HuffmanCode(cache.table(&stream.tables, Class::Ac, ac, u8::MAX)?),
            })
        });
        Ok(Self {
            components: components.collect::<Result<_, Error>>()?,
            header_length: stream.source.position(),
            info,
            outcome,
        })
    }

    /// What the headers say of the picture.
    #[must_use]
    pub fn info(&self) -> &Info {
        &self.info
    }

    /// What belongs to each component, in the order of the frame and the scan.
    #[must_use]
    pub fn components(&self) -> &[ComponentParts] {
        &self.components
    }

    /// Where the entropy-coded data begin. Pictures that begin with the same bytes up to there, and
    /// are read with the same tables, have the same parts.
    #[must_use]
    pub fn header_length(&self) -> usize {
        self.header_length
    }

    /// What the headers gave reason to warn of.
    pub fn outcome(&self) -> &Outcome {
        &self.outcome
    }
}

fn check_kind(info: &Info, scan: &Scan) -> Result<(), Error> {
    let sequential = matches!(info.process(), Process::Baseline | Process::Extended);
    if !sequential || info.bits() != 8 {
        return Err(Error::unsupported(format!(
            "parts of a picture of {} bits by the {:?} process",
            info.bits(),
            info.process()
        )));
    }
    let count = info.components().len();
    let listed = scan.components.iter().take(scan.count).copied();
    if !listed.eq(0..count) {
        return Err(Error::unsupported("parts of a picture of several scans"));
    }
    let blocks = info.components().iter();
    let blocks = blocks.map(|c| u32::from(c.horizontal) * u32::from(c.vertical));
    if count > 1 && blocks.sum::<u32>() > 10 {
        return Err(Error::corrupt("more than 10 blocks in an MCU"));
    }
    Ok(())
}

/// Appends a segment of entropy-coded data, what lies from `from` on up to the next marker, to `out`
/// without its byte stuffing.
///
/// Returns the offset behind the marker and its code, or the length of the data and `None` where
/// they end first. Several 0xFF before a zero count as one, as in libjpeg.
pub fn unstuff_segment(data: &[u8], from: usize, out: &mut Vec<u8>) -> (usize, Option<u8>) {
    if out.is_empty() {
        let end = Kernels::detect().unstuff(data, from, out);
        out.truncate(out.len().saturating_sub(PADDING));
        return end;
    }
    crate::huffman::unstuff_rest(data, from.min(data.len()), out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Decoder, ErrorKind, Options, PixelFormat, StridedRows};

    fn encoded(progressive: bool, size: u16) -> Vec<u8> {
        let pixels: Vec<u8> = (0..u32::from(size) * u32::from(size) * 3)
            .map(|i| u8::try_from(i.wrapping_mul(2_654_435_761) >> 25).unwrap())
            .collect();
        let mut data = Vec::new();
        let mut encoder = jpeg_encoder::Encoder::new(&mut data, 80);
        encoder.set_progressive(progressive);
        encoder
            .encode(&pixels, size, size, jpeg_encoder::ColorType::Rgb)
            .unwrap();
        data
    }

    #[test]
    fn a_picture_that_is_taken_apart_can_be_decoded() {
        let data = encoded(false, 40);
        let parts = Parts::read(&data, None).unwrap();
        assert!(parts.outcome().is_clean());
        assert_eq!(parts.components().len(), 3);
        assert!(data[..parts.header_length()].ends_with(&[0, 63, 0]));
        let mut pixels = vec![0; 40 * 40 * 3];
        let mut rows = StridedRows::new(&mut pixels, 120);
        let decoded = Decoder::new().decode(&data, &Options::new(PixelFormat::Rgb8), &mut rows);
        assert!(decoded.unwrap().is_clean());
    }

    #[test]
    fn other_kinds_are_refused() {
        let error = Parts::read(&encoded(true, 40), None).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert_eq!(
            Parts::read(b"GIF89a", None).unwrap_err().kind(),
            ErrorKind::Corrupt
        );
    }

    #[test]
    fn a_segment_comes_without_stuffing_whatever_stands_before_it() {
        let data = [9, 1, 0xFF, 0, 2, 0xFF, 0xD3, 7];
        for before in [&[][..], &[5, 6]] {
            let mut out = before.to_vec();
            assert_eq!(unstuff_segment(&data, 1, &mut out), (7, Some(0xD3)));
            assert_eq!(out, [before, &[1, 0xFF, 2]].concat());
            assert_eq!(unstuff_segment(&data, 100, &mut out), (8, None));
        }
    }
}
