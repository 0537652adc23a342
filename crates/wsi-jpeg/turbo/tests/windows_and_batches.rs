//! Windows, windows by row index, pairs and batches give crops of libjpeg-turbo's full decode, in
//! every pixel format and at every scale.

use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, RngSeed};
use wsi_jpeg::{ColorModel, Info, Options, PixelFormat, Process, RowIndex, Scale, Tables, Window};
use wsi_jpeg_turbo::compare::{self, Entry, SCALES};
use wsi_jpeg_turbo::picture::Subject;
use wsi_jpeg_turbo::random::Random;
use wsi_jpeg_turbo::recipe::{COLORS, Recipe, SAMPLINGS};
use wsi_jpeg_turbo::stream;
use wsi_jpeg_turbo::turbo::{Decoded, Encoding, Ending, TURBO_SAMPLINGS, Turbo};

/// One picture of a case.
#[derive(Debug, Clone)]
struct Plan {
    recipe: Recipe,
    scale: Scale,
    /// Which of the formats that the colour has.
    format: usize,
    /// Whether its tables are handed over apart.
    abbreviated: bool,
    gap: usize,
    /// Seed of its windows.
    windows: u64,
}

fn recipe() -> impl Strategy<Value = Recipe> {
    let side = || prop_oneof![4 => 1_u16..80, 3 => 1_u16..260, 1 => 1_u16..600];
    let encoding = (
        1_u8..=100,
        prop::sample::select(&SAMPLINGS[..]),
        prop_oneof![2 => Just(0_u16), 1 => 1_u16..50],
        any::<bool>(),
        prop::bool::weighted(0.1),
    );
    let color = prop_oneof![1 => Just(COLORS[0]), 1 => prop::sample::select(&COLORS[..])];
    let subject = prop::sample::select(&Subject::ALL[..]);
    (side(), side(), subject, any::<u64>(), color, encoding).prop_map(
        |(width, height, subject, seed, color, encoding)| {
            let (quality, sampling, restart, optimised, progressive) = encoding;
            Recipe {
                width,
                height,
                subject,
                seed,
                color,
                encoding: Encoding {
                    quality,
                    sampling,
                    // The other encoder writes stray bytes between scans with restarts.
                    restart: if TURBO_SAMPLINGS.contains(&sampling) {
                        restart
                    } else {
                        0
                    },
                    optimised,
                    progressive,
                },
                other_encoder: false,
            }
        },
    )
}

fn plan() -> impl Strategy<Value = Plan> {
    (
        recipe(),
        prop::sample::select(&SCALES[..]),
        0_usize..6,
        any::<bool>(),
        0_usize..50,
        any::<u64>(),
    )
        .prop_map(|(recipe, scale, format, abbreviated, gap, windows)| Plan {
            recipe,
            scale,
            format,
            abbreviated,
            gap,
            windows,
        })
}

/// A picture with libjpeg-turbo's pixels.
struct Case {
    data: Vec<u8>,
    tables: Option<Tables>,
    plan: Plan,
    format: PixelFormat,
    components: usize,
    theirs: Decoded,
}

impl Case {
    fn new(plan: Plan, turbo: &mut Turbo) -> Self {
        let formats: &[PixelFormat] = match plan.recipe.components() {
            4 => &[PixelFormat::Cmyk8, PixelFormat::Planes8],
            _ => &[
                PixelFormat::Rgb8,
                PixelFormat::Bgra8,
                PixelFormat::Gray8,
                PixelFormat::Planes8,
                PixelFormat::Rgba8,
                PixelFormat::Bgr8,
            ],
        };
        let format = formats[plan.format % formats.len()];
        let whole = plan.recipe.encode();
        let theirs = compare::reference(turbo, &whole, plan.scale, format);
        assert_eq!(theirs.ending, Ending::Clean, "{plan:?}");
        let process = Info::read(&whole, None).expect("headers").process();
        // A progressive stream may define tables between its scans.
        let (tables, data) = if plan.abbreviated && process != Process::Progressive {
            let (tables, tile) = stream::abbreviate(&whole).expect("headers");
            (Some(Tables::parse(&tables).expect("tables")), tile)
        } else {
            (None, whole)
        };
        Self {
            data,
            tables,
            components: plan.recipe.components(),
            plan,
            format,
            theirs,
        }
    }

