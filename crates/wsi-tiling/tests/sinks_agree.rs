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

use bytes::BytesMut;
use support::pair;
use wsi_core::{Error, Result};
use wsi_tiling::{
    FailedTile, ImageLayout, LevelChoice, Mask, MemorySink, NpyFolder, Plan, PngFolder, Settings,
    Tile, TileMemory, TileRecord, TileSink, TilingJob,
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

/// Hands on what it gets in the one way that every sink has to know, or in memory of its own.
struct Around {
    sink: MemorySink,
    /// Bytes that are lent for an image, if any are.
    lends: Option<usize>,
}

impl TileSink for Around {
    fn begin(&mut self, plan: &Plan) -> Result<()> {
        self.sink.begin(plan)
    }

    fn lend(&self, _: &TileRecord) -> Option<TileMemory> {
        let memory = BytesMut::zeroed(self.lends?);
        Some(TileMemory::new(memory.clone(), memory))
    }

    fn keep(&self, tile: &TileRecord, memory: TileMemory) -> Result<()> {
        let mut kept = self.sink.lend(tile).expect("memory");
        kept.image.copy_from_slice(&memory.image);
        kept.labels.copy_from_slice(&memory.labels);
        self.sink.keep(tile, kept)
    }

    fn write(&self, tile: &Tile<'_>) -> Result<()> {
        match self.lends {
            None => self.sink.write(tile),
            Some(_) => Err(Error::invalid("a tile whose memory was lent")),
        }
    }

    fn finish(&mut self, tiles: &[TileRecord], failed: &[FailedTile]) -> Result<()> {
        self.sink.finish(tiles, failed)
    }
}

#[test]
fn tiles_are_the_same_whoever_lends_their_memory() {
    let (slide, mask) = pair();
    let settings = Settings::default()
        .with_level(LevelChoice::Index(1))
        .with_tile_size(40)
        .with_stride(25)
        .with_margin(60);
    let job = TilingJob::new(&slide)
        .with_mask(Mask::from_slide(mask).expect("labels"))
        .with_settings(settings);
    let mut plain = MemorySink::new();
    job.run(&mut plain).expect("a run");
    let plain = plain.into_tiles().expect("tiles");
    // Too little memory is made enough.
    for lends in [None, Some(0), Some(7000)] {
        let mut around = Around {
            sink: MemorySink::new(),
            lends,
        };
        job.run(&mut around).expect("a run");
        let tiles = around.sink.into_tiles().expect("tiles");
        assert_eq!(tiles.images, plain.images);
        assert_eq!(tiles.masks, plain.masks);
    }
}
