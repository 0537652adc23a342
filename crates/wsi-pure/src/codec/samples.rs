//! A packed row of a chunk to a row of samples: byte order, predictor, width.

use wsi_core::{Error, Result};

use super::{predictor, unpack};
use crate::tiff::{ByteOrder, SampleFormat, Storage};

/// How the rows of a page's chunks become samples.
#[derive(Clone, Copy, Debug)]
pub(super) struct Samples {
    bits: u32,
    /// Bytes of a sample in memory.
    bytes: usize,
    /// Samples of a pixel in a chunk: one, where each chunk holds one sample of every pixel.
    per_pixel: usize,
    kind: Kind,
    swapped: bool,
    predictor: Predictor,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    /// 8, 16, 32 or 64 bits: as in memory, but perhaps the other way round.
    Whole,
    Integers {
        signed: bool,
    },
    Float24,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Predictor {
    None,
    Horizontal,
    FloatingPoint,
}

impl Samples {
    pub(super) fn new(storage: &Storage) -> Result<Self> {
        let bits = u32::from(storage.bits_per_sample);
        let kind = match (bits, storage.sample_format) {
            (8 | 16 | 32 | 64, _) => Kind::Whole,
            (24, SampleFormat::Float) => Kind::Float24,
            (_, SampleFormat::Float) => {
                return Err(Error::unsupported(format!("floats of {bits} bits")));
            }
            (1..=63, format) => Kind::Integers {
                signed: format == SampleFormat::Signed,
            },
            _ => return Err(Error::unsupported(format!("samples of {bits} bits"))),
        };
        let predictor = match (storage.predictor, kind, storage.sample_format) {
            (0 | 1, ..) => Predictor::None,
            (2, Kind::Whole | Kind::Integers { signed: false }, _) => Predictor::Horizontal,
            (3, Kind::Whole | Kind::Float24, SampleFormat::Float) => Predictor::FloatingPoint,
            (2 | 3, _, format) => {
                return Err(Error::unsupported(format!(
                    "predictor {} on {format:?} samples of {bits} bits",
                    storage.predictor
                )));
            }
            (other, ..) => return Err(Error::unsupported(format!("predictor {other}"))),
        };
        let native = match cfg!(target_endian = "big") {
            true => ByteOrder::Big,
            false => ByteOrder::Little,
        };
        Ok(Self {
            bits,
            bytes: storage.pixel_format().sample.bytes(),
            per_pixel: match storage.planar {
                true => 1,
                false => usize::from(storage.samples_per_pixel),
            },
            kind,
            swapped: match kind {
                Kind::Float24 => storage.byte_order == ByteOrder::Little,
                _ => storage.byte_order != native,
            },
            predictor,
        })
    }

    /// Bytes of a packed row of `width` pixels; `None` if they are too many to count.
    pub(super) fn packed_bytes(&self, width: u32) -> Option<usize> {
        let bits = u64::from(width)
            .checked_mul(self.per_pixel as u64)?
            .checked_mul(self.bits.into())?;
        usize::try_from(bits.div_ceil(8)).ok()
    }

    /// Bytes of a pixel of a chunk in memory.
    pub(super) fn pixel_bytes(&self) -> usize {
        self.per_pixel * self.bytes
    }

    /// Whether packed rows are what they are in memory, so that any part of one can be copied.
    pub(super) fn are_as_stored(&self) -> bool {
        self.kind == Kind::Whole
            && (!self.swapped || self.bytes == 1)
            && self.predictor == Predictor::None
    }

    /// Whether a row becomes what it is in memory where it lies ([`finish`](Self::finish)).
    pub(super) fn finish_in_place(&self) -> bool {
        self.kind == Kind::Whole && self.predictor != Predictor::FloatingPoint
    }

    /// Turns a packed row into samples where it lies; see [`finish_in_place`](Self::finish_in_place).
    pub(super) fn finish(&self, row: &mut [u8]) {
        if self.swapped {
            unpack::swap_bytes(row, self.bytes);
        }
        if self.predictor == Predictor::Horizontal {
            predictor::undo_horizontal(row, self.per_pixel, self.bytes, self.bits);
        }
    }

    /// Turns a whole packed row into a whole row of samples.
    pub(super) fn expand(&self, packed: &[u8], out: &mut [u8], temporary: &mut Vec<u8>) {
        if self.predictor == Predictor::FloatingPoint {
            temporary.clear();
            temporary.extend_from_slice(packed);
            if self.kind == Kind::Float24 {
                let (row, samples) = double(temporary, packed.len());
                predictor::undo_floating_point(row, self.per_pixel, 3, samples);
                unpack::float24(samples, out);
            } else {
                predictor::undo_floating_point(temporary, self.per_pixel, self.bytes, out);
            }
            return;
        }
        match self.kind {
            Kind::Whole => {
                let length = out.len().min(packed.len());
                out[..length].copy_from_slice(&packed[..length]);
                self.finish(out);
            }
            Kind::Integers { signed } => {
                unpack::integers(packed, self.bits, signed, self.bytes, out);
                if self.predictor == Predictor::Horizontal {
                    predictor::undo_horizontal(out, self.per_pixel, self.bytes, self.bits);
                }
            }
            Kind::Float24 if self.swapped => {
                temporary.clear();
                temporary.extend_from_slice(packed);
                for sample in temporary.as_chunks_mut::<3>().0 {
                    sample.reverse();
                }
                unpack::float24(temporary, out);
            }
            Kind::Float24 => unpack::float24(packed, out),
        }
    }
}

/// The first `length` bytes of a buffer, and as many zeros behind them.
fn double(buffer: &mut Vec<u8>, length: usize) -> (&mut [u8], &mut [u8]) {
    buffer.resize(length * 2, 0);
    buffer.split_at_mut(length)
}
