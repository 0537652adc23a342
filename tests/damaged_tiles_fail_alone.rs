//! A tile that cannot be decoded is an error that names level and tile, never white; the slide
//! stays usable, and so does every other tile.

use std::path::Path;

use wsi::pure::PureDriver;
use wsi::tiling::{LevelChoice, Mask, MemorySink, RegionChoice, Settings, TilingJob};
use wsi::{ErrorKind, OpenOptions, PixelFormat, Region, Slide};

/// The bundled slide, and the same with its tile at column 3, row 2 damaged in its middle.
fn slides() -> (Slide, Slide) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/CMU-1-Small-Region.svs");
    let mut bytes = std::fs::read(path).expect("the bundled slide");
    let open = |bytes: &[u8]| {
        let source =
            PureDriver::new().open_source(Box::new(bytes.to_vec()), &OpenOptions::default());
        Slide::new(source.expect("a slide"), "damaged.svs")
    };
    let good = open(&bytes);
    // The stored bytes of the tile at column 3, row 2, found by their content.
    let index = wsi::source::TileIndex {
        level: 0,
        plane: wsi::Plane(0),
        column: 3,
        row: 2,
    };
    let mut stored = Vec::new();
    let there = good
        .encoded_tiles()
        .expect("stored tiles")
        .read_tile(index, &mut stored);
    assert!(there.expect("a tile"));
    let found = bytes
        .windows(stored.len())
        .position(|window| window == stored);
    let start = found.expect("the tile's bytes") + stored.len() / 2;
    bytes[start..start + 40].fill(0xFF);

    let damaged = open(&bytes);
    (good, damaged)
}

#[test]
fn a_damaged_tile_fails_and_its_neighbours_do_not() {
    let (good, damaged) = slides();
    let tile = Region::at_level(0, (3 * 240, 2 * 240), (240, 240));
    for _ in 0..2 {
        let error = damaged.read_region(&tile).expect_err("a damaged tile");
        assert_eq!(error.kind(), ErrorKind::Corrupt);
        assert_eq!((error.level(), error.tile()), (Some(0), Some((3, 2))));
        let message = error.to_string();
        assert!(
            message.starts_with("damaged.svs: level 0, tile (3, 2): corrupt: "),
            "{message}"
        );
    }
    for (column, row) in [(2, 2), (4, 2), (3, 1), (3, 3)] {
        let region = Region::at_level(0, (column * 240, row * 240), (240, 240));
        let (a, b) = (good.read_region(&region), damaged.read_region(&region));
        assert_eq!(a.expect("a tile").as_bytes(), b.expect("a tile").as_bytes());
    }
    assert!(
        damaged.read_level(0, PixelFormat::RGB8).is_err(),
        "never silent white"
    );
}

#[test]
fn a_tiling_run_lacks_the_tiles_that_need_what_is_damaged() {
    let (good, damaged) = slides();
    let settings = Settings::default()
        .with_level(LevelChoice::Index(0))
        .with_region(RegionChoice::WholeLevel)
        .with_tile_size(90)
        .with_min_occupancy(-1.0);
    let run = |slide: &Slide| {
        let mut sink = MemorySink::new();
        let job = TilingJob::new(slide).with_mask(Mask::whole(slide).expect("a mask"));
        let report = job.with_settings(settings.clone()).run(&mut sink);
        (report.expect("a run"), sink.into_tiles().expect("tiles"))
    };
    let (report, expected) = run(&good);
    assert!(report.failed.is_empty());
    let (report, tiles) = run(&damaged);
    // A tile that needs the upper part of the damaged one alone can be read.
    let (_, one_by_one) = slides();
    let fails = |origin: wsi::Point| {
        let region = Region::at_level(0, origin, (90, 90));
        one_by_one.read_region(&region).is_err()
    };
    let failed: Vec<_> = report.failed.iter().map(|tile| tile.origin).collect();
    let all = expected.records.iter().map(|record| record.origin);
    let needed: Vec<_> = all.filter(|&origin| fails(origin)).collect();
    assert!((4..=16).contains(&failed.len()), "{failed:?}");
    assert_eq!(failed, needed);
    for tile in &report.failed {
        assert_eq!(tile.error.tile(), Some((3, 2)), "{}", tile.error);
    }
    assert_eq!(tiles.records.len() + failed.len(), expected.records.len());
    let undamaged: Vec<_> = expected.images.outer_iter().collect();
    for (record, image) in tiles.records.iter().zip(tiles.images.outer_iter()) {
        assert_eq!(image, undamaged[record.index]);
    }
}
