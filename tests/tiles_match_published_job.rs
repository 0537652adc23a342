//! The tiles of the published job are those of an independent implementation over OpenSlide:
//! `fixtures/published_job/expected.txt`, made by `tests/oracle/make_expected.py`.
//!
//! Cases of the bundled slide always run. Those of the large slides run where
//! `cargo xtask fixtures` wrote these; at their level 0 only with `WSI_LONG_TESTS=1`.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use sha2::{Digest, Sha256};
use wsi::Result;
use wsi::tiling::{
    FailedTile, LevelChoice, Mask, Plan, Report, Settings, Tile, TileRecord, TileSink, TilingJob,
};

#[test]
fn default_job_of_the_bundled_slide_is_the_listed_one() {
    let expected = read("fixtures/published_job/default_job.txt");
    let case = cases().remove(0);
    assert_eq!(case["slide"], "CMU-1-Small-Region.svs");
    let (_, listing) = run(&case, None).expect("the bundled slide");
    for (ours, theirs) in listing.lines().zip(expected.lines()) {
        assert_eq!(ours, theirs);
    }
    assert_eq!(listing.lines().count(), expected.lines().count());
}

#[test]
fn every_case_has_the_oracles_tiles() {
    let long = std::env::var_os("WSI_LONG_TESTS").is_some_and(|value| value == "1");
    let mut skipped = 0;
    for case in cases() {
        let large = !case["slide"].starts_with("CMU");
        if large && case["level"] == "0" && !long {
            skipped += 1;
            continue;
        }
        let Some((report, listing)) = run(&case, None) else {
            skipped += 1;
            continue;
        };
        compare(&case, &report, &listing);
    }
    if skipped > 0 {
        println!("SKIP: {skipped} cases of slides that are not here, or take long");
    }
}

#[test]
fn one_thread_makes_the_same_tiles() {
    let case = cases().remove(0);
    let (report, listing) = run(&case, NonZeroUsize::new(1)).expect("the bundled slide");
    compare(&case, &report, &listing);
}

type Case = BTreeMap<String, String>;

fn cases() -> Vec<Case> {
    read("fixtures/published_job/expected.txt")
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| {
            let pairs = line
                .split(' ')
                .map(|pair| pair.split_once('=').expect("key=value"));
            pairs
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
                .collect()
        })
        .collect()
}

fn compare(case: &Case, report: &Report, listing: &str) {
    let (roi, grid) = (report.region.on_level, report.grid);
    let found = [
        (
            "roi",
            format!(
                "{},{},{},{}",
                roi.origin.x, roi.origin.y, roi.size.width, roi.size.height
            ),
        ),
        (
            "pad",
            format!(
                "{},{},{},{}",
                grid.before().x,
                grid.before().y,
                grid.after().x,
                grid.after().y
            ),
        ),
        ("tiles", report.tiles_total.to_string()),
        ("kept", report.tiles.len().to_string()),
        ("digest", hex(listing.as_bytes())),
    ];
    for (key, value) in found {
        assert_eq!(value, case[key], "{key} of {case:?}");
    }
}

/// The canonical listing of a case; nothing if its slide is not here.
fn run(case: &Case, threads: Option<NonZeroUsize>) -> Option<(Report, String)> {
    let (slide, mask) = (path_of(&case["slide"])?, path_of(&case["mask"])?);
    let number = |key: &str| case[key].parse::<u32>().expect("a number");
    let settings = Settings::default()
        .with_level(LevelChoice::Index(number("level") as usize))
        .with_tile_size(number("tile_size"))
        .with_margin(number("margin"))
        .with_min_occupancy(case["threshold"].parse().expect("a share"));
    let slide = wsi::open(slide).expect("the slide opens");
    let mask = Mask::from_slide(wsi::open(mask).expect("the mask opens")).expect("labels");
    let job = TilingJob::new(&slide)
        .with_mask(mask)
        .with_settings(settings)
        .with_threads(threads);
    let mut sink = Listing::default();
    let report = job.run(&mut sink).expect("the job runs");
    assert!(report.failed.is_empty(), "{:?}", report.failed);
    Some((report, sink.text))
}

/// Hashes tiles and lists them in order.
#[derive(Default)]
struct Listing {
    hashes: Mutex<BTreeMap<usize, String>>,
    tile_size: u32,
    text: String,
}

impl TileSink for Listing {
    fn begin(&mut self, plan: &Plan) -> Result<()> {
        self.tile_size = plan.tile_size;
        Ok(())
    }

    fn write(&self, tile: &Tile<'_>) -> Result<()> {
        let hashes = format!("{} {}", hex(tile.labels), hex(tile.image));
        self.hashes
            .lock()
            .expect("no panic")
            .insert(tile.record.index, hashes);
        Ok(())
    }

    fn finish(&mut self, tiles: &[TileRecord], _: &[FailedTile]) -> Result<()> {
        let hashes = self.hashes.get_mut().expect("no panic");
        let area = f64::from(self.tile_size) * f64::from(self.tile_size);
        for tile in tiles {
            let count = (tile.occupancy * area).round();
            let (x, y) = (tile.origin.x, tile.origin.y);
            writeln!(
                self.text,
                "{} {x} {y} {count} {}",
                tile.name(),
                hashes[&tile.index]
            )
            .expect("text in memory");
        }
        Ok(())
    }
}

fn hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

fn path_of(name: &str) -> Option<PathBuf> {
    let folder = if name.starts_with("CMU") {
        "fixtures"
    } else {
        "target/fixtures"
    };
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join(folder)
        .join(name);
    path.exists().then_some(path)
}

fn read(name: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).expect(name)
}
