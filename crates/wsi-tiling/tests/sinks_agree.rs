//! PNGs, NumPy stacks and arrays in memory hold the same tiles in the same order.
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "small numbers, and the job's own truncations"
)]

mod support;

use std::fs;
use std::path::Path;

use support::pair;
use wsi_tiling::{
    ImageLayout, LevelChoice, Mask, MemorySink, NpyFolder, PngFolder, Settings, TilingJob,
};

fn decoded(path: &Path) -> (png::ColorType, Vec<u8>) {
    let file = std::io::BufReader::new(fs::File::open(path).expect("a tile"));
    let mut reader = png::Decoder::new(file).read_info().expect("a PNG");
    let mut data = vec![0; reader.output_buffer_size().expect("small")];
    let frame = reader.next_frame(&mut data).expect("pixels");
    (frame.color_type, data)
}

#[test]
fn every_sink_holds_the_same_tiles() {
    let folder = tempfile::tempdir().expect("a folder");
    let (slide, mask) = pair();
    let settings = Settings::default()
        .with_level(LevelChoice::Index(1))
        .with_tile_size(40)
        .with_margin(3);
    let job = TilingJob::new(&slide)
        .with_mask(Mask::from_slide(mask).expect("labels"))
        .with_settings(settings);
    let mut memory = MemorySink::new();
    let (png, last, first) = (
        folder.path().join("png"),
        folder.path().join("last"),
        folder.path().join("first"),
    );
    job.run(&mut memory).expect("a run");
    job.run(&mut PngFolder::new(&png)).expect("a run");
    job.run(&mut NpyFolder::new(&last)).expect("a run");
    job.run(&mut NpyFolder::new(&first).with_layout(ImageLayout::ChannelsFirst))
        .expect("a run");

    let tiles = memory.into_tiles().expect("tiles");
    let masks = tiles.masks.as_u8().expect("bytes");
    let count = tiles.records.len();
    assert!(count > 20);
    let list = fs::read_to_string(png.join("pair/dataset.csv")).expect("a list");
    for (index, (record, row)) in tiles.records.iter().zip(list.lines().skip(1)).enumerate() {
        let columns: Vec<&str> = row.split(',').collect();
        assert_eq!(columns[1], format!("pair.{}", record.name()));
        assert_eq!(
            columns[4..6],
            [record.origin.x.to_string(), record.origin.y.to_string()]
        );
        let (color, image) = decoded(&png.join(columns[2]));
        assert_eq!(color, png::ColorType::Rgb);
        assert!(
            tiles
                .images
                .index_axis(ndarray::Axis(0), index)
                .iter()
                .eq(&image)
        );
        let (color, labels) = decoded(&png.join(columns[3]));
        assert_eq!(color, png::ColorType::Grayscale);
        assert!(masks.index_axis(ndarray::Axis(0), index).iter().eq(&labels));
    }

    let stack = |folder: &Path, name: &str, shape: &str| {
        let bytes = fs::read(folder.join("pair").join(name)).expect("a stack");
        let header = String::from_utf8_lossy(&bytes[10..128]).into_owned();
        assert_eq!(&bytes[..8], b"\x93NUMPY\x01\x00");
        assert!(
            header.contains(&format!("'shape': ({count}, {shape})")),
            "{header}"
        );
        assert!(header.contains("'|u1'"));
        bytes[128..].to_vec()
    };
    assert!(
        tiles
            .images
            .iter()
            .eq(&stack(&last, "images.npy", "40, 40, 3"))
    );
    assert!(masks.iter().eq(&stack(&last, "masks.npy", "40, 40")));
    let planes = tiles.images.clone().permuted_axes([0, 3, 1, 2]);
    assert!(planes.iter().eq(&stack(&first, "images.npy", "3, 40, 40")));
}
