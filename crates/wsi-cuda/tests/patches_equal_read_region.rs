//! A batch of tiles or patches is what `read_region` gives, one by one: in every layout and type, at
//! any place, in one batch or in many. A tile that cannot be decoded fails alone.
#![cfg(feature = "host")]
#![allow(clippy::panic, reason = "that is how a test fails")]

mod support;

use half::{bf16, f16};
use jpeg_encoder::SamplingFactor;
use support::slide::{Memory, without_tables};
use support::{Random, Recipe, assert_same};
use wsi_core::source::TileIndex;
use wsi_core::{ErrorKind, Fill, PixelFormat, Plane, Point, Region, Size, Slide};
use wsi_cuda::layout::flag;
use wsi_cuda::{
    BatchDecoder, CpuReason, Decoded, ElementType, Executor, HostExecutor, Normalisation, Output,
    TensorLayout,
};

const LEVEL: Size = Size::new(300, 200);
const TILE: Size = Size::new(64, 48);

fn recipe(sampling: SamplingFactor) -> Recipe {
    Recipe {
        size: (64, 48),
        sampling: Some(sampling),
        quality: 80,
        restart: 0,
    }
}

/// A slide whose tiles are all for the kernels.
fn memory(sampling: SamplingFactor) -> Memory {
    let mut tables = None;
    let mut memory = Memory::new(LEVEL, TILE, PixelFormat::RGB8, |column, row| {
        let stream = recipe(sampling).encode((column + 100 * row).into());
        let (shared, rest) = without_tables(&stream);
        tables.get_or_insert(shared);
        // Some with tables of their own, others with those that all share.
        Some(if (column + row) % 3 == 0 {
            stream
        } else {
            rest
        })
    });
    memory.layout.jpeg_tables = tables.expect("tiles");
    memory
}

fn decoder() -> BatchDecoder {
    BatchDecoder::new(Box::new(HostExecutor::new().with_seed(3)))
}

/// Places everywhere: inside, on edges, and outside.
fn places(random: &mut Random, count: usize) -> Vec<Point> {
    let coordinate = |random: &mut Random, side: u32| {
        let side = usize::try_from(side).expect("small");
        i64::try_from(random.below(side + 160)).expect("small") - 110
    };
    (0..count)
        .map(|_| {
            Point::new(
                coordinate(random, LEVEL.width),
                coordinate(random, LEVEL.height),
            )
        })
        .collect()
}

fn compare(
    slide: &Slide,
    decoder: &BatchDecoder,
    decoded: &Decoded,
    origins: &[Point],
    fill: Fill,
) {
    let tensor = &decoded.tensor;
    let pixels = decoder.download(tensor).expect("pixels");
    let channels = tensor.channels() as usize;
    let item = tensor.bytes() / tensor.items();
    for (number, &origin) in origins.iter().enumerate() {
        assert!(decoded.report.results[number].is_ok());
        let region = Region::at_level(0, origin, tensor.size()).with_fill(fill);
        let expected = slide.read_region(&region).expect("a region");
        let what = format!("patch {number} at {origin}");
        let ours = &pixels[number * item..][..item];
        let width = tensor.size().width as usize;
        assert_same(&what, width, channels, ours, expected.as_bytes());
    }
}

#[test]
fn patches_at_any_place() {
    let mut random = Random(1);
    let mut decoder = decoder();
    let samplings = [
        SamplingFactor::F_1_1,
        SamplingFactor::F_2_1,
        SamplingFactor::F_1_2,
        SamplingFactor::F_2_2,
    ];
    for sampling in samplings {
        let slide = memory(sampling).open();
        for size in [(1, 1), (7, 5), (64, 48), (100, 70), (131, 90)] {
            let origins = places(&mut random, 25);
            let fill = Fill::Color([10, 20, 30, 255]);
            let output = Output::new().with_fill(fill);
            let decoded = decoder
                .read_patches(&slide, 0, &origins, size, &output)
                .expect("patches");
            assert_eq!(decoded.report.by_cpu, []);
            compare(&slide, &decoder, &decoded, &origins, fill);
        }
    }
}

