//! The backend `openslide`: keeps the promises of every source, answers as the library does, and
//! goes on after errors.
//!
//! They need the library: the one that `WSI_OPENSLIDE_LIBRARY` names, or the system's. Without one
//! they print SKIP. With 4.0.1 the answers are those of `truth/openslide.json`.

#![cfg(feature = "openslide")]
#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test: it says what it found, and stops where the answers are not as described"
)]

use std::path::{Path, PathBuf};

use wsi::openslide::OpenSlideDriver;
use wsi::{Driver, ErrorKind, OpenOptions, PixelFormat, Probe, Region, Slide, conformance};

mod support;

/// A driver whose library is there.
fn driver() -> Option<OpenSlideDriver> {
    let driver = OpenSlideDriver::new();
    match driver.version() {
        Ok(version) => {
            println!("OpenSlide {version}");
            Some(driver)
        }
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::BackendUnavailable);
            println!("SKIP: {error}");
            None
        }
    }
}

fn open(driver: &OpenSlideDriver, path: &Path) -> wsi::Result<Slide> {
    let source = driver.open(path, &OpenOptions::default())?;
    Ok(Slide::new(source, path))
}

fn bundled() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/CMU-1-Small-Region.svs")
}

/// Every slide that both read, levels of whole downsamples alone: only those does OpenSlide read in
/// pixels of the level.
#[test]
fn slides_keep_every_promise() {
    let Some(driver) = driver() else {
        return;
    };
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let made = [
        "target/fixtures/slide_a.tiff",
        "target/fixtures/slide_b.tiff",
    ];
    for path in made
        .map(|name| root.join(name))
        .into_iter()
        .chain([bundled()])
    {
        if !path.exists() {
            println!(
                "SKIP: no {} (`cargo xtask fixtures` makes it)",
                path.display()
            );
            continue;
        }
        let slide = open(&driver, &path).unwrap();
        assert!(slide.info().caveats.is_empty(), "{}", path.display());
        if let Err(broken) = conformance::check(&slide) {
            panic!("{}: {broken}", path.display());
        }
        println!("{} keeps every promise", path.display());
    }
}

#[test]
fn a_file_that_is_not_there_and_one_that_is_no_slide() {
    let Some(driver) = driver() else {
        return;
    };
    let missing = driver.probe(Path::new("no such slide.svs")).unwrap_err();
    assert_eq!(missing.kind(), ErrorKind::Io);
    let text = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
    assert!(matches!(driver.probe(&text).unwrap(), Probe::No { .. }));
    let error = open(&driver, &text).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotRecognised);
    assert_eq!(error.path(), Some(text.as_path()));
}

/// A tile that cannot be decoded fails the reads that need it, and no others, though an error sticks
/// to OpenSlide's handle.
#[test]
fn a_damaged_tile_fails_alone() {
    let Some(driver) = driver() else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("damaged ü.svs");
    let mut bytes = std::fs::read(bundled()).unwrap();
    let pure = wsi::open(bundled()).unwrap();
    let mut tile = Vec::new();
    let index = wsi::source::TileIndex {
        level: 0,
        plane: wsi::Plane(0),
        column: 1,
        row: 1,
    };
    let tiles = pure.encoded_tiles().unwrap();
    assert!(tiles.read_tile(index, &mut tile).unwrap());
    let at = bytes
        .windows(tile.len())
        .position(|window| window == tile)
        .unwrap();
    bytes[at..at + tile.len()].fill(0);
    std::fs::write(&path, &bytes).unwrap();

    let slide = open(&driver, &path).unwrap();
    let good = Region::level0(0, (0, 0), (240, 240));
    let bad = Region::level0(0, (240, 240), (240, 240));
    let expected = pure.read_region_as(&good, PixelFormat::RGBA8).unwrap();
    let read_good = || slide.read_region(&good).unwrap();
    assert!(read_good() == expected);
    for _ in 0..2 {
        let error = slide.read_region(&bad).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt);
        assert_eq!(error.path(), Some(path.as_path()));
        assert!(read_good() == expected);
    }
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let (slide, expected, good, bad) = (&slide, &expected, &good, &bad);
            scope.spawn(move || {
                for step in 0..20 {
                    match (thread + step) % 4 {
                        0 => assert!(slide.read_region(bad).is_err()),
                        _ => assert!(slide.read_region(good).unwrap() == *expected),
                    }
                }
            });
        }
    });
}