    fn options(&self, window: Option<Window>) -> Options<'_> {
        Options::new(self.format)
            .with_scale(self.plan.scale)
            .with_tables(self.tables.as_ref())
            .with_color(Some(self.plan.recipe.color))
            .with_window(window)
    }

    /// Bytes a row, rows, and the pixels of a window, or of the whole picture.
    fn expected(&self, window: Option<Window>) -> ((usize, usize), Decoded) {
        let all = Window::new(0, 0, self.theirs.width as u32, self.theirs.height as u32);
        let window = window.unwrap_or(all);
        let size = (window.width as usize, window.height as usize);
        let cropped = Decoded {
            ending: Ending::Clean,
            width: size.0,
            height: size.1,
            pixels: compare::crop(&self.theirs, self.format, self.components, window),
        };
        let extent = compare::extent(size, self.format, self.components);
        (extent, cropped)
    }

    /// Rows of MCUs, if it is a picture that has an index.
    fn mcu_rows(&self) -> Option<usize> {
        let Recipe {
            encoding,
            height,
            color,
            ..
        } = self.plan.recipe;
        let indexed = !encoding.progressive && TURBO_SAMPLINGS.contains(&encoding.sampling);
        let blocks = if color == ColorModel::Gray {
            1
        } else {
            usize::from(encoding.sampling.1)
        };
        indexed.then(|| usize::from(height).div_ceil(8 * blocks))
    }

    fn window(&self, random: &mut Random) -> Window {
        compare::random_window(random, self.theirs.width, self.theirs.height)
    }

    /// Some windows, or none for the whole picture.
    fn windows(&self, count: usize) -> Vec<Option<Window>> {
        let mut random = Random::new(self.plan.windows);
        let windows = (0..count).map(|_| (!random.once_in(6)).then(|| self.window(&mut random)));
        windows.collect()
    }
}

fn config(variable: &str, default: usize) -> Config {
    Config {
        cases: compare::count(variable, default) as u32,
        rng_seed: RngSeed::Fixed(9),
        rng_algorithm: RngAlgorithm::ChaCha,
        failure_persistence: None,
        ..Config::default()
    }
}

proptest! {
    #![proptest_config(config("WSI_TURBO_WINDOWS", 4_000))]

    /// Alone, by an index that starts empty and grows, and by one that knows all.
    #[test]
    fn windows_are_crops(plan in plan()) {
        let mut turbo = Turbo::new();
        let case = Case::new(plan, &mut turbo);
        let gap = case.plan.gap;
        for (kernels, mut decoder) in compare::decoders() {
            let mut full = RowIndex::new();
            let (extent, expected) = case.expected(None);
            let ours = compare::decode_indexed(
                &mut decoder, &case.data, &case.options(None), extent, gap, &mut full,
            );
            let same = compare::same_ending(ours, &expected, extent.0);
            prop_assert_eq!(same, Ok(()), "{}, full, indexed", kernels);
            if let Some(rows) = case.mcu_rows() {
                prop_assert_eq!(full.rows() + 1, rows, "{}, rows of the full index", kernels);
            }
            let mut growing = RowIndex::new();
            for window in case.windows(5) {
                let options = case.options(window);
                let (extent, expected) = case.expected(window);
                let ours = compare::decode(&mut decoder, &case.data, &options, extent, gap);
                let same = compare::same_ending(ours, &expected, extent.0);
                prop_assert_eq!(same, Ok(()), "{}, {:?}", kernels, window);
                let mut fresh = RowIndex::new();
                let indexes = [
                    ("empty", &mut fresh),
                    ("growing", &mut growing),
                    ("full", &mut full),
                ];
                for (name, index) in indexes {
                    let known = index.rows();
                    let ours = compare::decode_indexed(
                        &mut decoder, &case.data, &options, extent, gap, index,
                    );
                    let same = compare::same_ending(ours, &expected, extent.0);
                    prop_assert_eq!(
                        same, Ok(()), "{}, {:?}, {} index of {} rows", kernels, window, name, known
                    );
                    prop_assert!(index.rows() >= known, "an index does not shrink");
                }
            }
        }
    }

    /// Pairs and batches of unlike pictures, some with windows, some with indexes.
    #[test]
    fn pictures_decoded_together_are_the_same(
        plans in prop::collection::vec(plan(), 2..=5),
        same_geometry in any::<bool>(),
    ) {
        let mut turbo = Turbo::new();
        let mut plans = plans;
        if same_geometry {
            // As tiles of a level are: only the picture differs.
            let first = plans[0].clone();
            for plan in &mut plans[1..] {
                let Recipe { subject, seed, .. } = plan.recipe;
                plan.recipe = Recipe { subject, seed, ..first.recipe };
                plan.scale = first.scale;
                plan.format = first.format;
            }
        }
        let cases: Vec<Case> =
            plans.into_iter().map(|plan| Case::new(plan, &mut turbo)).collect();
        for (kernels, mut decoder) in compare::decoders() {
            let mut indexes: Vec<RowIndex> = cases.iter().map(|_| RowIndex::new()).collect();
            for round in 0..4 {
                let windows: Vec<_> = cases.iter().map(|case| case.windows(4)[round]).collect();
                let mut entries = Vec::new();
                let mut expected = Vec::new();
                for ((case, window), index) in cases.iter().zip(&windows).zip(&mut indexes) {
                    let (extent, theirs) = case.expected(*window);
                    expected.push((extent, theirs));
                    entries.push(Entry {
                        data: &case.data,
                        options: case.options(*window),
                        extent,
                        gap: case.plan.gap,
                        index: case.plan.windows.is_multiple_of(2).then_some(index),
                    });
                }
                let results = compare::decode_together(&mut decoder, entries);
                for (number, (ours, (extent, theirs))) in results.into_iter().zip(expected).enumerate() {
                    let same = compare::same_ending(ours, &theirs, extent.0);
                    prop_assert_eq!(
                        same, Ok(()), "{}, round {}, picture {}, {:?}", kernels, round, number, windows
                    );
                }
            }
        }
    }
}
