//! Levels, properties, associated images and pixels of Aperio and generic TIFF slides are
//! OpenSlide 4.0.1's.
//!
//! The answers stand in `truth/openslide.json` beside the slides. Regions that start on a pixel are
//! read in one piece and, with caches of several sizes, in many, so that parts of tiles, row indexes
//! and cached tiles come in.

#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test: it says what it found, and stops where the answers are not as described"
)]

use std::collections::BTreeMap;

use serde_json::Value;
use wsi::pure::PureDriver;
use wsi::{Driver, ErrorKind, Image, OpenOptions, PixelFormat, Rect, Region, Slide};

mod support;

/// Where OpenSlide reads 16-bit gray tiles of the last column, cut by the picture's right edge, from
/// the wrong bytes (its RGBA path takes rows to be as long as the cut tile).
const CUT_GRAY16: &str = "OpenSlide garbles 16-bit gray in the last column of tiles";
/// OpenSlide flips each tile by the Orientation tag, and leaves the tiles where they are.
const FLIPPED_TILES: &str = "OpenSlide applies Orientation to tiles, not to the picture";
/// The answers hold colours multiplied with alpha; ours, divided and multiplied again, lose bits.
const ASSOCIATED_ALPHA: &str = "stored colours are multiplied with alpha, ours are not";

/// Files some of whose regions differ on purpose, and why. Nothing else of them may differ.
const DEVIATIONS: &[(&str, &str)] = &[
    (
        "tiff/Pillow__tiff_tiled_planar_16bit_RGBa.tiff",
        ASSOCIATED_ALPHA,
    ),
    ("tiff/imagecodecs__gray.tiled.u2.tif", CUT_GRAY16),
    ("tiff/rio-tiler__mosaic_value_3.tif", CUT_GRAY16),
    ("tiff/synth__five-channels.tif", CUT_GRAY16),
    ("tiff/synth__packbits-u2-1ch.tif", CUT_GRAY16),
    ("tiff/synth__zlib-p2-i2-tiles-big.tif", CUT_GRAY16),
    ("tiff/synth__zlib-p2-u2-tiles.tif", CUT_GRAY16),
    ("wsi/large_image__test_orient2.tif", FLIPPED_TILES),
    ("wsi/large_image__test_orient3.tif", FLIPPED_TILES),
    ("wsi/large_image__test_orient4.tif", FLIPPED_TILES),
    ("wsi/large_image__test_orient6.tif", FLIPPED_TILES),
    ("wsi/large_image__test_orient8.tif", FLIPPED_TILES),
    ("wsi/rio-tiler__blue.tif", CUT_GRAY16),
    ("wsi/rio-tiler__blue_nostats.tif", CUT_GRAY16),
    ("wsi/rio-tiler__cog_dateline.tif", CUT_GRAY16),
    ("wsi/rio-tiler__green.tif", CUT_GRAY16),
    ("wsi/rio-tiler__green_nostats.tif", CUT_GRAY16),
    ("wsi/synth-channels.ome.tif", CUT_GRAY16),
];

/// The pixels as OpenSlide gives them: blue, green, red, alpha, colours multiplied with alpha.
fn premultiplied_bgra(rgba: &[u8]) -> Vec<u8> {
    rgba.chunks_exact(4)
        .flat_map(|pixel| {
            let alpha = u16::from(pixel[3]);
            let times = |sample: u8| u8::try_from((u16::from(sample) * alpha + 127) / 255).unwrap();
            [times(pixel[2]), times(pixel[1]), times(pixel[0]), pixel[3]]
        })
        .collect()
}

/// Whether there are pixels from which OpenSlide's cannot be made again: ours are divided by alpha.
fn is_translucent(image: &Image) -> bool {
    let pixels = image.as_bytes().as_chunks::<4>().0;
    pixels.iter().any(|pixel| !matches!(pixel[3], 0 | 255))
}

#[derive(Default)]
struct Counts(BTreeMap<String, usize>);

impl Counts {
    fn add(&mut self, what: impl Into<String>) {
        *self.0.entry(what.into()).or_default() += 1;
    }
}

