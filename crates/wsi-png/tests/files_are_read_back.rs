//! What is written is a PNG that another reader opens, with the same pixels.

use proptest::prelude::*;
use wsi_png::{Color, Encoder, Picture};

const COLORS: [(Color, png::ColorType, png::BitDepth); 4] = [
    (
        Color::Gray8,
        png::ColorType::Grayscale,
        png::BitDepth::Eight,
    ),
    (
        Color::Gray16,
        png::ColorType::Grayscale,
        png::BitDepth::Sixteen,
    ),
    (Color::Rgb8, png::ColorType::Rgb, png::BitDepth::Eight),
    (Color::Rgba8, png::ColorType::Rgba, png::BitDepth::Eight),
];

fn check(encoder: &mut Encoder, color: usize, size: (u32, u32), pixels: &[u8]) -> usize {
    let (color, kind, depth) = COLORS[color];
    let mut file = Vec::new();
    let picture = Picture::new(size, color, pixels).expect("a picture");
    encoder.encode(&picture, &mut file);
    let mut reader = png::Decoder::new(std::io::Cursor::new(&file[..]))
        .read_info()
        .expect("a header");
    let mut read = vec![0; reader.output_buffer_size().expect("a size")];
    let info = reader.next_frame(&mut read).expect("pixels");
    reader.finish().expect("an end");
    assert_eq!((info.width, info.height), size);
    assert_eq!((info.color_type, info.bit_depth), (kind, depth));
    assert!(read == pixels, "the pixels of {size:?} {color:?}");
    file.len()
}

/// Numbers from a seed (splitmix64).
fn random(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// Even areas with noise of so many bits, and pixels that repeat those above.
fn pixels(bytes: usize, row: usize, noise: u32, seed: u64) -> Vec<u8> {
    let mut state = seed;
    let mut pixels: Vec<u8> = Vec::with_capacity(bytes);
    while pixels.len() < bytes {
        let length = usize::try_from(random(&mut state) % 300 + 1).expect("small");
        let kind = random(&mut state) % 4;
        let base = random(&mut state).to_le_bytes()[0];
        for _ in 0..length.min(bytes - pixels.len()) {
            let byte = match kind {
                0 => base,
                1 if pixels.len() >= row => pixels[pixels.len() - row],
                _ => base.wrapping_add((random(&mut state) & ((1 << noise) - 1)).to_le_bytes()[0]),
            };
            pixels.push(byte);
        }
    }
    pixels
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn pictures_are_read_back(
        color in 0..COLORS.len(),
        width in 1..90_u32,
        height in 1..90_u32,
        noise in 0..=8_u32,
        seed in any::<u64>(),
    ) {
        let row = width as usize * COLORS[color].0.bytes_per_pixel();
        let pixels = pixels(row * height as usize, row, noise, seed);
        check(&mut Encoder::new(), color, (width, height), &pixels);
    }
}

#[test]
fn pictures_of_many_bands_are_read_back() {
    let mut encoder = Encoder::new();
    for (color, size) in [
        (2, (1500, 700)),
        (0, (70_000, 31)),
        (3, (1, 300_000)),
        (2, (200_000, 3)),
    ] {
        for noise in [0, 3, 8] {
            let row = size.0 as usize * COLORS[color].0.bytes_per_pixel();
            let pixels = pixels(row * size.1 as usize, row, noise, 7);
            check(&mut encoder, color, size, &pixels);
        }
    }
}

#[test]
fn the_file_does_not_depend_on_the_threads() {
    let pixels = pixels(3000 * 900, 3000, 4, 1);
    let picture = Picture::new((1000, 900), Color::Rgb8, &pixels).expect("a picture");
    let with = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
        let mut file = Vec::new();
        let pool = pool.build().expect("threads");
        pool.install(|| Encoder::new().encode(&picture, &mut file));
        file
    };
    assert!(with(1) == with(4));
}

#[test]
fn even_pictures_are_small_and_noise_grows_little() {
    let mut encoder = Encoder::new();
    let even = check(&mut encoder, 2, (224, 224), &vec![255; 224 * 224 * 3]);
    assert!(even < 1000, "{even}");
    let noise = pixels(224 * 224 * 3, 224 * 3, 8, 3);
    let noise: Vec<u8> = noise
        .iter()
        .enumerate()
        .map(|(i, byte)| {
            let mut state = i as u64;
            byte ^ random(&mut state).to_le_bytes()[0]
        })
        .collect();
    let size = check(&mut encoder, 2, (224, 224), &noise);
    assert!(size < noise.len() + 400, "{size}");
}

#[test]
fn pictures_that_png_cannot_hold_are_refused() {
    for (size, bytes) in [((0, 5), 0), ((5, 0), 0), ((2, 2), 13), ((1 << 31, 1), 5)] {
        let error = Picture::new(size, Color::Rgb8, &vec![0; bytes]).expect_err("no picture");
        assert!(!error.to_string().is_empty());
    }
    let long = Picture::new((1 << 29, 1), Color::Rgba8, &[]).expect_err("too long a row");
    let message = "a PNG whose rows have 536870912 pixels of 4 bytes";
    assert_eq!(long.to_string(), message);
}