/// Levels, vendors and pixels are those that OpenSlide 4.0.1 gave to another caller.
#[test]
fn answers_are_the_library_s() {
    let (Some(driver), Some(folder)) = (driver(), support::slides()) else {
        return;
    };
    if driver.version().unwrap() != "4.0.1" {
        println!("SKIP: the answers are those of OpenSlide 4.0.1");
        return;
    }
    let truth = support::truth(&folder, "openslide.json");
    let (mut slides, mut equal, mut translucent, mut failing) = (0, 0, 0, 0);
    for (name, truth) in truth["files"].as_object().unwrap() {
        let opened = open(&driver, &folder.join(name));
        if truth["ok"] != true {
            assert!(opened.is_err(), "{name} opens");
            continue;
        }
        let slide = opened.unwrap();
        slides += 1;
        let levels: Vec<serde_json::Value> = slide
            .pyramid()
            .levels()
            .iter()
            .map(|level| serde_json::json!([level.size.width, level.size.height]))
            .collect();
        assert_eq!(serde_json::Value::from(levels), truth["levels"], "{name}");
        assert_eq!(
            slide.info().format,
            truth["vendor"].as_str().unwrap(),
            "{name}"
        );
        for asked in truth["regions"].as_array().into_iter().flatten() {
            let number = |index: usize| asked[index].as_i64().unwrap();
            let side = |index: usize| u32::try_from(number(index)).unwrap();
            let level = usize::try_from(number(2)).unwrap();
            let region = Region::level0(level, (number(0), number(1)), (side(3), side(4)));
            let digest = asked[5].as_str().unwrap();
            match slide.read_region(&region) {
                Err(_) => {
                    assert_ne!(digest.len(), 64, "{name}: {asked}");
                    failing += 1;
                }
                Ok(image) => {
                    let pixels = image.as_bytes().chunks_exact(4);
                    let words = pixels.clone().flat_map(|p| [p[2], p[1], p[0], p[3]]);
                    // Straight colour cannot be multiplied again without loss.
                    if pixels.clone().any(|p| !matches!(p[3], 0 | 255)) {
                        translucent += 1;
                    } else {
                        assert_eq!(
                            support::hex(words.collect::<Vec<_>>()),
                            digest,
                            "{name}: {asked}"
                        );
                        equal += 1;
                    }
                }
            }
        }
    }
    println!(
        "{slides} slides; {equal} regions equal, {translucent} with translucent pixels not compared, \
         {failing} failing in both"
    );
    assert!(equal > 500);
}

/// What `pure` knows and cannot read is left to OpenSlide, and so is what it shows as pages only.
#[test]
fn openslide_reads_what_pure_does_not() {
    let (Some(_), Some(folder)) = (driver(), support::slides()) else {
        return;
    };
    for (name, format) in [
        ("wsi/synth-aperio-jp2k-33005.svs", "aperio"),
        ("wsi/synth-philips.tiff", "philips"),
        ("wsi/synth-mirax/synth.mrxs", "mirax"),
    ] {
        let path = folder.join(name);
        if !path.exists() {
            println!("SKIP: no {name}");
            continue;
        }
        let slide = wsi::open(&path).unwrap();
        assert_eq!(slide.info().format, format, "{name}");
        let region = Region::level0(0, (0, 0), (64, 64));
        assert!(slide.read_region(&region).is_ok(), "{name}");
        let alone = wsi::open_with(&path, &OpenOptions::default().with_backend("pure"));
        assert!(alone.is_err() || alone.is_ok_and(|slide| slide.info().format == "tiff"));
    }
}

