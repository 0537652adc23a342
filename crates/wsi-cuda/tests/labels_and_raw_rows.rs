//! Labels are translated one by one, and raw rows come out in native order without differences.
#![cfg(feature = "host")]
#![allow(
    clippy::cast_lossless,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    clippy::panic,
    clippy::unwrap_used,
    reason = "small test data"
)]

mod support;

use support::Random;
use wsi_core::conformance::NullSource;
use wsi_core::{ErrorKind, PixelFormat, Point, Pyramid, Region, Size, Slide};
use wsi_cuda::{BatchDecoder, HostExecutor, LabelMap, RawFormat};

fn decoder(seed: u64) -> BatchDecoder {
    BatchDecoder::new(Box::new(HostExecutor::new().with_seed(seed)))
}

fn mask(format: PixelFormat) -> Slide {
    let pyramid = Pyramid::from_sizes([Size::new(300, 200)]).expect("a level");
    let source = NullSource::new(pyramid, format).expect("a source");
    Slide::new(Box::new(source), "computed")
}

/// A label of these bytes.
fn label(bytes: &[u8]) -> u32 {
    let mut all = [0; 4];
    all[..bytes.len()].copy_from_slice(bytes);
    u32::from_le_bytes(all)
}

#[test]
fn labels_of_every_size_are_translated() {
    let formats = [PixelFormat::GRAY8, PixelFormat::GRAY16, PixelFormat::GRAY32];
    let origins: Vec<_> = (0..7)
        .map(|n| Point::new(n * 50 - 20, n * 31 - 15))
        .collect();
    let size = Size::new(33, 29);
    for format in formats {
        let mask = mask(format);
        let map = LabelMap::new((0..200).map(|l| l * 70_001 + 3).collect(), 9);
        for label_bytes in [1, 2, 4_u32] {
            let mut decoder = decoder(label_bytes.into());
            let labels = decoder
                .read_labels(&mask, 0, &origins, size, &map, label_bytes)
                .expect("labels");
            let width = label_bytes as usize;
            let mut bytes = vec![0; 7 * 33 * 29 * width];
            let copied = decoder.executor().download(&labels.buffer, 0, &mut bytes);
            copied.expect("labels");
            let mut ours = bytes.chunks_exact(width);
            for (&origin, result) in origins.iter().zip(&labels.results) {
                assert!(result.is_ok());
                let stored = mask.read_region(&Region::at_level(0, origin, size));
                let stored = stored.expect("a region");
                for stored in stored.as_bytes().chunks_exact(format.bytes_per_pixel()) {
                    let expected = map.label(label(stored)).to_le_bytes();
                    assert_eq!(ours.next(), Some(&expected[..width]), "{format}");
                }
            }
        }
    }
}

#[test]
fn labels_that_are_none_are_refused() {
    let map = LabelMap::default();
    let mut decoder = decoder(1);
    let mut read = |format, label_bytes, level| {
        let read = decoder.read_labels(&mask(format), level, &[], (4, 4), &map, label_bytes);
        read.map(|_| ()).map_err(|error| error.kind())
    };
    assert_eq!(read(PixelFormat::GRAY8, 1, 0), Ok(()));
    assert_eq!(
        read(PixelFormat::GRAY8, 3, 0),
        Err(ErrorKind::InvalidArgument)
    );
    assert_eq!(
        read(PixelFormat::GRAY8, 1, 1),
        Err(ErrorKind::InvalidArgument)
    );
    assert_eq!(read(PixelFormat::RGB8, 1, 0), Err(ErrorKind::Unsupported));
    assert_eq!(
        read(PixelFormat::GRAY_F32, 1, 0),
        Err(ErrorKind::Unsupported)
    );
}

/// What TIFF 6.0 section 14 says of differences, sample by sample.
fn undone(format: RawFormat, raw: &[u8]) -> Vec<u8> {
    let bytes = usize::from(format.sample_bytes);
    let channels = usize::from(format.channels);
    let row = format.size.width as usize * channels * bytes;
    let mut out = Vec::new();
    for row in raw.chunks_exact(row) {
        let mut before = vec![0_u32; channels];
        for pixel in row.chunks_exact(channels * bytes) {
            for (sample, before) in pixel.chunks_exact(bytes).zip(&mut before) {
                let value = if format.big_endian {
                    label(&sample.iter().rev().copied().collect::<Vec<_>>())
                } else {
                    label(sample)
                };
                *before = if format.differences {
                    value.wrapping_add(*before)
                } else {
                    value
                };
                out.extend(&before.to_le_bytes()[..bytes]);
            }
        }
    }
    out
}

#[test]
fn raw_rows_of_every_kind_are_unpacked() {
    let mut random = Random(8);
    for sample_bytes in [1, 2, 4] {
        for (differences, big_endian) in
            [(false, false), (true, false), (false, true), (true, true)]
        {
            for channels in [1, 3, 4] {
                let side =
                    |random: &mut Random| u32::try_from(1 + random.below(100)).expect("small");
                let format = RawFormat {
                    size: Size::new(side(&mut random), side(&mut random)),
                    channels,
                    sample_bytes,
                    differences,
                    big_endian,
                };
                let samples = format.size.width * format.size.height * u32::from(channels);
                let tile = samples as usize * usize::from(sample_bytes);
                let raw: Vec<u8> = (0..3 * tile).map(|_| random.byte()).collect();
                let mut decoder = decoder(random.next());
                let unpacked = decoder.unpack(format, &raw).expect("pixels");
                let mut ours = vec![0; raw.len()];
                let copied = decoder.executor().download(&unpacked, 0, &mut ours);
                copied.expect("pixels");
                assert!(ours == undone(format, &raw), "{format:?}");
                let part = decoder.unpack(format, &raw[1..]);
                let kind = part.expect_err("no whole tiles").kind();
                assert_eq!(kind, ErrorKind::InvalidArgument);
            }
        }
    }
}
