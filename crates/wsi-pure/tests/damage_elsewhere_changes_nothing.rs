//! What of a damaged tile can be read is read on every visit, and not on the first alone.

use std::path::Path;

use wsi_core::source::TileIndex;
use wsi_core::{ErrorKind, Limits, OpenOptions, Plane, Region, Slide};
use wsi_pure::PureDriver;

fn open(bytes: &[u8], cache: usize) -> Slide {
    let options = OpenOptions::default().with_limits(Limits::default());
    let source =
        PureDriver::with_cache_bytes(cache).open_source(Box::new(bytes.to_vec()), &options);
    Slide::new(source.expect("a slide"), "damaged")
}

#[test]
fn the_part_before_the_damage_is_read_again() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/CMU-1-Small-Region.svs");
    let mut bytes = std::fs::read(path).expect("the bundled slide");
    let whole = open(&bytes, 1 << 20);
    let tile = whole
        .pyramid()
        .level(0)
        .expect("a level")
        .tile_size
        .expect("tiles");
    let mut stored = Vec::new();
    let index = TileIndex {
        level: 0,
        plane: Plane::default(),
        column: 1,
        row: 1,
    };
    let tiles = whole.encoded_tiles().expect("stored tiles");
    assert!(tiles.read_tile(index, &mut stored).expect("a tile"));
    let at = bytes
        .windows(stored.len())
        .position(|window| window == stored)
        .expect("the tile in the file");
    // The picture ends there.
    let cut = at + stored.len() * 3 / 4;
    bytes[cut..cut + 2].copy_from_slice(&[0xFF, 0xD9]);

    let corner = (i64::from(tile.width), i64::from(tile.height));
    for cache in [0, 1 << 20] {
        let damaged = open(&bytes, cache);
        let upper = Region::at_level(0, corner, (tile.width, 40));
        let right = whole.read_region(&upper).expect("pixels");
        for visit in 1..5 {
            let read = damaged
                .read_region(&upper)
                .expect("the part before the damage");
            assert!(read.as_bytes() == right.as_bytes(), "visit {visit}");
        }
        let all = damaged.read_region(&Region::at_level(0, corner, tile));
        let error = all.expect_err("damage");
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
        assert!(damaged.read_region(&upper).is_ok());
    }
}
