//! `cargo xtask agree`: random regions read by `wsi-pure` and by OpenSlide, which must be equal.
//!
//! Over the test slides that both read, and over pyramids made for it whose downsamples are no whole
//! numbers ([`pyramids`]). Regions start anywhere, before the slide and behind its end too, so most
//! lie between the pixels of their level.

mod pyramids;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use rayon::prelude::*;
use wsi_core::pixels::straight;
use wsi_core::{Channels, Driver, OpenOptions, PixelFormat, Region, Slide};
use wsi_openslide::OpenSlideDriver;
use wsi_pure::PureDriver;

use crate::workspace;

/// Formats of which `wsi-pure` reads the levels.
const CLAIMED: [&str; 2] = ["aperio", "generic-tiff"];

/// Files whose pixels differ on purpose: see *How exact* in DESIGN.md.
const DEVIATIONS: &[&str] = &[
    "imagecodecs__gray.tiled.u2.tif",
    "large_image__test_orient2.tif",
    "large_image__test_orient3.tif",
    "large_image__test_orient4.tif",
    "large_image__test_orient6.tif",
    "large_image__test_orient8.tif",
    "rio-tiler__blue.tif",
    "rio-tiler__blue_nostats.tif",
    "rio-tiler__cog_dateline.tif",
    "rio-tiler__green.tif",
    "rio-tiler__green_nostats.tif",
    "rio-tiler__mosaic_value_3.tif",
    "synth__five-channels.tif",
    "synth__packbits-u2-1ch.tif",
    "synth__zlib-p2-i2-tiles-big.tif",
    "synth__zlib-p2-u2-tiles.tif",
    "synth-channels.ome.tif",
];

/// What became of the regions.
#[derive(Debug, Default)]
struct Counts {
    equal: u64,
    /// Of the equal ones, those that lie between pixels.
    between: u64,
    pixels: u64,
    /// Neither reads them.
    failing: u64,
    /// OpenSlide fails, ours does not: uncompressed tiles above all (libtiff 4.7.1).
    only_ours: u64,
    wrong: Vec<String>,
}

impl Counts {
    fn join(mut self, mut other: Self) -> Self {
        self.equal += other.equal;
        self.between += other.between;
        self.pixels += other.pixels;
        self.failing += other.failing;
        self.only_ours += other.only_ours;
        self.wrong.append(&mut other.wrong);
        self
    }
}

/// A slide opened by both.
struct Pair {
    name: String,
    ours: Slide,
    theirs: Slide,
}

/// Compares at least `regions` regions, spread evenly over the levels, and fails if one differs.
pub(crate) fn run(regions: u64, seed: u64, slides: Option<PathBuf>) -> anyhow::Result<()> {
    let openslide = OpenSlideDriver::new();
    println!("OpenSlide {}", openslide.version()?);
    let made = workspace::root().join("target/agree");
    pyramids::write(&made)?;
    let default = || {
        let named = std::env::var_os("WSI_TEST_SLIDES").map(PathBuf::from);
        named.unwrap_or_else(|| workspace::root().join("../shared/slides"))
    };
    let mut folders = vec![made];
    let slides = slides.unwrap_or_else(default);
    for folder in ["wsi", "tiff", "."] {
        folders.push(slides.join(folder));
    }
    let pure = PureDriver::new();
    let mut pairs = Vec::new();
    for folder in folders.iter().filter(|folder| folder.is_dir()) {
        for path in files(folder)? {
            pairs.extend(open(&pure, &openslide, &path));
        }
    }
    ensure!(!pairs.is_empty(), "no slide that both read");
    let levels: usize = pairs.iter().map(|pair| pair.ours.pyramid().len()).sum();
    let each = regions.div_ceil(levels as u64);
    println!(
        "{} slides of {levels} levels, {each} regions of each level",
        pairs.len()
    );
    let mut all = Counts::default();
    let mut by_slide = BTreeMap::new();
    for (number, pair) in pairs.iter().enumerate() {
        let counts = (0..each * pair.ours.pyramid().len() as u64)
            .into_par_iter()
            .map(|region| {
                let mixed =
                    seed ^ ((number as u64) << 40) ^ region.wrapping_mul(0x9E37_79B9_7F4A_7C15);
                compare(pair, &mut Random(mixed))
            })
            .reduce(Counts::default, Counts::join);
        if !counts.wrong.is_empty() {
            by_slide.insert(&pair.name, counts.wrong.len());
        }
        all = all.join(counts);
    }
    println!(
        "{} regions equal ({} between pixels; {} pixels), {} failing in both, {} read by ours alone, {} different",
        all.equal,
        all.between,
        all.pixels,
        all.failing,
        all.only_ours,
        all.wrong.len()
    );
    for wrong in all.wrong.iter().take(20) {
        println!("{wrong}");
    }
    ensure!(all.wrong.is_empty(), "regions differ: {by_slide:?}");
    Ok(())
}

