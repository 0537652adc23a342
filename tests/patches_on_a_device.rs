//! Batches on a device are those of `PatchReader`: the same patches in the same order with the same
//! pixels, whatever is given back; what cannot be read is told and keeps nothing else from coming.
//!
//! On the host executor, which runs the device's kernels.
#![cfg(all(feature = "cuda-host", feature = "tiling"))]

use std::path::PathBuf;

use wsi::cuda::{BatchDecoder, ElementType, HostExecutor, Normalisation, Output, TensorLayout};
use wsi::tiling::{BatchPixels, PatchReader};
use wsi::{DeviceBatches, ErrorKind, Plane, Slide};

fn slide() -> Slide {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures/CMU-1-Small-Region.svs");
    wsi::open(path).expect("the bundled slide")
}

fn decoder() -> BatchDecoder {
    BatchDecoder::new(Box::new(HostExecutor::new().with_seed(3)))
}

/// Places inside, across the edges and outside of the slide.
fn reader(slide: &Slide) -> PatchReader {
    let places = (0..23).map(|i| (i * 211 % 2400 - 60, i * 307 % 3100 - 70));
    PatchReader::at_level(slide, 0, (50, 40), places)
        .expect("a reader")
        .with_batch_size(5)
        .with_prefetch(1)
}

#[test]
fn batches_are_those_of_the_host() {
    let slide = slide();
    for reader in [
        reader(&slide),
        reader(&slide).with_shuffle(9),
        reader(&slide).with_shuffle(9).with_drop_last(true),
    ] {
        let mut device = DeviceBatches::start(&reader, decoder(), Output::new()).expect("batches");
        let host = reader.batches().expect("batches");
        assert_eq!(device.len(), host.len());
        for expected in host {
            let expected = expected.expect("a batch");
            let batch = device.next().expect("as many").expect("a batch");
            assert_eq!(batch.indices, expected.indices);
            let BatchPixels::U8(pixels) = &expected.pixels else {
                unreachable!("bytes were asked for")
            };
            let bytes = device.download(&batch).expect("bytes");
            assert!(pixels.as_slice() == Some(&bytes[..]), "{:?}", batch.indices);
            device.reuse(batch);
        }
        assert!(device.next().is_none());
    }
}

#[test]
fn numbers_are_normalised() {
    let slide = slide();
    let reader = reader(&slide);
    let normalisation = Normalisation {
        mean: [0.5, 0.4, 0.3],
        deviation: [0.2, 0.3, 0.4],
    };
    let output = Output::new()
        .with_layout(TensorLayout::Nchw)
        .with_element(ElementType::F32)
        .with_normalisation(normalisation);
    let mut device = DeviceBatches::start(&reader, decoder(), output).expect("batches");
    let mut host = reader.batches().expect("batches");
    let batch = device.next().expect("one").expect("a batch");
    let BatchPixels::U8(pixels) = host.next().expect("one").expect("a batch").pixels else {
        unreachable!("bytes were asked for")
    };
    let bytes = device.download(&batch).expect("bytes");
    let mut numbers = bytes
        .as_chunks::<4>()
        .0
        .iter()
        .map(|n| f32::from_ne_bytes(*n));
    let Normalisation { mean, deviation } = normalisation;
    for patch in pixels.as_slice().expect("in one piece").chunks(50 * 40 * 3) {
        for channel in 0..3 {
            for pixel in patch.chunks(3) {
                let sample = f64::from(pixel[channel]) / 255.0;
                let exact = (sample - mean[channel]) / deviation[channel];
                #[expect(clippy::cast_possible_truncation, reason = "rounded once")]
                let expected = exact as f32;
                assert_eq!(numbers.next(), Some(expected));
            }
        }
    }
    assert_eq!(numbers.next(), None);
}

#[test]
fn what_a_device_does_not_give_is_refused() {
    let slide = slide();
    let refused = |reader: PatchReader| {
        let started = DeviceBatches::start(&reader, decoder(), Output::new());
        started.map(drop).expect_err("refused").kind()
    };
    let gray = reader(&slide).with_format(wsi::PixelFormat::GRAY8);
    assert_eq!(refused(gray.expect("a format")), ErrorKind::Unsupported);
    assert_eq!(
        refused(reader(&slide).with_plane(Plane(1))),
        ErrorKind::Unsupported
    );
}
