//! Label masks read in their own values at every level, never through colour; tiles that the file
//! leaves out are label 0.

#![allow(clippy::print_stdout, reason = "the counts are what people read")]

use std::path::Path;

use sha2::{Digest, Sha256};
use wsi::pure::PureDriver;
use wsi::{OpenOptions, PixelFormat, Region, Slide};

mod support;

const BUNDLED: &str = "fixtures/CMU-1-Small-Region_mask.tiff";

fn bundled() -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(BUNDLED);
    std::fs::read(path).expect("the bundled mask")
}

fn open(bytes: Vec<u8>) -> Slide {
    let source = PureDriver::new().open_source(Box::new(bytes), &OpenOptions::default());
    Slide::new(source.expect("a mask"), "mask")
}

/// Where the values of a tag of the first directory stand, in a classic little-endian file.
fn values_of(bytes: &[u8], tag: u16) -> (usize, usize) {
    let u16_at = |at: usize| u16::from_le_bytes([bytes[at], bytes[at + 1]]);
    let u32_at = |at: usize| {
        let number = bytes[at..at + 4].try_into().expect("four bytes");
        u32::from_le_bytes(number) as usize
    };
    let directory = u32_at(4);
    let entries = (0..usize::from(u16_at(directory))).map(|index| directory + 2 + 12 * index);
    let entry = entries
        .into_iter()
        .find(|&at| u16_at(at) == tag)
        .expect("the tag");
    assert_eq!(u16_at(entry + 2), 4, "values of type LONG");
    (u32_at(entry + 8), u32_at(entry + 4))
}

#[test]
fn masks_have_the_samples_of_tifffile_at_every_level() {
    let Some(folder) = support::slides() else {
        return;
    };
    let truth = support::truth(&folder, "tifffile.json");
    let mut compared = 0;
    for name in [
        "synth-pyramid_mask.tiff",
        "synth-pyramid_mask-gray-be.btf",
        "hs2p__test-mask.tif",
    ] {
        let slide = wsi::open(folder.join("wsi").join(name)).expect("a mask");
        let pages = truth["files"][format!("wsi/{name}")]["tifffile"]["pages"].as_array();
        let pages = pages.expect("the mask's pages");
        for (level, described) in slide.pyramid().levels().iter().enumerate() {
            let image = slide
                .read_level(level, slide.info().pixel_format)
                .expect("a level");
            let digest: String = Sha256::digest(image.as_bytes())
                .iter()
                .map(|b| format!("{b:02x}"))
                .collect();
            let page = pages.iter().find(|page| {
                page["shape"][0] == described.size.height
                    && page["shape"][1] == described.size.width
            });
            assert_eq!(
                page.expect("its page")["sha256"],
                digest,
                "{name}, level {level}"
            );
            compared += 1;
        }
    }
    println!("{compared} levels are equal");
}

#[test]
fn gray_masks_stay_gray() {
    let slide = open(bundled());
    assert_eq!(slide.info().pixel_format, PixelFormat::GRAY8);
    for level in 0..slide.pyramid().len() {
        let labels = slide.read_level(level, PixelFormat::GRAY8).expect("labels");
        assert!(
            labels.as_bytes().iter().all(|&label| label <= 2),
            "labels are 0, 1 and 2"
        );
    }
}

#[test]
fn level_0_origins_between_pixels_are_truncated_and_never_blended() {
    let slide = open(bundled());
    let level = slide.pyramid().len() - 1;
    let downsample = slide.pyramid().levels()[level].downsample;
    for x in [0_i64, 1, 7, 100, 1003] {
        #[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "small")]
        let column = (x as f64 / downsample) as i64;
        let between = slide
            .read_region(&Region::level0(level, (x, x), (40, 40)))
            .expect("labels");
        let aligned = slide.read_region(&Region::at_level(level, (column, column), (40, 40)));
        assert_eq!(
            between.as_bytes(),
            aligned.expect("labels").as_bytes(),
            "from {x}"
        );
    }
}

#[test]
fn tiles_that_a_mask_leaves_out_are_label_0() {
    let whole = open(bundled());
    let tile = whole.pyramid().levels()[0].tile_size.expect("a tiled mask");
    let mut bytes = bundled();
    let (counts, tiles) = values_of(&bytes, 325);
    let columns = whole.pyramid().levels()[0].size.width.div_ceil(tile.width) as usize;
    // The tile at column 1, row 1.
    let index = columns + 1;
    assert!(index < tiles);
    bytes[counts + 4 * index..counts + 4 * index + 4].fill(0);
    let sparse = open(bytes);
    let origin = (i64::from(tile.width), i64::from(tile.height));
    let inside = Region::at_level(0, origin, tile);
    let before = whole.read_region(&inside).expect("labels");
    assert!(
        before.as_bytes().iter().any(|&label| label != 0),
        "the tile had labels"
    );
    let after = sparse.read_region(&inside).expect("labels");
    assert!(
        after.as_bytes().iter().all(|&label| label == 0),
        "left out, it has none"
    );
    let neighbour = Region::at_level(0, (0, origin.1), tile);
    let (a, b) = (
        whole.read_region(&neighbour),
        sparse.read_region(&neighbour),
    );
    assert_eq!(a.expect("labels").as_bytes(), b.expect("labels").as_bytes());
}