#[test]
fn tiles_of_the_grid() {
    let slide = memory(SamplingFactor::F_2_2).open();
    let mut decoder = decoder();
    let mut tiles: Vec<_> = (0..25)
        .map(|number| TileIndex {
            level: 0,
            plane: Plane(0),
            column: number % 5,
            row: number / 5,
        })
        .collect();
    tiles.extend_from_within(3..5);
    let decoded = decoder
        .decode_tiles(&slide, 0, &tiles, &Output::new())
        .expect("tiles");
    assert_eq!(decoded.tensor.shape(), [27, 48, 64, 3]);
    // Two of them twice.
    assert_eq!(decoded.report.tiles, 25);
    let corner =
        |tile: &TileIndex| Point::new(i64::from(tile.column) * 64, i64::from(tile.row) * 48);
    let origins: Vec<_> = tiles.iter().map(corner).collect();
    compare(&slide, &decoder, &decoded, &origins, Fill::Default);

    tiles[7].row = 5;
    let error = decoder
        .decode_tiles(&slide, 0, &tiles, &Output::new())
        .expect_err("no such tile");
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    assert!(
        decoder
            .decode_tiles(&slide, 1, &[], &Output::new())
            .is_err()
    );
    let none = decoder.decode_tiles(&slide, 0, &[], &Output::new());
    assert_eq!(none.expect("nothing to do").tensor.shape(), [0, 48, 64, 3]);
}

/// What a sample becomes, by the formula and one rounding.
fn element(
    element: ElementType,
    sample: u8,
    channel: usize,
    normalisation: &Normalisation,
) -> Vec<u8> {
    let mean = normalisation.mean[channel];
    let value = (f64::from(sample) / 255.0 - mean) / normalisation.deviation[channel];
    match element {
        ElementType::U8 => vec![sample],
        ElementType::F16 => f16::from_f64_const(value).to_ne_bytes().to_vec(),
        ElementType::Bf16 => bf16::from_f64_const(value).to_ne_bytes().to_vec(),
        #[expect(clippy::cast_possible_truncation, reason = "one rounding is what is meant")]
        _ => (value as f32).to_ne_bytes().to_vec(),
    }
}

#[test]
fn every_layout_and_type() {
    let slide = memory(SamplingFactor::F_2_2).open();
    let mut random = Random(2);
    let mut decoder = decoder();
    let normalisation = Normalisation {
        mean: [0.485, 0.456, 0.406],
        deviation: [0.229, 0.224, 0.225],
    };
    for size in [Size::new(33, 21), Size::new(64, 40)] {
        let origins = places(&mut random, 8);
        let bytes: Vec<_> = origins
            .iter()
            .map(|&origin| {
                slide
                    .read_region(&Region::at_level(0, origin, size))
                    .expect("a region")
            })
            .collect();
        for layout in [TensorLayout::Nhwc, TensorLayout::Nchw] {
            for kind in [
                ElementType::U8,
                ElementType::F16,
                ElementType::Bf16,
                ElementType::F32,
            ] {
                let output = Output::new()
                    .with_layout(layout)
                    .with_element(kind)
                    .with_normalisation(normalisation);
                let decoded = decoder
                    .read_patches(&slide, 0, &origins, size, &output)
                    .expect("patches");
                let ours = decoder.download(&decoded.tensor).expect("elements");
                let mut expected = Vec::new();
                let (width, height) = (size.width as usize, size.height as usize);
                for image in &bytes {
                    let sample = |y: usize, x: usize, channel: usize| {
                        let sample = image.as_bytes()[(y * width + x) * 3 + channel];
                        element(kind, sample, channel, &normalisation)
                    };
                    match layout {
                        TensorLayout::Nhwc => {
                            for place in 0..height * width * 3 {
                                let (pixel, channel) = (place / 3, place % 3);
                                expected.extend(sample(pixel / width, pixel % width, channel));
                            }
                        }
                        TensorLayout::Nchw => {
                            for place in 0..3 * height * width {
                                let (channel, pixel) =
                                    (place / (height * width), place % (height * width));
                                expected.extend(sample(pixel / width, pixel % width, channel));
                            }
                        }
                    }
                }
                assert!(ours == expected, "{layout:?} {kind:?} {size}");
            }
        }
    }
}

