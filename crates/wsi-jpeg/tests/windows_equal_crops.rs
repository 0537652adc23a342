//! Windows, with a row index or without, pairs and batches give the crops of a picture decoded whole
//! by the scalar kernels, with all kernels and in every format.
//!
//! That the whole picture is libjpeg-turbo's is the matter of `files_match_libjpeg_turbo`, and, for
//! random pictures and windows, of the package `turbo`.

#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "test patterns, and shares of small sides"
)]

use jpeg_encoder::{ColorType, Encoder, SamplingFactor};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use wsi_jpeg::{
    Decoder, Info, Kernels, Options, Outcome, Picture, PixelFormat, RowIndex, Scale, StridedRows,
    Window,
};

const SCALES: [Scale; 4] = [Scale::Full, Scale::Half, Scale::Quarter, Scale::Eighth];
const FORMATS: [PixelFormat; 6] = [
    PixelFormat::Rgb8,
    PixelFormat::Bgr8,
    PixelFormat::Rgba8,
    PixelFormat::Bgra8,
    PixelFormat::Gray8,
    PixelFormat::Planes8,
];

/// A picture to be made.
#[derive(Debug, Clone)]
struct Recipe {
    width: u16,
    height: u16,
    seed: u32,
    /// Of the noise on its gradients.
    noise: u8,
    quality: u8,
    sampling: (u8, u8),
    restart: u16,
    optimised: bool,
    progressive: bool,
}

fn recipe() -> impl Strategy<Value = Recipe> {
    let side = || prop_oneof![2 => 1_u16..90, 2 => 90_u16..330];
    const SAMPLINGS: [(u8, u8); 7] = [(1, 1), (2, 1), (2, 2), (1, 2), (4, 1), (4, 2), (2, 4)];
    let sampling = prop_oneof![2 => Just((2, 2)), 3 => prop::sample::select(&SAMPLINGS[..])];
    let restart = prop_oneof![3 => Just(0_u16), 1 => 1_u16..40];
    let coding = (
        1_u8..=100,
        sampling,
        restart,
        any::<bool>(),
        prop::bool::weighted(0.1),
    );
    (side(), side(), any::<u32>(), any::<u8>(), coding).prop_map(
        |(width, height, seed, noise, (quality, sampling, restart, optimised, progressive))| {
            Recipe {
                width,
                height,
                seed,
                noise,
                quality,
                sampling,
                restart,
                optimised,
                progressive,
            }
        },
    )
}

impl Recipe {
    fn encode(&self) -> Vec<u8> {
        let mut seed = self.seed;
        let mut noise = || {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (seed >> 24) as u8 & self.noise
        };
        let sides = (usize::from(self.width), usize::from(self.height));
        let mut pixels = Vec::with_capacity(sides.0 * sides.1 * 3);
        for y in 0..sides.1 {
            for x in 0..sides.0 {
                let wave = |a: usize, b: usize| ((x * a + y * b) / 5 % 256) as u8;
                pixels.extend([wave(3, 1), wave(1, 4), wave(2, 2)].map(|v| v ^ noise()));
            }
        }
        let mut stream = Vec::new();
        let mut encoder = Encoder::new(&mut stream, self.quality);
        let (across, down) = self.sampling;
        encoder.set_sampling_factor(
            SamplingFactor::from_factors(across, down).expect("a sampling of the list"),
        );
        encoder.set_progressive(self.progressive);
        encoder.set_restart_interval(self.restart);
        // The encoder's own tables lack codes that restarts bring about.
        encoder.set_optimized_huffman_tables(self.optimised && self.restart == 0);
        encoder
            .encode(&pixels, self.width, self.height, ColorType::Rgb)
            .expect("a picture of a legal size");
        stream
    }
}

/// A picture and the ways in which it is decoded.
#[derive(Debug, Clone)]
struct Case {
    recipe: Recipe,
    scale: Scale,
    format: PixelFormat,
    /// Bytes between rows.
    gap: usize,
    /// Left, top, width and height, as shares of what there is.
    windows: Vec<[f64; 4]>,
}

