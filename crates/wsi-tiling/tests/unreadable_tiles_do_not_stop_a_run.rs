//! A stored tile that cannot be decoded costs the tiles that need it, and nothing else.
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "small numbers, and the job's own truncations"
)]

mod support;

use support::{Computed, files};
use wsi_core::Rect;
use wsi_tiling::{LevelChoice, Mask, MemorySink, NpyFolder, PngFolder, Settings, TilingJob};

const SIZES: [(u32, u32); 1] = [(120, 90)];

fn settings() -> Settings {
    Settings::default()
        .with_level(LevelChoice::Index(0))
        .with_tile_size(15)
        .with_margin(0)
}

#[test]
fn tiles_that_touch_a_broken_stored_tile_are_listed_and_the_rest_is_made() {
    for stored in [32, 0] {
        let whole = Computed::picture(&SIZES, stored).open("a.svs");
        // Pixels 32..40 x 32..40 of a stored tile: tiles at 30 alone, in both directions.
        let broken = Rect::new((32, 32), (8, 8));
        let slide = Computed::picture(&SIZES, stored)
            .with_broken(0, broken)
            .open("a.svs");
        let run = |slide| {
            let mut sink = MemorySink::new();
            let job = TilingJob::new(slide).with_mask(Mask::whole(slide).expect("a mask"));
            let report = job
                .with_settings(settings())
                .run(&mut sink)
                .expect("the run goes on");
            (report, sink.into_tiles().expect("tiles"))
        };
        let (_, good) = run(&whole);
        let (report, tiles) = run(&slide);
        assert_eq!(report.failed.len(), 1);
        assert_eq!((report.failed[0].column, report.failed[0].row), (2, 2));
        assert!(
            report.failed[0]
                .error
                .to_string()
                .contains("broken on purpose")
        );
        assert_eq!(tiles.records.len(), 8 * 6 - 1);
        for (record, image) in tiles.records.iter().zip(tiles.images.outer_iter()) {
            assert_eq!(
                image,
                good.images.index_axis(ndarray::Axis(0), record.index)
            );
        }
    }
}

#[test]
fn unreadable_labels_cost_their_tiles_alone() {
    let slide = Computed::picture(&SIZES, 32).open("a.svs");
    let mask = Computed::labels(&[(120, 90), (60, 45)], 16, |_, _, _| 1)
        .with_broken(0, Rect::new((0, 0), (10, 10)));
    let report = TilingJob::new(&slide)
        .with_mask(Mask::from_slide(mask.open("m")).expect("labels"))
        .with_settings(settings())
        .run(&mut MemorySink::new())
        .expect("the run goes on");
    assert_eq!((report.tiles.len(), report.failed.len()), (47, 1));
    assert_eq!((report.failed[0].column, report.failed[0].row), (0, 0));
}

#[test]
fn lists_and_stacks_leave_out_what_failed_and_a_later_run_makes_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let broken = Rect::new((40, 40), (1, 1));
    let bad = Computed::picture(&SIZES, 32)
        .with_broken(0, broken)
        .open("a.svs");
    let good = Computed::picture(&SIZES, 32).open("a.svs");
    let run = |slide, name: &str| {
        let mask = Mask::whole(slide).expect("a mask");
        let job = TilingJob::new(slide)
            .with_mask(mask)
            .with_settings(settings());
        let png = job.run(&mut PngFolder::new(folder.path().join(name)));
        let npy = job.run(&mut NpyFolder::new(folder.path().join(name).join("npy")));
        (png.expect("a run"), npy.expect("a run"))
    };
    run(&bad, "mended");
    let listed = files(&folder.path().join("mended"));
    assert_eq!(listed["a/failed_tiles.csv"], b"tile_id\na.00030x_00030y\n");
    let rows = |name: &str| listed[name].iter().filter(|&&byte| byte == b'\n').count();
    assert_eq!((rows("a/dataset.csv"), rows("npy/a/dataset.csv")), (48, 48));
    assert_eq!(listed["npy/a/images.npy"].len(), 128 + 47 * 15 * 15 * 3);

    let (png, npy) = run(&good, "mended");
    assert_eq!((png.tiles_resumed, npy.tiles_resumed), (47, 0));
    run(&good, "undisturbed");
    assert!(files(&folder.path().join("mended")) == files(&folder.path().join("undisturbed")));
}
