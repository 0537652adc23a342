//! A run that was stopped goes on where it ended and ends up as if it had not been stopped; a
//! folder of another run is left alone.
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "small numbers, and the job's own truncations"
)]

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use support::{files, pair};
use wsi_core::{Error, ErrorKind, Result};
use wsi_tiling::{
    FailedTile, LevelChoice, Mask, NpyFolder, Plan, PngFolder, Report, Settings, Tile, TileRecord,
    TileSink, TilingJob,
};

fn settings() -> Settings {
    Settings::default()
        .with_level(LevelChoice::Index(1))
        .with_tile_size(32)
        .with_margin(2)
}

fn run(sink: &mut dyn TileSink, settings: Settings, threads: usize) -> Result<Report> {
    let (slide, mask) = pair();
    TilingJob::new(&slide)
        .with_mask(Mask::from_slide(mask)?)
        .with_settings(settings)
        .with_threads(NonZeroUsize::new(threads))
        .run(sink)
}

fn undisturbed(out: &Path) -> BTreeMap<String, Vec<u8>> {
    run(&mut PngFolder::new(out), settings(), 2).expect("a run");
    files(out)
}

/// A sink whose disk is full after some tiles.
struct Full<S> {
    inner: S,
    left: AtomicUsize,
}

impl<S: TileSink> TileSink for Full<S> {
    fn begin(&mut self, plan: &Plan) -> Result<()> {
        self.inner.begin(plan)
    }

    fn has(&self, tile: &TileRecord) -> bool {
        self.inner.has(tile)
    }

    fn write(&self, tile: &Tile<'_>) -> Result<()> {
        let left = self
            .left
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| {
                left.checked_sub(1)
            });
        match left {
            Ok(_) => self.inner.write(tile),
            Err(_) => Err(Error::new(ErrorKind::Io, "no space left").at_path(tile.record.name())),
        }
    }

    fn finish(&mut self, tiles: &[TileRecord], failed: &[FailedTile]) -> Result<()> {
        self.inner.finish(tiles, failed)
    }

    fn abandon(&mut self) {
        self.inner.abandon();
    }
}

#[test]
fn one_thread_writes_the_same_bytes_as_many() {
    let folder = tempfile::tempdir().expect("a folder");
    let many = undisturbed(&folder.path().join("many"));
    let one = folder.path().join("one");
    run(&mut PngFolder::new(&one), settings(), 1).expect("a run");
    assert!(files(&one) == many);
    assert!(many.keys().any(|name| name.ends_with("_mask.png")));
    assert!(!many.keys().any(|name| name.contains(".partial")));
}

#[test]
fn a_full_disk_ends_the_run_and_the_next_one_goes_on() {
    let folder = tempfile::tempdir().expect("a folder");
    let expected = undisturbed(&folder.path().join("undisturbed"));
    let out = folder.path().join("out");
    for tiles in [0, 3, 10] {
        let inner = PngFolder::new(&out);
        let mut full = Full {
            inner,
            left: AtomicUsize::new(tiles),
        };
        let error = run(&mut full, settings(), 2).expect_err("a full disk");
        assert_eq!(error.kind(), ErrorKind::Io);
        assert!(error.path().is_some());
        assert!(!out.join("pair/.partial").exists());
        assert!(!out.join("pair/dataset.csv").exists());
    }
    let report = run(&mut PngFolder::new(&out), settings(), 2).expect("a run");
    assert_eq!(report.tiles_resumed, 13);
    assert!(files(&out) == expected);
}

#[test]
fn whatever_a_killed_run_left_the_next_one_completes() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path();
    let expected = undisturbed(out);
    let images = out.join("pair/train_images");
    let first = fs::read_dir(&images)
        .expect("images")
        .next()
        .expect("one")
        .expect("one")
        .path();
    fs::remove_file(first).expect("a file");
    fs::create_dir(out.join("pair/.partial")).expect("a folder");
    fs::write(out.join("pair/.partial/00000x_00000y.png"), b"half").expect("a file");
    fs::remove_file(out.join("pair/dataset.csv")).expect("a file");
    fs::remove_file(out.join("dataset.csv")).expect("a file");
    let report = run(&mut PngFolder::new(out), settings(), 2).expect("a run");
    assert_eq!(report.tiles_resumed as usize, report.tiles.len() - 1);
    assert!(files(out) == expected);

    // Killed before anything but folders was there.
    for name in ["settings.json", "dataset.csv", "failed_tiles.csv"] {
        fs::remove_file(out.join("pair").join(name)).expect("a file");
    }
    fs::remove_dir_all(&images).expect("a folder");
    fs::remove_dir_all(out.join("pair/train_label_masks")).expect("a folder");
    fs::create_dir(out.join("pair/.partial")).expect("a folder");
    run(&mut PngFolder::new(out), settings(), 2).expect("a run");
    assert!(files(out) == expected);
}