fn case() -> impl Strategy<Value = Case> {
    let share = || prop_oneof![1 => Just(0.0), 8 => 0.0_f64..1.0, 1 => Just(1.0)];
    let window = (share(), share(), share(), share()).prop_map(|(x, y, w, h)| [x, y, w, h]);
    (
        recipe(),
        prop_oneof![2 => Just(Scale::Full), 1 => prop::sample::select(&SCALES[..])],
        prop::sample::select(&FORMATS[..]),
        0_usize..40,
        prop::collection::vec(window, 1..4),
    )
        .prop_map(|(recipe, scale, format, gap, windows)| Case {
            recipe,
            scale,
            format,
            gap,
            windows,
        })
}

/// A made picture.
struct Made<'c> {
    case: &'c Case,
    data: Vec<u8>,
    size: (usize, usize),
    /// By the scalar kernels, without gaps.
    whole: Vec<u8>,
}

/// Byte behind the pixels and between rows.
const GUARD: u8 = 0xA5;

impl<'c> Made<'c> {
    fn new(case: &'c Case) -> Self {
        let data = case.recipe.encode();
        let info = Info::read(&data, None).expect("a whole stream");
        let (width, height) = info.scaled_size(case.scale);
        let size = (width as usize, height as usize);
        let mut made = Self {
            case,
            data,
            size,
            whole: Vec::new(),
        };
        let (mut out, stride) = made.output(size);
        let mut decoder = Decoder::with_kernels(Kernels::scalar());
        // Not all streams of this encoder are clean: with restarts some have stray bytes.
        let outcome: Outcome = decoder
            .decode(
                &made.data,
                &made.options(None),
                &mut StridedRows::new(&mut out, stride),
            )
            .expect("a whole stream");
        drop(outcome);
        made.whole = made.without_gaps(&out, size);
        made
    }

    fn options(&self, window: Option<Window>) -> Options<'static> {
        Options::new(self.case.format)
            .with_scale(self.case.scale)
            .with_window(window)
    }

    fn planes(&self) -> usize {
        if self.case.format == PixelFormat::Planes8 {
            3
        } else {
            1
        }
    }

    fn pixel(&self) -> usize {
        self.case.format.bytes_per_pixel()
    }

    /// An output for so many pixels, and its stride.
    fn output(&self, (width, height): (usize, usize)) -> (Vec<u8>, usize) {
        let stride = width * self.pixel() + self.case.gap;
        (vec![GUARD; stride * height * self.planes()], stride)
    }

    fn without_gaps(&self, out: &[u8], (width, _): (usize, usize)) -> Vec<u8> {
        let row = width * self.pixel();
        let mut packed = Vec::new();
        for line in out.chunks_exact(row + self.case.gap) {
            packed.extend_from_slice(&line[..row]);
            let gap = &line[row..];
            assert!(gap.iter().all(|&byte| byte == GUARD), "written in a gap");
        }
        packed
    }

    fn windows(&self) -> Vec<Window> {
        let pick = |start: f64, length: f64, all: usize| {
            let start = ((all as f64 * start) as usize).min(all - 1);
            let length = ((all - start) as f64 * length).ceil() as usize;
            (start as u32, length.max(1) as u32)
        };
        let of = |&[x, y, w, h]: &[f64; 4]| {
            let (x, width) = pick(x, w, self.size.0);
            let (y, height) = pick(y, h, self.size.1);
            Window::new(x, y, width, height)
        };
        self.case.windows.iter().map(of).collect()
    }

    fn crop(&self, window: Window) -> Vec<u8> {
        let row = self.size.0 * self.pixel();
        let wanted = (
            window.x as usize * self.pixel(),
            window.width as usize * self.pixel(),
        );
        let mut crop = Vec::new();
        for plane in self.whole.chunks_exact(row * self.size.1) {
            let rows = plane.chunks_exact(row).skip(window.y as usize);
            for line in rows.take(window.height as usize) {
                crop.extend_from_slice(&line[wanted.0..wanted.0 + wanted.1]);
            }
        }
        crop
    }

    /// Decodes a window and compares it.
    fn check(
        &self,
        decoder: &mut Decoder,
        window: Window,
        index: Option<&mut RowIndex>,
        how: &str,
    ) {
        let size = (window.width as usize, window.height as usize);
        let (mut out, stride) = self.output(size);
        let mut rows = StridedRows::new(&mut out, stride);
        let options = self.options(Some(window));
        let outcome = match index {
            Some(index) => decoder.decode_indexed(&self.data, &options, &mut rows, index),
            None => decoder.decode(&self.data, &options, &mut rows),
        };
        assert!(outcome.is_ok(), "{how}");
        let same = self.without_gaps(&out, size) == self.crop(window);
        assert!(same, "{how}, {window:?} of {:?}", self.size);
    }
}