/// Geometry, properties and associated images of every test slide that both read.
#[test]
fn pure_says_the_same_of_every_slide() {
    let (Some(driver), Some(folder)) = (driver(), support::slides()) else {
        return;
    };
    if driver.version().unwrap() != "4.0.1" {
        println!("SKIP: held against OpenSlide 4.0.1");
        return;
    }
    let (mut slides, mut properties, mut images) = (0, 0, 0);
    let mut wrong = Vec::new();
    let folders = ["wsi", "tiff"].map(|name| std::fs::read_dir(folder.join(name)).unwrap());
    let paths = folders
        .into_iter()
        .flatten()
        .map(|entry| entry.unwrap().path());
    for path in paths.chain([bundled()]) {
        let options = OpenOptions::default();
        let pure = wsi::pure::PureDriver::new().open(&path, &options);
        let (Ok(pure), Ok(theirs)) = (pure, open(&driver, &path)) else {
            continue;
        };
        let ours = Slide::new(pure, &path);
        if !["aperio", "generic-tiff"].contains(&ours.info().format) {
            continue;
        }
        let mut claim = |what: &str, holds: bool| {
            if !holds {
                wrong.push(format!("{}: {what}", path.display()));
            }
        };
        let levels = ours
            .pyramid()
            .levels()
            .iter()
            .zip(theirs.pyramid().levels());
        let same_levels = ours.pyramid().len() == theirs.pyramid().len()
            && levels
                .clone()
                .all(|(a, b)| a.size == b.size && a.tile_size == b.tile_size);
        claim("levels", same_levels);
        let same = levels.map(|(a, b)| (a.downsample / b.downsample - 1.0).abs());
        claim("downsamples", same.into_iter().all(|off| off <= 1e-12));
        let (a, b) = (ours.properties().unwrap(), theirs.properties().unwrap());
        claim("properties", a == b);
        claim("mpp", ours.info().mpp == theirs.info().mpp);
        claim(
            "power",
            ours.info().objective_power == theirs.info().objective_power,
        );
        properties += a.len();
        let names = |slide: &Slide| -> Vec<(String, wsi::Size)> {
            let mut names: Vec<_> = slide
                .info()
                .associated
                .iter()
                .map(|image| (image.name.clone(), image.size))
                .collect();
            names.sort_by(|a, b| a.0.cmp(&b.0));
            names
        };
        claim("associated images", names(&ours) == names(&theirs));
        for (name, _) in names(&ours) {
            match (ours.read_associated(&name), theirs.read_associated(&name)) {
                (Ok(ours), Ok(theirs)) => {
                    claim(&name, opaque_rgba(&ours) == theirs.as_bytes());
                    images += 1;
                }
                (Err(_), Err(_)) => {}
                _ => claim(&name, false),
            }
        }
        slides += 1;
    }
    println!("{slides} slides, {properties} properties, {images} associated images compared");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(slides > 100 && images > 5);
}

/// The pixels of a picture without alpha as RGBA.
fn opaque_rgba(image: &wsi::Image) -> Vec<u8> {
    let bytes = image.as_bytes();
    match image.format() {
        PixelFormat::GRAY8 => bytes.iter().flat_map(|&v| [v, v, v, 255]).collect(),
        PixelFormat::RGB8 => bytes
            .chunks_exact(3)
            .flat_map(|p| [p[0], p[1], p[2], 255])
            .collect(),
        format => panic!("an associated image of {format}"),
    }
}

#[test]
fn slides_share_a_cache() {
    let Some(driver) = driver() else {
        return;
    };
    let driver = driver.with_cache_bytes(1 << 20);
    let region = Region::level0(0, (100, 100), (700, 500));
    let [one, other] = [(); 2].map(|()| open(&driver, &bundled()).unwrap());
    assert!(one.read_region(&region).unwrap() == other.read_region(&region).unwrap());
    drop(one);
    drop(driver);
    assert!(other.read_region(&region).is_ok());
}
