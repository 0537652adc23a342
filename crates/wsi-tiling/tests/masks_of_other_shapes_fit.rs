//! Masks with a pyramid of their own, of other sizes, in colour, of wide labels, from arrays and
//! files: labels are never interpolated, and what does not fit is refused.
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "small numbers, and the job's own truncations"
)]

mod support;

use ndarray::Array2;
use support::Computed;
use wsi_core::{ErrorKind, PixelFormat, Result, Slide};
use wsi_tiling::{
    LabelStack, LevelChoice, Mask, MemorySink, RegionChoice, Settings, Tiles, TilingJob,
};

const SIZES: [(u32, u32); 2] = [(120, 90), (60, 45)];

fn slide() -> Slide {
    Computed::picture(&SIZES, 16).open("a.svs")
}

/// Every tile of 15 pixels of level 1, which 4 x 3 of them cover.
fn tiles(mask: Mask) -> Result<Tiles> {
    let settings = Settings::default()
        .with_level(LevelChoice::Index(1))
        .with_tile_size(15)
        .with_region(RegionChoice::WholeLevel)
        .with_min_occupancy(-1.0);
    let mut sink = MemorySink::new();
    TilingJob::new(&slide())
        .with_mask(mask)
        .with_settings(settings)
        .run(&mut sink)?;
    sink.into_tiles()
}

/// The label of a pixel of the whole level.
fn label_at(tiles: &Tiles, x: usize, y: usize) -> u32 {
    let place = (y / 15 * 4 + x / 15, y % 15, x % 15);
    match &tiles.masks {
        LabelStack::U8(labels) => labels[place].into(),
        LabelStack::U16(labels) => labels[place].into(),
        LabelStack::U32(labels) => labels[place],
        _ => unreachable!("a new type of labels"),
    }
}

#[test]
fn a_smaller_mask_gives_each_pixel_the_label_under_its_centre() {
    let array = Array2::from_shape_fn((9, 12), |(y, x)| u8::try_from(x + 12 * y).expect("small"));
    let tiles = tiles(Mask::from_array(&array).expect("an array")).expect("a run");
    for y in 0..45 {
        for x in 0..60 {
            let (mx, my) = ((2 * x + 1) * 12 / 120, (2 * y + 1) * 9 / 90);
            assert_eq!(
                label_at(&tiles, x, y),
                u32::from(array[(my, mx)]),
                "({x}, {y})"
            );
        }
    }
    let first = tiles.records[0];
    let count = tiles
        .masks
        .as_u8()
        .expect("bytes")
        .index_axis(ndarray::Axis(0), 0);
    let count = count.iter().filter(|&&label| label > 0).count();
    assert_eq!(first.occupancy, count as f64 / 225.0);
}

#[test]
fn a_larger_mask_gives_its_own_pixels_too() {
    let array = Array2::from_shape_fn((180, 240), |(y, x)| (x + 1000 * y) as u32);
    let tiles = tiles(Mask::from_array(&array).expect("an array")).expect("a run");
    assert_eq!(label_at(&tiles, 7, 31), array[(31 * 4 + 2, 7 * 4 + 2)]);
}

#[test]
fn the_level_of_the_same_size_is_taken_pixel_for_pixel() {
    // Another pyramid: its level 2 has the size of the slide's level 1.
    let sizes = [(240, 180), (120, 90), (60, 45), (30, 22)];
    let mask = Computed::labels(&sizes, 32, |level, x, y| {
        if level == 2 {
            u8::try_from((x + 3 * y) % 251).expect("small")
        } else {
            255
        }
    });
    let tiles = tiles(Mask::from_slide(mask.open("m")).expect("labels")).expect("a run");
    assert_eq!(label_at(&tiles, 59, 44), 59 + 3 * 44);
}

#[test]
fn the_label_of_a_colour_is_its_first_channel() {
    let mask = Computed::new(&SIZES, 32, PixelFormat::RGB8, |_, x, y, out| {
        out.copy_from_slice(&[u8::try_from((x * y) % 7).expect("small"), 9, 9]);
    });
    let reads = mask.reads();
    let tiles = tiles(Mask::from_slide(mask.open("m")).expect("labels")).expect("a run");
    assert_eq!(label_at(&tiles, 20, 31), 20 * 31 % 7);
    assert!(!reads.lock().expect("no panic").is_empty());
}

#[test]
fn gray_is_read_as_gray() {
    // The source refuses every conversion: a read as colour would fail.
    let mask = Computed::labels(&SIZES, 32, |_, x, _| u8::from(x > 5));
    let tiles = tiles(Mask::from_slide(mask.open("m")).expect("labels")).expect("a run");
    assert_eq!((label_at(&tiles, 5, 0), label_at(&tiles, 6, 0)), (0, 1));
}

#[test]
fn wide_labels_stay_wide() {
    let mask = Computed::new(&SIZES, 32, PixelFormat::GRAY16, |_, x, y, out| {
        out.copy_from_slice(&u16::try_from(x * 500 + y).expect("16 bits").to_ne_bytes());
    });
    let tiles = tiles(Mask::from_slide(mask.open("m")).expect("labels")).expect("a run");
    assert_eq!(label_at(&tiles, 59, 44), 59 * 500 + 44);
}

#[test]
fn chosen_labels_alone_are_foreground() {
    let mask = || Computed::labels(&SIZES, 32, |_, x, _| u8::from(x >= 30) + 1).open("m");
    let count = |labels: &[u32]| {
        let mask = Mask::from_slide(mask())
            .expect("labels")
            .with_labels(labels.iter().copied());
        let settings = Settings::default()
            .with_level(LevelChoice::Index(1))
            .with_tile_size(15)
            .with_margin(0);
        let job = TilingJob::new(&slide())
            .with_mask(mask)
            .with_settings(settings)
            .run(&mut MemorySink::new());
        job.map(|report| report.tiles.len())
    };
    assert_eq!(count(&[1, 2]).expect("a run"), 12);
    assert_eq!(count(&[1]).expect("a run"), 6);
    assert_eq!(
        count(&[3]).expect_err("nothing is foreground").kind(),
        ErrorKind::InvalidArgument
    );
}

#[test]
fn another_aspect_ratio_is_refused_with_both_sizes() {
    let array = Array2::<u8>::ones((120, 90));
    let error = tiles(Mask::from_array(&array).expect("an array")).expect_err("another shape");
    assert!(error.to_string().contains("90 x 120"), "{error}");
    assert!(error.to_string().contains("120 x 90"), "{error}");
}

#[test]
fn signed_or_real_samples_are_no_labels() {
    let mask = Computed::new(&SIZES, 32, PixelFormat::GRAY_F32, |_, _, _, _| {});
    assert_eq!(
        Mask::from_slide(mask.open("m")).expect_err("floats").kind(),
        ErrorKind::Unsupported
    );
}

#[test]
fn tissue_is_found_where_no_mask_is_given() {
    let slide = Computed::new(&SIZES, 32, PixelFormat::RGB8, |_, x, y, out| {
        let dark = (30..75).contains(&x) && (30..60).contains(&y);
        out.fill(if dark { 90 } else { 240 });
    });
    let mut sink = MemorySink::new();
    let settings = Settings::default()
        .with_level(LevelChoice::Index(0))
        .with_tile_size(15)
        .with_margin(0);
    TilingJob::new(&slide.open("a"))
        .with_settings(settings)
        .run(&mut sink)
        .expect("a run");
    let tiles = sink.into_tiles().expect("tiles");
    assert_eq!(tiles.records.len(), 6);
    assert!(tiles.images.iter().all(|&sample| sample == 90));
}