#[test]
fn stacks_start_again_until_they_are_whole() {
    let folder = tempfile::tempdir().expect("a folder");
    let (whole, out) = (folder.path().join("whole"), folder.path().join("out"));
    run(&mut NpyFolder::new(&whole), settings(), 2).expect("a run");
    let mut full = Full {
        inner: NpyFolder::new(&out),
        left: AtomicUsize::new(5),
    };
    run(&mut full, settings(), 2).expect_err("a full disk");
    assert!(!out.join("pair/images.npy").exists());
    run(&mut NpyFolder::new(&out), settings(), 2).expect("a run");
    assert!(files(&out) == files(&whole));
    let again = run(&mut NpyFolder::new(&out), settings(), 2).expect("a run");
    assert_eq!(again.tiles_resumed as usize, again.tiles.len());
    assert!(files(&out) == files(&whole));
}

#[test]
fn other_settings_are_refused_with_both_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let before = undisturbed(folder.path());
    let other = settings().with_min_occupancy(0.5);
    let error = run(&mut PngFolder::new(folder.path()), other.clone(), 2).expect_err("another run");
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    let text = error.to_string();
    assert!(
        text.contains("min_occupancy was `0.05` and is now `0.5`"),
        "{text}"
    );
    let error = run(&mut NpyFolder::new(folder.path()), settings(), 2).expect_err("another sink");
    assert!(error.to_string().contains("save was `png`"), "{error}");
    assert!(files(folder.path()) == before);

    let notes = folder.path().join("pair/notes.txt");
    fs::write(&notes, b"mine").expect("a file");
    run(
        &mut PngFolder::new(folder.path()).with_overwrite(true),
        other.clone(),
        2,
    )
    .expect("a run");
    let mut overwritten = files(folder.path());
    assert_eq!(overwritten.remove("pair/notes.txt"), Some(b"mine".to_vec()));
    let fresh = tempfile::tempdir().expect("a folder");
    run(&mut PngFolder::new(fresh.path()), other, 2).expect("a run");
    assert!(overwritten == files(fresh.path()));
}

#[test]
fn a_folder_of_somebody_else_is_left_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::create_dir(folder.path().join("pair")).expect("a folder");
    fs::write(folder.path().join("pair/thesis.txt"), b"mine").expect("a file");
    let error = run(&mut PngFolder::new(folder.path()), settings(), 2).expect_err("not ours");
    assert!(error.to_string().contains("thesis.txt"), "{error}");
    assert_eq!(files(folder.path()).len(), 2);
}

#[test]
fn a_file_that_cannot_be_written_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let expected = undisturbed(&folder.path().join("undisturbed"));
    let out = folder.path().join("out");
    let name = expected
        .keys()
        .find(|name| name.ends_with("y.png"))
        .expect("a tile");
    fs::create_dir_all(out.join(name)).expect("a folder in the way");
    let settings_json = expected["pair/settings.json"].clone();
    fs::write(out.join("pair/settings.json"), settings_json).expect("a file");
    let error = run(&mut PngFolder::new(&out), settings(), 2).expect_err("a folder in the way");
    assert_eq!(error.kind(), ErrorKind::Io);
    assert_eq!(error.path(), Some(&*out.join(name)));
}

#[test]
fn an_empty_mask_is_reported_and_leaves_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let (slide, _) = pair();
    let empty = Mask::from_array(&ndarray::Array2::<u8>::zeros((80, 100))).expect("an array");
    let out = folder.path().join("out");
    let error = TilingJob::new(&slide)
        .with_mask(empty)
        .with_settings(settings())
        .run(&mut PngFolder::new(&out))
        .expect_err("nothing to cut");
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    assert!(error.to_string().contains("empty"), "{error}");
    assert!(!out.exists());
}

#[test]
fn lists_of_all_slides_are_merged_by_name() {
    let folder = tempfile::tempdir().expect("a folder");
    let (slide, _) = pair();
    for id in ["b, with a comma", "a"] {
        let mask = Mask::whole(&slide).expect("a mask");
        let job = TilingJob::new(&slide)
            .with_mask(mask)
            .with_settings(settings());
        job.with_slide_id(id)
            .run(&mut PngFolder::new(folder.path()))
            .expect("a run");
    }
    let found = files(folder.path());
    let own = |id: &str| {
        let text = String::from_utf8(found[&format!("{id}/dataset.csv")].clone()).expect("text");
        text.split_once('\n')
            .map(|(_, rows)| rows.to_owned())
            .expect("a header")
    };
    let merged = String::from_utf8(found["dataset.csv"].clone()).expect("text");
    let rows = merged
        .split_once('\n')
        .map(|(_, rows)| rows.to_owned())
        .expect("a header");
    assert_eq!(rows, own("a") + &own("b, with a comma"));
    assert!(rows.contains("\"b, with a comma\""));
    let bad = TilingJob::new(&slide)
        .with_slide_id("../up")
        .run(&mut PngFolder::new(folder.path()));
    assert!(bad.is_err());
}
