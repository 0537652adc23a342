//! A decoder that has seen a tile of a level takes no memory for the next one.

use jpeg_encoder::{ColorType, Encoder, SamplingFactor};
use peak_alloc::PeakAlloc;
use wsi_jpeg::{Decoder, Kernels, Options, Picture, PixelFormat, RowIndex, StridedRows, Window};

#[global_allocator]
static ALLOCATED: PeakAlloc = PeakAlloc;

const SIDE: u16 = 256;

fn tile(phase: usize) -> Vec<u8> {
    let side = usize::from(SIDE);
    let pixels: Vec<u8> = (0..side * side * 3)
        .map(|at| u8::try_from((at / 3 * (phase + 3) + at / 700 * 5) / 7 % 256).unwrap_or(0))
        .collect();
    let mut stream = Vec::new();
    let mut encoder = Encoder::new(&mut stream, 75);
    encoder.set_sampling_factor(SamplingFactor::F_2_2);
    encoder
        .encode(&pixels, SIDE, SIDE, ColorType::Rgb)
        .expect("a legal size");
    stream
}

/// Bytes that a call takes beyond what was taken before, at its worst.
fn taken(call: impl FnOnce()) -> usize {
    ALLOCATED.reset_peak_usage();
    let before = ALLOCATED.current_usage();
    call();
    ALLOCATED.peak_usage() - before
}

// One test, since memory is counted for all threads.
#[test]
fn tiles_of_a_known_kind_take_no_memory() {
    let tiles = [tile(0), tile(1), tile(2), tile(3)];
    let whole = Options::new(PixelFormat::Rgb8);
    let part = whole.with_window(Some(Window::new(20, 90, 100, 120)));
    let stride = usize::from(SIDE) * 3;
    let mut outputs = [(); 4].map(|()| vec![0; stride * usize::from(SIDE)]);
    for kernels in Kernels::available() {
        let mut decoder = Decoder::with_kernels(kernels);
        let mut index = RowIndex::new();
        for visit in 0..3 {
            let mut rows = outputs.each_mut().map(|out| StridedRows::new(out, stride));
            let [first, ..] = &mut rows;
            let alone = taken(|| {
                assert!(decoder.decode(&tiles[1], &whole, first).is_ok());
                assert!(decoder.decode(&tiles[2], &part, first).is_ok());
            });
            let indexed = taken(|| {
                for options in [&whole, &part, &whole] {
                    let outcome = decoder.decode_indexed(&tiles[0], options, first, &mut index);
                    assert!(outcome.is_ok());
                }
            });
            let batch = taken(|| {
                let pictures = tiles.iter().zip(&mut rows);
                let pictures = pictures.map(|(tile, rows)| Picture::new(tile, &whole, rows));
                decoder.decode_batch(pictures, |_, outcome| assert!(outcome.is_ok()));
            });
            if visit == 2 {
                assert_eq!([alone, indexed, batch], [0; 3], "{}", kernels.name());
            } else if visit == 0 {
                assert!(alone > 0, "nothing is measured");
            }
        }
    }
}
