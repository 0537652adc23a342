//! Tiles that are streamed equal those of the published job over whole arrays, whatever the
//! geometry, and whatever the number of threads.
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "small numbers, and the job's own truncations"
)]

mod support;

use std::num::NonZeroUsize;

use proptest::prelude::*;
use support::{Computed, Plain, PlainTile, plain_job};
use wsi_core::{ErrorKind, Slide};
use wsi_tiling::{LevelChoice, Mask, MemorySink, Settings, TilingJob};

fn streamed(slide: &Slide, mask: &Slide, job: Plain, threads: usize) -> Option<Vec<PlainTile>> {
    let settings = Settings::default()
        .with_level(LevelChoice::Index(job.level))
        .with_tile_size(u32::try_from(job.tile).expect("small"))
        .with_margin(u32::try_from(job.margin).expect("small"))
        .with_min_occupancy(job.threshold);
    let mut sink = MemorySink::new();
    let run = TilingJob::new(slide)
        .with_mask(Mask::from_slide(mask.clone()).expect("labels"))
        .with_settings(settings)
        .with_threads(NonZeroUsize::new(threads))
        .run(&mut sink);
    if let Err(error) = run {
        assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{error}");
        return None;
    }
    let tiles = sink.into_tiles().expect("a finished run");
    let labels = tiles.masks.as_u8().expect("labels of 8 bits");
    let tile = |(index, record): (usize, &wsi_tiling::TileRecord)| PlainTile {
        origin: record.origin,
        occupancy: record.occupancy,
        image: tiles
            .images
            .index_axis(ndarray::Axis(0), index)
            .iter()
            .copied()
            .collect(),
        labels: labels
            .index_axis(ndarray::Axis(0), index)
            .iter()
            .copied()
            .collect(),
    };
    Some(tiles.records.iter().enumerate().map(tile).collect())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn streamed_tiles_are_the_plain_jobs(
        (width, height) in (40_u32..400, 40_u32..400),
        (second, third) in (2.0_f64..4.5, 1.5_f64..3.0),
        level in 0_usize..3,
        tile in 5_i64..90,
        margin in 0_i64..12,
        threshold in prop_oneof![Just(0.0), Just(0.5), -0.1..0.9_f64],
        stored in prop_oneof![Just((0_u32, 0_u32)), (16_u32..80, 16_u32..80)],
        seed in any::<u32>(),
    ) {
        let shrink = |length: u32, by: f64| ((f64::from(length) / by) as u32).max(1);
        let middle = (shrink(width, second), shrink(height, second));
        let sizes = [(width, height), middle, (shrink(middle.0, third), shrink(middle.1, third))];
        let slide = Computed::picture(&sizes, stored.0).open("a.svs");
        let mask = Computed::labels(&sizes, stored.1, move |level, x, y| {
            let scale = f64::from(sizes[level].0) / f64::from(sizes[0].0);
            let cell = |at: u32| (f64::from(at) / scale / 37.0) as u32;
            let mixed = (cell(x) * 31 + cell(y) * 17).wrapping_add(seed).wrapping_mul(2_654_435_761);
            u8::try_from(mixed >> 30).unwrap_or(0)
        })
        .open("a_mask.tiff");
        let job = Plain { level, tile, margin, threshold };
        let plain = plain_job(&slide, &mask, job);
        for threads in [1, 3] {
            let streamed = streamed(&slide, &mask, job, threads);
            prop_assert_eq!(streamed.as_ref().map(Vec::len), plain.as_ref().map(Vec::len));
            for (number, (ours, plain)) in streamed.iter().flatten().zip(plain.iter().flatten()).enumerate() {
                let what = format!("tile {number} with {threads} threads");
                prop_assert_eq!((ours.origin, ours.occupancy), (plain.origin, plain.occupancy), "{}", &what);
                prop_assert!(ours.image == plain.image, "pixels of {}", &what);
                prop_assert!(ours.labels == plain.labels, "labels of {}", &what);
            }
        }
    }
}

#[test]
fn a_tile_is_kept_if_it_holds_strictly_more_than_the_threshold() {
    // One tile of 10 x 10 with 25 foreground pixels.
    let slide = Computed::picture(&[(10, 10)], 0).open("a.svs");
    let mask = Computed::labels(&[(10, 10)], 0, |_, x, y| u8::from(x < 5 && y < 5)).open("m");
    let job = |threshold| Plain {
        level: 0,
        tile: 10,
        margin: 10,
        threshold,
    };
    assert_eq!(
        streamed(&slide, &mask, job(0.25), 1).expect("a mask").len(),
        0
    );
    assert_eq!(
        streamed(&slide, &mask, job(0.249_999), 1)
            .expect("a mask")
            .len(),
        1
    );
}

#[test]
fn padding_puts_the_first_tile_left_of_the_slide() {
    let slide = Computed::picture(&[(100, 60), (25, 15)], 8).open("a.svs");
    let mask = Computed::labels(&[(100, 60), (25, 15)], 8, |_, _, _| 1).open("m");
    let job = Plain {
        level: 1,
        tile: 10,
        margin: 3,
        threshold: 0.05,
    };
    let tiles = streamed(&slide, &mask, job, 2).expect("a mask");
    // 25 x 15 is padded by 5: 2 before, so -2 pixels of level 1, which are -8 of level 0.
    assert_eq!(tiles[0].origin, wsi_core::Point::new(-8, -8));
    assert_eq!(
        wsi_tiling::TileRecord::name_at(tiles[0].origin),
        "-0008x_-0008y"
    );
    assert_eq!(tiles[0].image[..3], [255; 3]);
    assert_eq!(tiles[0].labels[..22], [0; 22]);
    assert_eq!(tiles[0].labels[2 * 10 + 2], 1);
}