#[test]
fn gray_slides_have_one_channel() {
    let gray = Recipe {
        sampling: None,
        ..recipe(SamplingFactor::F_1_1)
    };
    let slide = Memory::new(LEVEL, TILE, PixelFormat::GRAY8, |column, row| {
        Some(gray.encode((column + 100 * row).into()))
    })
    .open();
    let origins = places(&mut Random(3), 30);
    let mut decoder = decoder();
    let decoded = decoder
        .read_patches(&slide, 0, &origins, (40, 30), &Output::new())
        .expect("patches");
    assert_eq!(decoded.tensor.shape(), [30, 30, 40, 1]);
    assert_eq!(decoded.report.by_cpu, []);
    compare(&slide, &decoder, &decoded, &origins, Fill::Default);
}

/// A slide with tiles of each kind that the CPU has to see: at columns 0 to 4 of row 1 one that is
/// damaged, one that is left out, a progressive one, one whose transform leaves its domain, and one
/// that stops before its end.
fn mixed() -> Memory {
    let mut memory = memory(SamplingFactor::F_2_2);
    memory.layout.jpeg_tables = [].into();
    for (number, tile) in memory.tiles.iter_mut().enumerate() {
        let stream = recipe(SamplingFactor::F_2_2).encode(number as u64);
        *tile = Some(stream.clone());
        let half = stream.len() / 2;
        match number {
            5 => {
                let mut damaged = stream;
                // Not between the two bytes of a stuffed one: that would make a marker.
                let start = (half..)
                    .find(|&at| damaged[at - 1] != 0xFF)
                    .expect("such a place");
                damaged[start..start + 60].fill(0x55);
                *tile = Some(damaged);
            }
            6 => *tile = None,
            7 => {
                let mut data = Vec::new();
                let mut encoder = jpeg_encoder::Encoder::new(&mut data, 90);
                encoder.set_progressive(true);
                let pixels = support::pixels(64, 48, 3, 9);
                encoder
                    .encode(&pixels, 64, 48, jpeg_encoder::ColorType::Rgb)
                    .expect("an encoder");
                *tile = Some(data);
            }
            8 => {
                // The quantisers of luma, behind FF DB, length and number: far too large.
                let mut loud = stream;
                let table = loud.windows(2).position(|pair| pair == [0xFF, 0xDB]);
                let start = table.expect("a table") + 5;
                loud[start..start + 64].fill(255);
                *tile = Some(loud);
            }
            9 => *tile = Some(stream[..half].to_vec()),
            _ => {}
        }
    }
    memory
}

