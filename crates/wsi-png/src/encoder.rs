//! Pictures to files: signature, header, bands, end (PNG specification 5).

use rayon::iter::{IntoParallelIterator, ParallelIterator};

use crate::arch::Kernels;
use crate::deflate;
use crate::picture::Picture;
use crate::runs::Piece;

/// Bytes of a band, about: large enough for codes of its own, small enough for many threads.
const BAND: usize = 256 << 10;

const SIGNATURE: [u8; 8] = [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1A, b'\n'];

/// Deflate, a window of 32 KiB, fastest setting, and the check bits (RFC 1950 2.2).
const ZLIB_HEADER: [u8; 2] = [0x78, 0x01];

/// The filter *Up* (PNG specification 9.2).
const UP: u8 = 2;

/// Encodes pictures, and keeps its memory from one to the next.
#[derive(Debug, Default)]
pub struct Encoder {
    scratch: Scratch,
    band: Vec<u8>,
}

#[derive(Default)]
struct Scratch {
    filtered: Vec<u8>,
    pieces: Vec<Piece>,
}

impl std::fmt::Debug for Scratch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Scratch").finish_non_exhaustive()
    }
}

/// Rows of a picture, as compressed bytes.
struct Band {
    deflated: Vec<u8>,
    adler: u32,
    /// Bytes before compression.
    length: usize,
}

impl Encoder {
    /// An encoder without memory yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Replaces `file` with the picture as a PNG file.
    ///
    /// Pictures of half a megabyte and more are encoded by the threads of rayon's current pool;
    /// the file does not depend on how many there are.
    pub fn encode(&mut self, picture: &Picture<'_>, file: &mut Vec<u8>) {
        let height = picture.size().1 as usize;
        let total = (picture.row_bytes() + 1).saturating_mul(height);
        let count = (total / BAND).clamp(1, height);
        // Rows from here to there, all about as many.
        let band = |index: usize| height * index / count..height * (index + 1) / count;

        file.clear();
        file.extend_from_slice(&SIGNATURE);
        let [depth, color] = picture.color().header();
        let (width, rows) = (
            picture.size().0.to_be_bytes(),
            picture.size().1.to_be_bytes(),
        );
        chunk(file, *b"IHDR", &[&width, &rows, &[depth, color, 0, 0, 0]]);
        if count == 1 {
            let mut deflated = std::mem::take(&mut self.band);
            deflated.clear();
            let adler = self
                .scratch
                .deflate(picture, 0..height, true, &mut deflated);
            let parts: [&[u8]; 3] = [&ZLIB_HEADER, &deflated, &adler.to_be_bytes()];
            chunk(file, *b"IDAT", &parts);
            self.band = deflated;
        } else {
            let bands: Vec<Band> = (0..count)
                .into_par_iter()
                .map_init(Scratch::default, |scratch, index| {
                    let mut deflated = Vec::new();
                    let rows = band(index);
                    let last = index + 1 == count;
                    let length = rows.len() * (picture.row_bytes() + 1);
                    let adler = scratch.deflate(picture, rows, last, &mut deflated);
                    Band {
                        deflated,
                        adler,
                        length,
                    }
                })
                .collect();
            let sum = |sum, band: &Band| combined(sum, band.adler, band.length);
            let adler = bands.iter().fold(1, sum).to_be_bytes();
            let mut head: &[u8] = &ZLIB_HEADER;
            for (index, band) in bands.iter().enumerate() {
                let tail: &[u8] = if index + 1 == count { &adler } else { &[] };
                chunk(file, *b"IDAT", &[head, &band.deflated, tail]);
                head = &[];
            }
        }
        chunk(file, *b"IEND", &[]);
    }
}

impl Scratch {
    /// Filters and compresses rows; gives the Adler-32 of the filtered ones.
    fn deflate(
        &mut self,
        picture: &Picture<'_>,
        rows: std::ops::Range<usize>,
        last: bool,
        out: &mut Vec<u8>,
    ) -> u32 {
        let kernels = Kernels::detect();
        let bytes = picture.row_bytes();
        self.filtered.resize(rows.len() * (bytes + 1), 0);
        for (y, filtered) in rows.zip(self.filtered.chunks_exact_mut(bytes + 1)) {
            let Some((filter, filtered)) = filtered.split_first_mut() else {
                continue;
            };
            *filter = UP;
            let row = picture.row(y);
            // Above the first row, PNG has zeros.
            let Some(above) = y.checked_sub(1).map(|above| picture.row(above)) else {
                filtered.copy_from_slice(row);
                continue;
            };
            for ((out, byte), above) in filtered.iter_mut().zip(row).zip(above) {
                *out = byte.wrapping_sub(*above);
            }
        }
        deflate::append(&self.filtered, last, out, &mut self.pieces, kernels);
        let mut adler = simd_adler32::Adler32::new();
        adler.write(&self.filtered);
        adler.finish()
    }
}

/// Appends a chunk whose data are `parts`.
fn chunk(file: &mut Vec<u8>, name: [u8; 4], parts: &[&[u8]]) {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    #[expect(clippy::cast_possible_truncation, reason = "a band or a row, below 2^32")]
    file.extend_from_slice(&(length as u32).to_be_bytes());
    let mut crc = crc32fast::Hasher::new();
    for part in [&name[..]].iter().chain(parts) {
        file.extend_from_slice(part);
        crc.update(part);
    }
    file.extend_from_slice(&crc.finalize().to_be_bytes());
}

/// The Adler-32 of bytes whose first part has the sum `first` and whose last `length` bytes have
/// the sum `second` (RFC 1950 9).
fn combined(first: u32, second: u32, length: usize) -> u32 {
    const BASE: u64 = 65_521;
    let halves = |sum: u32| (u64::from(sum & 0xFFFF), u64::from(sum >> 16));
    let ((a1, b1), (a2, b2)) = (halves(first), halves(second));
    let length = length as u64 % BASE;
    let a = (a1 + a2 + BASE - 1) % BASE;
    // Each of the later bytes has added what the sum was before it, which is `a1 - 1` more.
    let b = (b1 + b2 + length * ((a1 + BASE - 1) % BASE)) % BASE;
    #[expect(clippy::cast_possible_truncation, reason = "both are below 2^16")]
    let sum = (b << 16 | a) as u32;
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_of_parts_are_the_sum() {
        let bytes: Vec<u8> = (0..200_000_u32)
            .map(|i| i.wrapping_mul(2_654_435_761).to_be_bytes()[0])
            .collect();
        let sum = |bytes: &[u8]| {
            let mut adler = simd_adler32::Adler32::new();
            adler.write(bytes);
            adler.finish()
        };
        for cut in [0, 1, 5551, 65_521, 70_000, 200_000] {
            let (first, second) = bytes.split_at(cut);
            let parts = combined(sum(first), sum(second), second.len());
            assert_eq!(parts, sum(&bytes), "{cut}");
        }
    }
}