/// The files of a folder, in the order of their names.
fn files(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(folder).with_context(|| format!("{}", folder.display()))?;
    let mut paths = entries
        .map(|entry| Ok(entry?.path()))
        .collect::<anyhow::Result<Vec<_>>>()?;
    paths.retain(|path| path.is_file());
    paths.sort();
    Ok(paths)
}

fn open(pure: &PureDriver, openslide: &OpenSlideDriver, path: &Path) -> Option<Pair> {
    let name = path.file_name()?.to_string_lossy().into_owned();
    if DEVIATIONS.contains(&name.as_str()) {
        return None;
    }
    let options = OpenOptions::default();
    let open = |driver: &dyn Driver| {
        let source = driver.open(path, &options).ok()?;
        Some(Slide::new(source, path))
    };
    let (ours, theirs) = (open(pure)?, open(openslide)?);
    // Floats are no colour, and OpenSlide 4.0.1 reads few uncompressed tiles.
    let read = Region::at_level(0, (0, 0), (1, 1));
    let both = |slide: &Slide| slide.read_region_as(&read, PixelFormat::RGBA8).is_ok();
    (CLAIMED.contains(&ours.info().format) && both(&ours) && both(&theirs)).then_some(Pair {
        name,
        ours,
        theirs,
    })
}

fn compare(pair: &Pair, random: &mut Random) -> Counts {
    let region = random_region(&pair.ours, random);
    let mut counts = Counts::default();
    let ours = pair.ours.read_region_as(&region, PixelFormat::RGBA8);
    let theirs = pair.theirs.read_region_as(&region, PixelFormat::RGBA8);
    match (ours, theirs) {
        (Ok(ours), Ok(theirs)) => {
            let has_alpha = pair.ours.info().pixel_format.channels != Channels::Rgb;
            let different = ours
                .as_bytes()
                .as_chunks::<4>()
                .0
                .iter()
                .zip(theirs.as_bytes().as_chunks::<4>().0)
                .filter(|(ours, theirs)| {
                    ours != theirs && !(has_alpha && multiplied(**ours) == **theirs)
                })
                .count();
            if different == 0 {
                let level = pair.ours.pyramid().level(region.level);
                let parts = level
                    .map(|level| region.placements(level))
                    .unwrap_or_default();
                counts.equal = 1;
                counts.between = u64::from(parts.iter().any(|part| part.aligned().is_none()));
                counts.pixels = region.size.area();
            } else {
                counts.wrong.push(format!(
                    "{}: {different} pixels of {region:?} differ",
                    pair.name
                ));
            }
        }
        (Err(_), Err(_)) => counts.failing = 1,
        (Ok(_), Err(_)) => counts.only_ours = 1,
        (Err(error), Ok(_)) => counts.wrong.push(error.to_string()),
    }
    counts
}

/// Straight colour as it comes back from OpenSlide, which multiplies it with alpha before.
fn multiplied(pixel: [u8; 4]) -> [u8; 4] {
    let [red, green, blue, alpha] = pixel;
    let through = |sample: u8| {
        let product = (u16::from(sample) * u16::from(alpha) + 127) / 255;
        straight(product as u8, alpha)
    };
    [through(red), through(green), through(blue), alpha]
}

fn random_region(slide: &Slide, random: &mut Random) -> Region {
    let levels = slide.pyramid().levels();
    let index = random.below(levels.len() as u64) as usize;
    let level = &levels[index];
    let side = |random: &mut Random| match random.below(400) {
        0 => 4097 + random.below(700) as u32,
        _ => 1 + random.below(600) as u32,
    };
    let size = (side(random), side(random));
    let mut origin = |length: u32, side: u32| {
        let before = (f64::from(side) * level.downsample) as u64 + 1;
        let behind = (f64::from(length) * level.downsample) as u64 + 1;
        let anywhere = random.below(before + behind) as i64 - before as i64;
        match random.below(8) {
            // On a pixel of the level, where there is one.
            0 => ((anywhere as f64 / level.downsample).round() * level.downsample) as i64,
            _ => anywhere,
        }
    };
    let origin = (
        origin(level.size.width, size.0),
        origin(level.size.height, size.1),
    );
    Region::level0(index, origin, size)
}

/// `SplitMix64` (Steele, Lea, Flood 2014): the same numbers from the same seed.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut value = self.0;
        value = (value ^ (value >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        value = (value ^ (value >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (value ^ (value >> 31)) % bound
    }
}
