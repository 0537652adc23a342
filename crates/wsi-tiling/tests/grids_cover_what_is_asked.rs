//! Plain grids, strides, other paddings, and levels chosen by pixel size.
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "small numbers, and the job's own truncations"
)]

mod support;

use std::collections::BTreeSet;

use support::{Computed, pair};
use wsi_core::{Point, Rect};
use wsi_tiling::{LevelChoice, Mask, MemorySink, Padding, RegionChoice, Settings, TilingJob};

fn plain(size: u32) -> Settings {
    Settings::default()
        .with_level(LevelChoice::Index(0))
        .with_tile_size(size)
        .with_region(RegionChoice::WholeLevel)
        .with_min_occupancy(-1.0)
}

#[test]
fn a_plain_grid_covers_the_whole_level() {
    let slide = Computed::picture(&[(100, 70)], 16).open("a");
    let mask = || Mask::whole(&slide).expect("a mask");
    let run = |settings| {
        let job = TilingJob::new(&slide)
            .with_mask(mask())
            .with_settings(settings);
        job.run(&mut MemorySink::new()).expect("a run")
    };
    let report = run(plain(30).with_padding(Padding::After));
    assert_eq!((report.tiles_total, report.tiles.len()), (12, 12));
    assert_eq!(report.tiles[0].origin, Point::new(0, 0));
    assert_eq!(report.tiles[0].occupancy, 1.0);
    assert_eq!(report.tiles[11].origin, Point::new(90, 60));
    assert_eq!(report.tiles[11].occupancy, 100.0 / 900.0);
    assert_eq!(run(plain(30).with_padding(Padding::None)).tiles_total, 6);
    let overlapping = run(plain(30).with_stride(10).with_padding(Padding::None));
    assert_eq!(
        (overlapping.grid.columns(), overlapping.grid.rows()),
        (8, 5)
    );
    assert_eq!(overlapping.tiles[1].origin, Point::new(10, 0));
}

#[test]
fn overlapping_tiles_are_windows_of_the_same_picture() {
    let slide = Computed::picture(&[(100, 70)], 16).open("a");
    let level = slide
        .read_level(0, wsi_core::PixelFormat::RGB8)
        .expect("readable");
    let mut sink = MemorySink::new();
    TilingJob::new(&slide)
        .with_mask(Mask::whole(&slide).expect("a mask"))
        .with_settings(plain(24).with_stride(7).with_padding(Padding::None))
        .run(&mut sink)
        .expect("a run");
    let tiles = sink.into_tiles().expect("tiles");
    for (record, image) in tiles.records.iter().zip(tiles.images.outer_iter()) {
        for (y, row) in (record.origin.y..).zip(image.outer_iter()) {
            let start = record.origin.x as usize * 3;
            assert!(row.iter().eq(&level.row(y as u32)[start..start + 72]));
        }
    }
}

#[test]
fn a_target_pixel_size_takes_the_nearest_level_and_says_which() {
    let sizes = [(400, 400), (100, 100), (25, 25)];
    let slide = Computed::picture(&sizes, 16).with_mpp(0.25).open("a");
    let settings = plain(25).with_level(LevelChoice::Mpp(0.8));
    let job = TilingJob::new(&slide).with_mask(Mask::whole(&slide).expect("a mask"));
    let report = job
        .with_settings(settings)
        .run(&mut MemorySink::new())
        .expect("a run");
    assert_eq!(report.region.level, 1);
    assert_eq!(report.mpp.expect("known").x, 1.0);
    assert!(
        report
            .to_string()
            .contains("at 1.0000 micrometres per pixel"),
        "{report}"
    );
}

#[test]
fn only_stored_tiles_that_kept_tiles_touch_are_read_each_once_in_file_order() {
    let slide = Computed::picture(&[(512, 512)], 64);
    let reads = slide.reads();
    let slide = slide.open("a");
    let mask = Computed::labels(&[(512, 512)], 32, |_, x, y| {
        u8::from(x / 100 == 1 && y / 100 == 2)
    });
    let mask_reads = mask.reads();
    let mask = Mask::from_slide(mask.open("m")).expect("labels");
    let settings = plain(50).with_min_occupancy(0.05);
    let report = TilingJob::new(&slide)
        .with_mask(mask)
        .with_settings(settings)
        .with_threads(std::num::NonZeroUsize::new(1))
        .run(&mut MemorySink::new())
        .expect("a run");
    assert!(!report.tiles.is_empty());
    let reads: Vec<Rect> = reads
        .lock()
        .expect("no panic")
        .iter()
        .map(|read| read.1)
        .collect();
    let distinct: BTreeSet<_> = reads
        .iter()
        .map(|rect| (rect.origin.y, rect.origin.x))
        .collect();
    assert_eq!(distinct.len(), reads.len(), "each once");
    assert!(
        reads
            .iter()
            .map(|rect| (rect.origin.y, rect.origin.x))
            .is_sorted(),
        "in file order"
    );
    for rect in reads {
        let touched = report.tiles.iter().any(|tile| {
            Rect::new(tile.origin, (50, 50))
                .intersection(rect)
                .is_some()
        });
        assert!(touched, "{rect:?} for nothing");
    }
    // The mask: once for its foreground's box, once for the tiles.
    assert_eq!(mask_reads.lock().expect("no panic").len(), 2 * 16 * 16);
}

#[test]
fn progress_ends_with_everything_done() {
    let (slide, mask) = pair();
    let last = std::sync::Mutex::new(wsi_tiling::Progress::default());
    let report = TilingJob::new(&slide)
        .with_mask(Mask::from_slide(mask).expect("labels"))
        .with_settings(plain(50).with_min_occupancy(0.1))
        .with_progress(|now| {
            let mut last = last.lock().expect("no panic");
            if now.tiles_examined + now.tiles_done >= last.tiles_examined + last.tiles_done {
                *last = now;
            }
        })
        .run(&mut MemorySink::new())
        .expect("a run");
    let last = last.into_inner().expect("no panic");
    assert_eq!(last.tiles_total, report.tiles_total);
    assert_eq!(last.tiles_examined, report.tiles_total);
    assert_eq!(last.tiles_done, report.tiles.len() as u64);
}

#[test]
fn the_overview_shows_where_tiles_were_kept() {
    let white = Computed::new(
        &[(400, 200)],
        64,
        wsi_core::PixelFormat::RGB8,
        |_, _, _, out| {
            out.fill(255);
        },
    );
    let slide = white.open("a");
    let mask = Computed::labels(&[(400, 200)], 64, |_, x, _| u8::from(x < 100)).open("m");
    let report = TilingJob::new(&slide)
        .with_mask(Mask::from_slide(mask).expect("labels"))
        .with_settings(plain(100).with_min_occupancy(0.5))
        .run(&mut MemorySink::new())
        .expect("a run");
    let picture = wsi_tiling::draw_overview(&slide, &report, 100).expect("a picture");
    assert_eq!(picture.size(), wsi_core::Size::new(100, 50));
    let at = |x: usize, y: u32| &picture.row(y)[x * 3..x * 3 + 3];
    assert_eq!(at(0, 10), [0, 150, 60]);
    assert_eq!(at(60, 10), [255; 3]);
}