#[test]
fn what_the_kernels_cannot_do_comes_from_the_cpu_and_damage_stays_alone() {
    let slide = mixed().open();
    let mut decoder = decoder();
    let origins: Vec<_> = (0..25)
        .map(|n| Point::new(n % 5 * 64 - 9, n / 5 * 48 - 5))
        .collect();
    let size = Size::new(40, 30);
    let fill = Fill::Color([1, 2, 3, 255]);
    let output = Output::new().with_fill(fill);
    let decoded = decoder
        .read_patches(&slide, 0, &origins, size, &output)
        .expect("patches");
    let mut reasons: Vec<_> = decoded.report.by_cpu.iter().collect();
    reasons.sort_by_key(|tile| tile.tile);
    let by_cpu: Vec<_> = reasons.iter().map(|tile| tile.tile).collect();
    assert_eq!(by_cpu, [5, 6, 7, 8, 9]);
    assert!(matches!(reasons[0].reason, CpuReason::Flagged(_)));
    assert_eq!(reasons[1].reason, CpuReason::Missing);
    assert!(matches!(reasons[2].reason, CpuReason::Refused(_)));
    assert!(matches!(reasons[3].reason, CpuReason::Flagged(flags) if flags == flag::DOMAIN));
    assert!(matches!(reasons[4].reason, CpuReason::Refused(_)));

    let pixels = decoder.download(&decoded.tensor).expect("pixels");
    let item = 40 * 30 * 3;
    let mut failed = 0;
    for (number, &origin) in origins.iter().enumerate() {
        let ours = &pixels[number * item..][..item];
        let region = Region::at_level(0, origin, size).with_fill(fill);
        let expected = slide.read_region(&region);
        match (&decoded.report.results[number], expected) {
            (Ok(()), Ok(expected)) => assert_same("a patch", 40, 3, ours, expected.as_bytes()),
            (Err(ours_error), Err(_)) => {
                failed += 1;
                assert_eq!(ours_error.kind(), ErrorKind::Corrupt);
                assert_eq!(ours_error.level(), Some(0));
                let tile = ours_error.tile().expect("a tile");
                assert!(matches!(tile, (0 | 4, 1)), "{ours_error}");
                // Pixel by pixel: the fill where the tile is, and the others where they are.
                for (y, row) in (0..).zip(ours.chunks(40 * 3)) {
                    for (x, pixel) in (0..).zip(row.chunks(3)) {
                        let at = Point::new(origin.x + x, origin.y + y);
                        let damaged =
                            at.y.div_euclid(48) == 1 && matches!(at.x.div_euclid(64), 0 | 4);
                        let region = Region::at_level(0, at, (1, 1)).with_fill(fill);
                        match slide.read_region(&region) {
                            Ok(expected) => assert_eq!(pixel, expected.as_bytes(), "{at}"),
                            Err(_) => assert!(damaged && pixel == [1, 2, 3], "{at}"),
                        }
                    }
                }
            }
            (ours, theirs) => panic!("patch {number}: {ours:?} and {theirs:?}"),
        }
    }
    assert_eq!(failed, 6, "patches that touch a damaged tile");
    let (item, error) = decoded.report.first_error().expect("an error");
    assert_eq!(item, 5, "{error}");
}

#[test]
fn a_tile_that_cannot_be_read_is_filled_and_fails_alone() {
    let mut memory = memory(SamplingFactor::F_2_2);
    memory.unreadable = Some(6);
    let slide = memory.open();
    let mut decoder = decoder();
    // The second row's first three, of five.
    let tiles = [0, 1, 2].map(|column| TileIndex {
        level: 0,
        plane: Plane(0),
        column,
        row: 1,
    });
    let fill = Fill::Color([1, 2, 3, 255]);
    let output = Output::new().with_fill(fill);
    let decoded = decoder
        .decode_tiles(&slide, 0, &tiles, &output)
        .expect("tiles");
    let failed: Vec<_> = decoded.report.results.iter().map(Result::is_err).collect();
    assert_eq!(failed, [false, true, false]);
    let (_, error) = decoded.report.first_error().expect("an error");
    assert_eq!((error.kind(), error.tile()), (ErrorKind::Io, Some((1, 1))));
    let pixels = decoder.download(&decoded.tensor).expect("pixels");
    let item = pixels.len() / tiles.len();
    for (tile, ours) in tiles.iter().zip(pixels.chunks(item)) {
        if tile.column == 1 {
            assert!(ours.chunks(3).all(|pixel| pixel == [1, 2, 3]));
            continue;
        }
        let origin = (i64::from(tile.column) * 64, 48);
        let region = Region::at_level(0, origin, TILE).with_fill(fill);
        let expected = slide.read_region(&region).expect("a region");
        assert_same("a tile", 64, 3, ours, expected.as_bytes());
    }
}