fn compare(slide: &Slide, truth: &Value, counts: &mut Counts, wrong: &mut Vec<String>) {
    let levels: Vec<Value> = slide
        .pyramid()
        .levels()
        .iter()
        .map(|level| serde_json::json!([level.size.width, level.size.height]))
        .collect();
    if Value::from(levels) != truth["levels"] {
        wrong.push(format!(
            "levels {:?}, not {}",
            slide.pyramid(),
            truth["levels"]
        ));
        return;
    }
    let downsamples = slide
        .pyramid()
        .levels()
        .iter()
        .map(|level| level.downsample);
    for (ours, theirs) in downsamples.zip(truth["downsamples"].as_array().unwrap()) {
        // The answers are rounded to nine decimals; the properties hold all digits.
        if (ours - theirs.as_f64().unwrap()).abs() > 5e-10 {
            wrong.push(format!("downsample {ours}, not {theirs}"));
        }
    }
    let properties = slide.properties().expect("properties");
    let mut text = Vec::new();
    for (name, value) in properties.iter_bytes() {
        text.extend([name, b"=", value, b"\n"].concat());
    }
    match truth["properties_sha256"].as_str() {
        Some(digest) if digest != support::hex(&text) => {
            let quickhash = properties.get("openslide.quickhash-1");
            let same_hash = quickhash.as_deref() == truth["quickhash-1"].as_str();
            wrong.push(format!(
                "{} properties, not {}; quickhash-1 equal: {same_hash}",
                properties.len(),
                truth["properties"]
            ));
        }
        Some(_) => counts.add("property sets equal"),
        None => {}
    }
    for (name, image) in truth["associated"].as_object().into_iter().flatten() {
        let read = slide.read_associated(name);
        match read {
            Ok(ours) => {
                let size = ours.size();
                let alpha: Vec<u8> = match ours.format() {
                    PixelFormat::RGB8 => {
                        let pixels = ours.as_bytes().chunks_exact(3);
                        pixels.flat_map(|p| [p[2], p[1], p[0], 255]).collect()
                    }
                    PixelFormat::GRAY8 => ours
                        .as_bytes()
                        .iter()
                        .flat_map(|&g| [g, g, g, 255])
                        .collect(),
                    PixelFormat::RGBA8 => premultiplied_bgra(ours.as_bytes()),
                    format => panic!("an associated image of {format}"),
                };
                let answer = serde_json::json!([size.width, size.height, support::hex(alpha)]);
                match answer == *image {
                    true => counts.add("associated images equal"),
                    false => wrong.push(format!("associated image {name}: {answer}, not {image}")),
                }
            }
            Err(_) if image.is_string() => counts.add("associated images that fail in both"),
            Err(error) => wrong.push(format!("associated image {name}: {error}, not {image}")),
        }
    }
    let others = CACHES.map(|bytes| {
        let driver = PureDriver::with_cache_bytes(bytes);
        let source = driver.open(slide.path(), &OpenOptions::default());
        Slide::new(source.expect("it opened before"), slide.path())
    });
    for region in truth["regions"].as_array().into_iter().flatten() {
        compare_region(slide, region, counts, wrong);
        for other in &others {
            compare_pieces(other, region, counts, wrong);
        }
    }
}

/// None, of a few tiles, of all.
const CACHES: [usize; 3] = [0, 1 << 20, 1 << 30];

/// Numbers that look random and are the same in every run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        usize::try_from(self.0 >> 33).unwrap() % bound
    }

    /// Where to cut `0..length`, both ends included.
    fn cuts(&mut self, length: u32) -> Vec<u32> {
        let inside = (0..self.below(4)).map(|_| self.below(length as usize + 1));
        let mut cuts: Vec<u32> = inside.map(|cut| u32::try_from(cut).unwrap()).collect();
        cuts.extend([0, length]);
        cuts.sort_unstable();
        cuts.dedup();
        cuts
    }
}

/// Reads a region of whole pixels in pieces, one after another in any order, some more than once.
fn compare_pieces(slide: &Slide, truth: &Value, counts: &mut Counts, wrong: &mut Vec<String>) {
    let Asked { region, digest } = asked(truth);
    let jpeg = slide
        .encoded_tiles()
        .and_then(|tiles| tiles.layout(region.level, region.plane).ok())
        .is_some_and(|layout| layout.compression == "jpeg");
    let Some(digest) = digest.filter(|_| jpeg) else {
        return;
    };
    let Some(corner) = corner(slide, truth) else {
        counts.add("JPEG regions between pixels: in one piece only");
        return;
    };
    // Other cuts for each region.
    let seed = digest
        .bytes()
        .fold(0, |seed, byte| seed * 31 % (1 << 40) + u64::from(byte));
    let mut numbers = Numbers(seed);
    let (columns, rows) = (
        numbers.cuts(region.size.width),
        numbers.cuts(region.size.height),
    );
    let mut pieces = Vec::new();
    for (left, right) in columns.iter().zip(&columns[1..]) {
        for (top, bottom) in rows.iter().zip(&rows[1..]) {
            let origin = (i64::from(*left), i64::from(*top));
            pieces.push(Rect::new(origin, (right - left, bottom - top)));
        }
    }
    let mut image = Image::zeroed(region.size, PixelFormat::RGBA8).unwrap();
    for step in 0..pieces.len() * 2 {
        // Each at least once; before it, one that may have been read or not.
        let next = match step % 2 {
            0 => numbers.below(pieces.len()),
            _ => step / 2,
        };
        let piece = pieces[next];
        let origin = (corner.0 + piece.origin.x, corner.1 + piece.origin.y);
        let mut pixels = image.pixels_mut();
        let read = slide.read_region_into(
            &Region::at_level(region.level, origin, piece.size),
            pixels.part_mut(piece),
        );
        if let Err(error) = read {
            wrong.push(format!("region {truth} in pieces: {error}"));
            return;
        }
    }
    match support::hex(premultiplied_bgra(image.as_bytes())) == digest {
        true => counts.add("JPEG regions equal in pieces"),
        false => wrong.push(format!("region {truth} differs in pieces")),
    }
}

