//! The matrix: whatever the kernels decode is what `wsi-jpeg` decodes, to the byte.

use anyhow::{Result, ensure};
use jpeg_encoder::SamplingFactor;
use wsi::cuda::plan::Slicing;
use wsi::cuda::{BatchDecoder, Output};
use wsi::source::TileIndex;
use wsi::{PixelFormat, Plane, Point, Region, Slide};
use wsi_jpeg::{Decoder, Options, StridedRows};

use crate::Arguments;
use crate::streams::Recipe;

/// Compares all, and prints a line for each part; `whole` as on a device, else little enough for the
/// host. Gives whether all was equal.
pub(crate) fn run(decoder: &mut BatchDecoder, arguments: &Arguments, whole: bool) -> Result<bool> {
    let slide = wsi::open(&arguments.slide)?;
    let mut equal = matrix(decoder, &slide, if whole { 48 } else { 2 })?;
    equal &= tiles(decoder, &slide, if whole { 1024 } else { 12 })?;
    equal &= patches(decoder, &slide, if whole { 256 } else { 4 })?;
    println!(
        "{}",
        if equal {
            "all bytes are equal"
        } else {
            "BYTES DIFFER"
        }
    );
    Ok(equal)
}

fn matrix(decoder: &mut BatchDecoder, slide: &Slide, count: usize) -> Result<bool> {
    let samplings = [
        ("gray", None),
        ("4:4:4", Some(SamplingFactor::F_1_1)),
        ("4:2:2", Some(SamplingFactor::F_2_1)),
        ("4:2:0", Some(SamplingFactor::F_2_2)),
    ];
    let (mut streams_seen, mut wrong, mut by_cpu) = (0, 0, 0);
    for (name, sampling) in samplings {
        for quality in [30, 50, 70, 85, 95] {
            for (size, restart) in [
                ((256, 256), 0),
                ((240, 240), 4),
                ((97, 61), 0),
                ((17, 33), 1),
                ((1, 1), 0),
            ] {
                let recipe = Recipe {
                    size,
                    sampling,
                    quality,
                    restart,
                };
                let streams = recipe.streams(slide, count)?;
                let slices: Vec<&[u8]> = streams.iter().map(Vec::as_slice).collect();
                let channels = recipe.channels();
                let decoded =
                    decoder.decode_streams(&recipe.format(), &slices, channels, &Output::new())?;
                let pixels = decoder.download(&decoded.tensor)?;
                by_cpu += decoded.report.by_cpu.len();
                let item = pixels.len() / count;
                for (stream, ours) in streams.iter().zip(pixels.chunks(item)) {
                    streams_seen += 1;
                    if by_cpu_decoder(stream, size, channels)? != ours {
                        wrong += 1;
                        if wrong > 10 {
                            continue;
                        }
                        println!("DIFFERS: {name}, quality {quality}, {size:?}, restart {restart}");
                    }
                }
            }
        }
    }
    println!("matrix: {streams_seen} streams, {wrong} differ, {by_cpu} decoded on the CPU");
    Ok(wrong == 0 && by_cpu == 0)
}

/// What `wsi-jpeg` makes of a stream.
pub(crate) fn by_cpu_decoder(stream: &[u8], size: (u16, u16), channels: u32) -> Result<Vec<u8>> {
    let (format, bytes) = match channels {
        1 => (wsi_jpeg::PixelFormat::Gray8, 1),
        _ => (wsi_jpeg::PixelFormat::Rgb8, 3),
    };
    let stride = usize::from(size.0) * bytes;
    let mut pixels = vec![0; stride * usize::from(size.1)];
    let mut rows = StridedRows::new(&mut pixels, stride);
    let outcome = Decoder::new().decode(stream, &Options::new(format), &mut rows)?;
    ensure!(outcome.is_clean(), "a stream of ours is damaged");
    Ok(pixels)
}

/// Stored tiles against regions that the CPU reads.
fn tiles(decoder: &mut BatchDecoder, slide: &Slide, most: usize) -> Result<bool> {
    let Some(stored) = slide.encoded_tiles() else {
        println!("tiles: the slide's backend hands out none");
        return Ok(true);
    };
    let layout = stored.layout(0, Plane(0))?;
    let rows =
        (0..layout.rows).flat_map(|row| (0..layout.columns).map(move |column| (column, row)));
    let chosen: Vec<(u32, u32)> = rows.take(most).collect();
    let indices: Vec<TileIndex> = chosen
        .iter()
        .map(|&(column, row)| TileIndex {
            level: 0,
            plane: Plane(0),
            column,
            row,
        })
        .collect();
    let size = layout.tile_size;
    let places = chosen.iter().map(|&(column, row)| {
        let along = |tile: u32, side: u32| i64::from(tile) * i64::from(side);
        Point::new(along(column, size.width), along(row, size.height))
    });
    let decoded = decoder.decode_tiles(slide, 0, &indices, &Output::new())?;
    compare(
        "tiles",
        decoder,
        slide,
        &places.collect::<Vec<_>>(),
        &decoded,
    )
}

/// Patches that lie across tiles, and beyond the edges.
fn patches(decoder: &mut BatchDecoder, slide: &Slide, count: usize) -> Result<bool> {
    let level = slide.pyramid().level(0)?.size;
    let places = (0..i64::try_from(count)?).map(|number| {
        let across = i64::from(level.width) + 100;
        let down = i64::from(level.height) + 100;
        Point::new(number * 7_919 % across - 150, number * 5_003 % down - 150)
    });
    let places: Vec<Point> = places.collect();
    let decoded = decoder.read_patches(slide, 0, &places, (224, 224), &Output::new())?;
    compare("patches", decoder, slide, &places, &decoded)
}

fn compare(
    what: &str,
    decoder: &BatchDecoder,
    slide: &Slide,
    places: &[Point],
    decoded: &wsi::cuda::Decoded,
) -> Result<bool> {
    if let Some((number, error)) = decoded.report.first_error() {
        println!("{what}: number {number}: {error}");
    }
    ensure!(
        decoded.report.results.len() == places.len(),
        "{what}: results are missing"
    );
    let pixels = decoder.download(&decoded.tensor)?;
    let mut wrong = 0;
    let item = pixels.len() / places.len().max(1);
    for (&place, ours) in places.iter().zip(pixels.chunks(item.max(1))) {
        let region = Region::at_level(0, place, decoded.tensor.size());
        let theirs = slide.read_region_as(&region, PixelFormat::RGB8)?;
        wrong += usize::from(theirs.as_bytes() != ours);
    }
    let by_cpu = decoded.report.by_cpu.len();
    println!(
        "{what}: {} read, {wrong} differ, {by_cpu} of their tiles decoded on the CPU",
        places.len()
    );
    Ok(wrong == 0)
}

/// How streams are cut, for a sweep.
pub(crate) fn slicing(lanes: u32) -> Slicing {
    Slicing::default().with_most_lanes(Some(lanes))
}
