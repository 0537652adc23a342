//! Compressions that hold bytes: exactly as many come out as a chunk has.

use std::io::Read;

use ruzstd::decoding::{FrameDecoder, StreamingDecoder};
use wsi_core::{Error, Result, Runs, Size};

use super::{ccitt, deflate, ends_early, lzw, packbits};
use crate::tiff::{Storage, compression};

/// A compression whose output is the packed rows of a chunk.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Compression {
    None,
    PackBits,
    Lzw,
    Deflate,
    Zstd,
    Lzma,
    Ccitt(ccitt::Coding),
}

/// Tables and states of decoders, kept between chunks.
#[derive(Default)]
pub(super) struct States {
    lzw: lzw::Table,
    lzw_channel: lzw::channel::Table,
    inflater: deflate::Inflater,
    zstd: Option<FrameDecoder>,
    ccitt: ccitt::Lines,
}

/// Bytes of memory that a Zstandard window or an LZMA dictionary may ask for. Their strongest
/// ordinary settings need 128 and 64 MiB.
const MAX_WINDOW: u32 = 128 << 20;

impl Compression {
    /// # Errors
    /// `Unsupported` by name, if it is another kind of compression.
    pub(super) fn new(storage: &Storage) -> Result<Self> {
        Ok(match storage.compression {
            compression::NONE => Self::None,
            compression::PACK_BITS => Self::PackBits,
            compression::LZW => Self::Lzw,
            compression::DEFLATE | compression::OLD_DEFLATE => Self::Deflate,
            compression::ZSTD => Self::Zstd,
            compression::LZMA => Self::Lzma,
            compression::CCITT_RLE | compression::CCITT_T4 | compression::CCITT_T6 => {
                Self::Ccitt(ccitt::Coding::new(storage)?)
            }
            other => {
                return Err(Error::unsupported(format!(
                    "compression {other} ({})",
                    compression::name(other)
                )));
            }
        })
    }

    /// Decompresses exactly `out.len()` bytes.
    ///
    /// # Errors
    /// `Corrupt` if the data is damaged or ends early; `LimitExceeded` if it asks for too much memory.
    pub(super) fn decompress(
        self,
        stored: &[u8],
        out: &mut [u8],
        chunk: Size,
        states: &mut States,
    ) -> Result<()> {
        match self {
            Self::None => {
                let bytes = stored
                    .get(..out.len())
                    .ok_or_else(|| ends_early("uncompressed", stored.len(), out.len()))?;
                out.copy_from_slice(bytes);
                Ok(())
            }
            Self::PackBits => packbits::decode(stored, out),
            Self::Lzw => lzw::decode(stored, out, &mut states.lzw),
            Self::Deflate => deflate::decode(stored, out, &mut states.inflater),
            Self::Zstd => zstd(
                stored,
                out,
                states.zstd.get_or_insert_with(FrameDecoder::new),
            ),
            Self::Lzma => lzma(stored, out),
            Self::Ccitt(coding) => {
                ccitt::decode(coding, stored, chunk.width, out, &mut states.ccitt)
            }
        }
    }
}

impl Compression {
    /// Whether [`runs_of_every`](Self::runs_of_every) may give any.
    pub(super) const fn gives_runs(self) -> bool {
        matches!(self, Self::Lzw)
    }

    /// The first byte of every `step` of what is stored, if that costs less than to decompress it.
    pub(super) fn runs_of_every(
        self,
        stored: &[u8],
        step: usize,
        chunk: Size,
        states: &mut States,
    ) -> Option<Runs> {
        match self {
            Self::Lzw => lzw::channel::decode(stored, step, chunk, &mut states.lzw_channel),
            _ => None,
        }
    }
}

/// One Zstandard frame (RFC 8878).
fn zstd(stored: &[u8], out: &mut [u8], decoder: &mut FrameDecoder) -> Result<()> {
    decoder.set_max_window_size(MAX_WINDOW.into());
    let mut reader = StreamingDecoder::new_with_decoder(stored, decoder)
        .map_err(|error| Error::corrupt("zstd data is damaged").with_source(error))?;
    read_all(&mut reader, out, "zstd")
}

/// One xz stream.
fn lzma(stored: &[u8], out: &mut [u8]) -> Result<()> {
    let mut reader = lzma_rust2::XzReader::new_mem_limit(stored, false, MAX_WINDOW >> 10);
    read_all(&mut reader, out, "lzma")
}