fn cases() -> ProptestConfig {
    let long = std::env::var_os("WSI_LONG_TESTS").is_some_and(|value| value == "1");
    ProptestConfig {
        failure_persistence: None,
        // The same cases in every run: fuzzing looks for new ones.
        rng_seed: RngSeed::Fixed(9),
        ..ProptestConfig::with_cases(if long { 2000 } else { 200 })
    }
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn windows_are_crops(case in case()) {
        let made = Made::new(&case);
        let whole = Window::new(0, 0, made.size.0 as u32, made.size.1 as u32);
        for kernels in Kernels::available() {
            let mut decoder = Decoder::with_kernels(kernels);
            let mut growing = RowIndex::new();
            // Twice: look-ups are made for tables that come again.
            for visit in ["first", "second", "third"] {
                let how = format!("{}, {visit} visit", kernels.name());
                for window in made.windows() {
                    made.check(&mut decoder, window, None, &how);
                    let how = format!("{how}, by row index");
                    made.check(&mut decoder, window, Some(&mut growing), &how);
                }
                made.check(&mut decoder, whole, Some(&mut growing), &format!("{how}, whole"));
            }
        }
    }

    #[test]
    fn pictures_decoded_together_are_the_same(cases in prop::collection::vec(case(), 2..6)) {
        let made: Vec<_> = cases.iter().map(Made::new).collect();
        for kernels in Kernels::available() {
            let mut decoder = Decoder::with_kernels(kernels);
            let mut indexes = vec![RowIndex::new(); made.len()];
            for visit in 0..3 {
                let options: Vec<_> = made
                    .iter()
                    .map(|made| made.options(made.windows().get(visit).copied()))
                    .collect();
                let sizes = made.iter().map(|made| match made.windows().get(visit) {
                    Some(window) => (window.width as usize, window.height as usize),
                    None => made.size,
                });
                let sizes: Vec<_> = sizes.collect();
                let outputs = made.iter().zip(&sizes).map(|(made, &size)| made.output(size));
                let mut outputs: Vec<_> = outputs.collect();
                let mut rows: Vec<_> = outputs
                    .iter_mut()
                    .map(|(out, stride)| StridedRows::new(out, *stride))
                    .collect();
                let pictures = made.iter().zip(&options).zip(&mut rows).zip(&mut indexes);
                let pictures = pictures.enumerate().map(|(number, (((made, options), rows), index))| {
                    let picture = Picture::new(&made.data, options, rows);
                    if number % 2 == 0 { picture.with_index(index) } else { picture }
                });
                let mut ended = vec![0; made.len()];
                decoder.decode_batch(pictures, |number, result| {
                    assert!(result.is_ok());
                    ended[number] += 1;
                });
                assert!(ended.iter().all(|&times| times == 1), "{ended:?}");
                for (number, (made, (out, _))) in made.iter().zip(&outputs).enumerate() {
                    let expected = match made.windows().get(visit) {
                        Some(&window) => made.crop(window),
                        None => made.whole.clone(),
                    };
                    let same = made.without_gaps(out, sizes[number]) == expected;
                    assert!(same, "picture {number}, {}, visit {visit}", kernels.name());
                }
            }
        }
    }
}