#[test]
fn tiles_of_another_compression_come_from_the_cpu() {
    let mut memory = memory(SamplingFactor::F_1_1);
    memory.layout.compression = "jp2k";
    let slide = memory.open();
    let origins = places(&mut Random(9), 12);
    let mut decoder = decoder();
    let decoded = decoder
        .read_patches(&slide, 0, &origins, (50, 50), &Output::new())
        .expect("patches");
    assert_eq!(decoded.report.by_cpu.len(), decoded.report.tiles);
    let compression = |tile: &wsi_cuda::CpuTile| tile.reason == CpuReason::Compression;
    assert!(decoded.report.by_cpu.iter().all(compression));
    compare(&slide, &decoder, &decoded, &origins, Fill::Default);
}

#[test]
fn batches_that_are_too_large_are_split() {
    let slide = mixed().open();
    let origins: Vec<_> = (0..40)
        .map(|n| Point::new(n % 8 * 37, n / 8 * 39))
        .collect();
    let read = |decoder: &mut BatchDecoder| {
        let decoded = decoder
            .read_patches(&slide, 0, &origins, (60, 50), &Output::new())
            .expect("patches");
        let pixels = decoder.download(&decoded.tensor).expect("pixels");
        let failed: Vec<_> = decoded.report.results.iter().map(Result::is_err).collect();
        (pixels, failed)
    };
    let whole = read(&mut decoder());
    // By what is allowed, down to tile by tile.
    for bytes in [1, 50_000, 200_000] {
        assert!(read(&mut decoder().with_batch_bytes(bytes)) == whole);
    }
    // By what there is: the output takes 360,000 bytes, a tile about 15,000.
    for bytes in [450_000, 500_000, 700_000] {
        let executor = HostExecutor::new().with_memory(bytes);
        let mut decoder = BatchDecoder::new(Box::new(executor));
        assert!(read(&mut decoder) == whole, "{bytes}");
    }
    // Too little for anything: an error, and the decoder can be used for what fits.
    let executor = HostExecutor::new().with_memory(100_000);
    let mut decoder = BatchDecoder::new(Box::new(executor));
    let error = decoder
        .read_patches(&slide, 0, &origins, (60, 50), &Output::new())
        .expect_err("no memory");
    assert_eq!(error.kind(), ErrorKind::Device);
    let few = decoder.read_patches(&slide, 0, &origins[..2], (16, 16), &Output::new());
    assert!(
        few.expect("two small patches")
            .report
            .first_error()
            .is_none()
    );
}

#[test]
fn a_tensor_that_is_there_is_written_and_a_wrong_one_refused() {
    let slide = memory(SamplingFactor::F_2_2).open();
    let mut decoder = decoder();
    let origins = places(&mut Random(4), 3);
    let output = Output::new();
    let size = Size::new(20, 10);
    let tensor = decoder.allocate(5, size, 3, &output).expect("memory");
    let executor: &dyn Executor = decoder.executor();
    executor
        .upload(&[77; 5 * 600], tensor.buffer(), 0)
        .expect("an upload");
    let report = decoder.read_patches_into(&slide, 0, &origins, &output, &tensor);
    assert!(report.expect("patches").first_error().is_none());
    let pixels = decoder.download(&tensor).expect("pixels");
    assert_eq!(
        pixels[3 * 600..],
        [77; 2 * 600],
        "pictures that were not asked for"
    );
    let other = output.with_element(ElementType::F32);
    let origins = places(&mut Random(4), 6);
    for (origins, output) in [(&origins[..3], &other), (&origins[..], &output)] {
        let error = decoder.read_patches_into(&slide, 0, origins, output, &tensor);
        assert_eq!(
            error.expect_err("a wrong tensor").kind(),
            ErrorKind::InvalidArgument
        );
    }
}