fn read_all(reader: &mut impl Read, out: &mut [u8], what: &str) -> Result<()> {
    let wanted = out.len();
    let mut written = 0;
    while written < wanted {
        match reader.read(&mut out[written..]) {
            Ok(0) => return Err(ends_early(what, written, wanted)),
            Ok(read) => written += read,
            Err(error) if error.kind() == std::io::ErrorKind::OutOfMemory => {
                return Err(
                    Error::limit(format!("{what} data asks for too much memory"))
                        .with_source(error),
                );
            }
            Err(error) => {
                return Err(Error::corrupt(format!("{what} data is damaged")).with_source(error));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "small test data")]
mod tests {
    use std::cell::RefCell;

    use super::*;

    /// `lzma.compress` of Python 3.11 (liblzma), filters delta 1 and LZMA2, of [`data`].
    #[rustfmt::skip]
    const XZ: [u8; 92] = [
        0xFD, 0x37, 0x7A, 0x58, 0x5A, 0x00, 0x00, 0x04, 0xE6, 0xD6, 0xB4, 0x46, 0x02, 0x01, 0x03, 0x01,
        0x00, 0x21, 0x01, 0x16, 0x79, 0x20, 0xC4, 0xEE, 0xE0, 0x03, 0x1F, 0x00, 0x1C, 0x5D, 0x00, 0x00,
        0x68, 0x7E, 0xBE, 0x06, 0x0C, 0x49, 0x06, 0x4E, 0xA6, 0x3A, 0xCA, 0x38, 0x61, 0xD3, 0x17, 0x13,
        0xE8, 0x5D, 0xE9, 0x35, 0xD3, 0x18, 0xC6, 0x4F, 0xC3, 0x2C, 0x00, 0x00, 0x9E, 0x3F, 0x41, 0xB5,
        0x1A, 0x5C, 0xB6, 0xD7, 0x00, 0x01, 0x38, 0xA0, 0x06, 0x00, 0x00, 0x00, 0x57, 0x91, 0x30, 0x7E,
        0xB1, 0xC4, 0x67, 0xFB, 0x02, 0x00, 0x00, 0x00, 0x00, 0x04, 0x59, 0x5A,
    ];

    /// `imagecodecs.zstd_encode` 2026.3.6 (libzstd) of [`data`].
    #[rustfmt::skip]
    const ZSTD: [u8; 59] = [
        0x28, 0xB5, 0x2F, 0xFD, 0x60, 0x20, 0x02, 0x8D, 0x01, 0x00, 0x84, 0x02, 0x00, 0x00, 0x00, 0x00,
        0x01, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x09, 0x0A, 0x0C, 0x0E, 0x10, 0x12, 0x14, 0x16,
        0x19, 0x1B, 0x1E, 0x21, 0x24, 0x27, 0x2A, 0x2D, 0x31, 0x34, 0x38, 0x3C, 0x40, 0x44, 0x48, 0x4C,
        0x51, 0x55, 0x5A, 0x5F, 0x01, 0x00, 0xA8, 0xB7, 0x2A, 0x55, 0x06,
    ];

    fn data() -> Vec<u8> {
        (0..40_u32)
            .map(|i| ((i * i) >> 4) as u8)
            .collect::<Vec<_>>()
            .repeat(20)
    }

    fn check(decode: impl Fn(&[u8], &mut [u8]) -> Result<()>, stored: &[u8], name: &str) {
        let data = data();
        for length in [data.len(), 1, 0, 333] {
            let mut out = vec![0; length];
            decode(stored, &mut out).unwrap();
            assert_eq!(out, data[..length], "{name}");
        }
        let mut long = vec![0; 1203];
        let error = decode(stored, &mut long).unwrap_err();
        assert_eq!(
            error.message(),
            format!("{name} data ends after 800 of 1,203 bytes")
        );
        for length in 0..stored.len() / 2 {
            assert!(decode(&stored[..length], &mut long).is_err(), "{name}");
            let mut out = vec![0; data.len()];
            decode(stored, &mut out).unwrap();
            assert_eq!(out, data, "{name}");
        }
    }

    #[test]
    fn zstd_frames_are_decoded_and_short_ones_refused() {
        // One decoder for all, as between chunks: what fails must not spoil the next.
        let decoder = RefCell::new(FrameDecoder::new());
        let decode = |stored: &[u8], out: &mut [u8]| zstd(stored, out, &mut decoder.borrow_mut());
        check(decode, &ZSTD, "zstd");
    }

    #[test]
    fn xz_streams_are_decoded_and_short_ones_refused() {
        check(lzma, &XZ, "lzma");
    }
}
