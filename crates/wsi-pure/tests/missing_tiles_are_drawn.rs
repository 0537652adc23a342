//! Tiles that coarser levels of Aperio's slides lack are drawn from the level before, as OpenSlide
//! does; what is missing of level 0 shows nothing, and spoils what stands above it.
//!
//! That all pixels are OpenSlide's, at scales that are no whole numbers too, `cargo xtask agree`
//! finds out.

use wsi_core::source::TileIndex;
use wsi_core::{ErrorKind, Image, OpenOptions, PixelFormat, Plane, Region, Slide};
use wsi_pure::PureDriver;

const SIDE: u32 = 16;

const RED: [u8; 3] = [200, 10, 20];
const GREEN: [u8; 3] = [30, 190, 40];
const BLUE: [u8; 3] = [50, 60, 180];
const GRAY: [u8; 3] = [99, 99, 99];

/// A level of tiles of [`SIDE`] pixels, uncompressed.
struct Level {
    size: (u32, u32),
    tiles: Vec<Vec<u8>>,
}

impl Level {
    fn new(size: (u32, u32), tiles: &[Option<[u8; 3]>]) -> Self {
        let stored = |tile: &Option<[u8; 3]>| match tile {
            Some(colour) => colour.repeat((SIDE * SIDE) as usize),
            None => Vec::new(),
        };
        Self {
            size,
            tiles: tiles.iter().map(stored).collect(),
        }
    }
}

/// A slide of Aperio's of these levels.
fn aperio(levels: &[Level]) -> Vec<u8> {
    const TEXT: &[u8] = b"Aperio|AppMag = 20\0";
    let mut file = b"II\x2A\0\0\0\0\0".to_vec();
    let mut link = 4;
    let place = |file: &mut Vec<u8>, bytes: &[u8]| {
        let at = u32::try_from(file.len()).expect("small");
        file.extend_from_slice(bytes);
        file.resize(file.len().next_multiple_of(2), 0);
        at
    };
    for level in levels {
        let at: Vec<u32> = level
            .tiles
            .iter()
            .map(|tile| place(&mut file, tile))
            .collect();
        let count = |tile: &Vec<u8>| u32::try_from(tile.len()).expect("small");
        let counts: Vec<u32> = level.tiles.iter().map(count).collect();
        let entries = [
            (256, 4, vec![level.size.0]),
            (257, 4, vec![level.size.1]),
            (258, 3, vec![8 | 8 << 16, 8]),
            (259, 3, vec![1]),
            (262, 3, vec![2]),
            (277, 3, vec![3]),
            (322, 4, vec![SIDE]),
            (323, 4, vec![SIDE]),
            (324, 4, at),
            (325, 4, counts),
        ];
        let text = place(&mut file, TEXT);
        let mut fields = Vec::new();
        for (tag, kind, values) in entries {
            let (tag, kind): (u16, u16) = (tag, kind);
            let count = if tag == 258 { 3 } else { values.len() };
            let value = match values[..] {
                [only] => only,
                _ => {
                    let bytes: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
                    place(&mut file, &bytes)
                }
            };
            fields.push((tag, kind, u32::try_from(count).expect("small"), value));
        }
        fields.insert(5, (270, 2, u32::try_from(TEXT.len()).expect("small"), text));
        let mut directory = u16::try_from(fields.len())
            .expect("small")
            .to_le_bytes()
            .to_vec();
        for (tag, kind, count, value) in fields {
            directory.extend([tag.to_le_bytes(), kind.to_le_bytes()].concat());
            directory.extend([count.to_le_bytes(), value.to_le_bytes()].concat());
        }
        directory.extend([0; 4]);
        let at = place(&mut file, &directory);
        file[link..link + 4].copy_from_slice(&at.to_le_bytes());
        link = (at as usize) + directory.len() - 4;
    }
    file
}

fn open(levels: &[Level], cache: usize) -> Slide {
    let driver = PureDriver::with_cache_bytes(cache);
    let source = driver.open_source(Box::new(aperio(levels)), &OpenOptions::default());
    Slide::new(source.expect("a slide"), "made.svs")
}

fn pixel(image: &Image, x: usize, y: usize) -> &[u8] {
    let bytes = image.format().bytes_per_pixel();
    let at = (y * image.size().width as usize + x) * bytes;
    &image.as_bytes()[at..at + bytes]
}

#[test]
fn a_missing_tile_shows_the_finer_level() {
    let colours = [RED, GREEN, BLUE, GRAY];
    let levels = [
        Level::new((32, 32), &colours.map(Some)),
        Level::new((16, 16), &[None]),
    ];
    for cache in [0, 1 << 20] {
        let slide = open(&levels, cache);
        for read in [
            Region::at_level(1, (0, 0), (16, 16)),
            Region::level0(1, (0, 0), (16, 16)),
        ] {
            let image = slide.read_region_as(&read, PixelFormat::RGB8).unwrap();
            for (x, y) in (0..16).flat_map(|y| (0..16).map(move |x| (x, y))) {
                let expected = colours[usize::from(y >= 8) * 2 + usize::from(x >= 8)];
                assert_eq!(pixel(&image, x, y), expected, "({x}, {y})");
            }
        }
    }
}

#[test]
fn a_tile_over_a_hole_is_not_read() {
    let mut coarse = Level::new((16, 16), &[Some(GRAY)]);
    // Too short to be read, were it read.
    coarse.tiles[0].truncate(5);
    let levels = [
        Level::new((32, 32), &[None, Some(GREEN), Some(BLUE), Some(RED)]),
        coarse,
    ];
    let slide = open(&levels, 1 << 20);
    let read = Region::at_level(1, (4, 4), (8, 8));
    let image = slide.read_region_as(&read, PixelFormat::RGBA8).unwrap();
    assert_eq!(pixel(&image, 0, 0), [0; 4]);
    assert_eq!(pixel(&image, 7, 0), [30, 190, 40, 255]);
    assert_eq!(pixel(&image, 0, 7), [50, 60, 180, 255]);
    let image = slide.read_region_as(&read, PixelFormat::RGB8).unwrap();
    assert_eq!(pixel(&image, 0, 0), [255; 3]);
    // Whoever asks for stored bytes is told that they are not what is shown.
    let tiles = slide.encoded_tiles().unwrap();
    let index = TileIndex {
        level: 1,
        plane: Plane::default(),
        column: 0,
        row: 0,
    };
    let error = tiles.read_tile(index, &mut Vec::new()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
}

#[test]
fn levels_that_all_lack_a_tile_are_gone_through() {
    let mut levels = vec![Level::new((16, 16), &[Some(RED)])];
    levels.resize_with(70, || Level::new((16, 16), &[None]));
    for cache in [0, 1 << 20] {
        let slide = open(&levels, cache);
        let read = |level| {
            slide.read_region_as(
                &Region::at_level(level, (0, 0), (16, 16)),
                PixelFormat::RGB8,
            )
        };
        let image = read(60).unwrap();
        assert!(image.as_bytes().chunks(3).all(|pixel| pixel == RED));
        if cache == 0 {
            let error = read(69).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::LimitExceeded);
        }
    }
}

#[test]
fn what_is_missing_everywhere_is_transparent() {
    let levels = [
        Level::new((48, 48), &[None; 9]),
        Level::new((24, 24), &[None; 4]),
        Level::new((12, 12), &[Some(RED)]),
    ];
    let slide = open(&levels, 1 << 20);
    for level in 0..3 {
        let image = slide.read_level(level, PixelFormat::RGBA8).unwrap();
        assert!(
            image.as_bytes().iter().all(|&byte| byte == 0),
            "level {level}"
        );
    }
}