/// The pixel of the level that a region starts at, if it starts at one.
#[expect(clippy::cast_possible_truncation, reason = "whole numbers")]
fn corner(slide: &Slide, truth: &Value) -> Option<(i64, i64)> {
    let level = &slide.pyramid().levels()[asked(truth).region.level];
    let on_level = |index: usize| {
        let position = truth[index].as_i64().unwrap() as f64 / level.downsample;
        (position.fract() == 0.0).then_some(position as i64)
    };
    Some((on_level(0)?, on_level(1)?))
}

/// What OpenSlide was asked.
struct Asked {
    region: Region,
    /// Of its answer; none if that was an error.
    digest: Option<String>,
}

fn asked(truth: &Value) -> Asked {
    let number = |index: usize| truth[index].as_i64().unwrap();
    let size = |index: usize| u32::try_from(number(index)).unwrap();
    let level = usize::try_from(number(2)).unwrap();
    let digest = truth[5].as_str().unwrap();
    let is_hash = digest.len() == 64 && digest.bytes().all(|byte| byte.is_ascii_hexdigit());
    Asked {
        region: Region::level0(level, (number(0), number(1)), (size(3), size(4))),
        digest: is_hash.then(|| digest.to_owned()),
    }
}

fn compare_region(slide: &Slide, truth: &Value, counts: &mut Counts, wrong: &mut Vec<String>) {
    let Asked { region, digest } = asked(truth);
    match slide.read_region_as(&region, PixelFormat::RGBA8) {
        Ok(image) if digest == Some(support::hex(premultiplied_bgra(image.as_bytes()))) => {
            counts.add("regions equal");
        }
        Ok(_) if digest.is_none() => counts.add("regions read where OpenSlide fails"),
        Ok(image) if is_translucent(&image) && corner(slide, truth).is_none() => {
            counts
                .add("regions between pixels with translucent edges: left to `cargo xtask agree`");
        }
        Ok(_) => wrong.push(format!("region {truth} differs")),
        Err(error) if error.kind() == ErrorKind::Unsupported => {
            counts.add(format!(
                "regions refused: {}",
                error.message().split(" (").next().unwrap()
            ));
        }
        Err(_) if digest.is_none() => counts.add("regions that fail in both"),
        Err(error) => wrong.push(format!("region {truth}: {error}")),
    }
}

#[test]
fn slides_match_openslide() {
    let Some(folder) = support::slides() else {
        return;
    };
    let truth = support::truth(&folder, "openslide.json");
    let mut counts = Counts::default();
    let mut failures = Vec::new();
    for (name, truth) in truth["files"].as_object().unwrap() {
        let vendor = truth["vendor"].as_str().unwrap_or_default();
        if truth["ok"] != true || !["aperio", "generic-tiff"].contains(&vendor) {
            continue;
        }
        let mut wrong = Vec::new();
        match wsi::open(folder.join(name)) {
            Ok(slide) if slide.info().format == vendor => {
                counts.add(format!("{vendor} slides"));
                compare(&slide, truth, &mut counts, &mut wrong);
            }
            Ok(slide) => wrong.push(format!("is {}, not {vendor}", slide.info().format)),
            Err(error) if error.kind() == ErrorKind::Unsupported => {
                counts.add(format!("slides refused: {}", error.message()));
            }
            Err(error) => wrong.push(error.to_string()),
        }
        if let Some((_, why)) = DEVIATIONS.iter().find(|(known, _)| known == name) {
            let before = wrong.len();
            wrong.retain(|what| !what.starts_with("region "));
            assert!(wrong.len() < before, "{name} no longer deviates ({why})");
            counts.add(format!("slides with other regions: {why}"));
        }
        failures.extend(wrong.into_iter().map(|what| format!("{name}: {what}")));
    }
    println!("{:#?}", counts.0);
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
