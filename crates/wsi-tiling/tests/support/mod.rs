//! Slides that are computed, and the tiling job written again the plain way.
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "small numbers, and the job's own truncations"
)]
#![allow(dead_code, reason = "each test file uses its part")]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};

use wsi_core::{
    Error, Image, Level, PixelFormat, PixelsMut, Point, Properties, Pyramid, Rect, Region, Result,
    Size, Slide, SlideInfo, SlideSource,
};

/// The bytes of a pixel: level, column, row, and where to write them.
pub(crate) type Pixel = dyn Fn(usize, u32, u32, &mut [u8]) + Send + Sync;

/// A slide whose pixels are computed, which can fail, and which remembers what was read.
pub(crate) struct Computed {
    info: SlideInfo,
    properties: Properties,
    pixel: Arc<Pixel>,
    /// Stored tiles that cannot be decoded, as rectangles of a level.
    broken: Vec<(usize, Rect)>,
    reads: Arc<Mutex<Vec<(usize, Rect)>>>,
}

impl Computed {
    pub(crate) fn new(
        sizes: &[(u32, u32)],
        tile: u32,
        format: PixelFormat,
        pixel: impl Fn(usize, u32, u32, &mut [u8]) + Send + Sync + 'static,
    ) -> Self {
        let plain =
            Pyramid::from_sizes(sizes.iter().map(|&size| Size::from(size))).expect("levels");
        let levels = plain.levels().iter().cloned();
        let levels: Vec<Level> = match tile {
            0 => levels.collect(),
            _ => levels
                .map(|level| level.with_tile_size(Size::new(tile, tile)))
                .collect(),
        };
        Self {
            info: SlideInfo::new("computed", Pyramid::new(levels).expect("levels"), format),
            properties: Properties::new(),
            pixel: Arc::new(pixel),
            broken: Vec::new(),
            reads: Arc::default(),
        }
    }

    /// A picture whose every byte depends on its place.
    pub(crate) fn picture(sizes: &[(u32, u32)], tile: u32) -> Self {
        Self::new(sizes, tile, PixelFormat::RGB8, |level, x, y, out| {
            let seed = (x ^ (y << 12))
                .wrapping_mul(2_654_435_761)
                .wrapping_add(level as u32);
            out.copy_from_slice(&(seed ^ (seed >> 13)).to_ne_bytes()[..3]);
        })
    }

    /// Labels of 8 bits.
    pub(crate) fn labels(
        sizes: &[(u32, u32)],
        tile: u32,
        label: impl Fn(usize, u32, u32) -> u8 + Send + Sync + 'static,
    ) -> Self {
        Self::new(sizes, tile, PixelFormat::GRAY8, move |level, x, y, out| {
            out[0] = label(level, x, y);
        })
    }

    pub(crate) fn with_broken(mut self, level: usize, rect: Rect) -> Self {
        self.broken.push((level, rect));
        self
    }

    pub(crate) fn with_mpp(mut self, mpp: f64) -> Self {
        self.info.mpp = Some(wsi_core::Mpp { x: mpp, y: mpp });
        self
    }

    /// What is read from now on.
    pub(crate) fn reads(&self) -> Arc<Mutex<Vec<(usize, Rect)>>> {
        Arc::clone(&self.reads)
    }

    pub(crate) fn open(self, name: &str) -> Slide {
        Slide::new(Box::new(self), name)
    }
}

impl SlideSource for Computed {
    fn info(&self) -> &SlideInfo {
        &self.info
    }

    fn properties(&self) -> Result<&Properties> {
        Ok(&self.properties)
    }

    fn read_region(&self, region: &Region, mut out: PixelsMut<'_>) -> Result<()> {
        let level = self.info.pyramid.level(region.level)?;
        let rect = region.rect_on(level);
        self.reads
            .lock()
            .expect("no panic")
            .push((region.level, rect));
        let hit = |&&(level, broken): &&(usize, Rect)| {
            level == region.level && broken.intersection(rect).is_some()
        };
        if self.broken.iter().find(hit).is_some() {
            return Err(Error::corrupt("a tile that was broken on purpose"));
        }
        if out.format() != self.info.pixel_format {
            return Err(Error::unsupported("a conversion"));
        }
        out.fill(region.fill);
        let inside = rect
            .intersection(Rect::new((0, 0), level.size))
            .unwrap_or_default();
        let pixel = out.format().bytes_per_pixel();
        for y in inside.origin.y..inside.bottom() {
            let row = out.row_mut((y - rect.origin.y) as u32);
            let first = (inside.origin.x - rect.origin.x) as usize * pixel;
            for (x, out) in
                (inside.origin.x..inside.right()).zip(row[first..].chunks_exact_mut(pixel))
            {
                (self.pixel)(region.level, x as u32, y as u32, out);
            }
        }
        Ok(())
    }

    fn read_associated(&self, _: &str) -> Result<Image> {
        Err(Error::invalid("none"))
    }

    fn icc_profile(&self) -> Result<Option<Vec<u8>>> {
        Ok(None)
    }
}

/// What the plain job is asked to do.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plain {
    pub(crate) level: usize,
    pub(crate) tile: i64,
    pub(crate) margin: i64,
    pub(crate) threshold: f64,
}

/// A tile of the plain job.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct PlainTile {
    pub(crate) origin: Point,
    pub(crate) occupancy: f64,
    pub(crate) image: Vec<u8>,
    pub(crate) labels: Vec<u8>,
}

/// The published job over whole arrays, step by step as it is written down: a mask whose pyramid
/// has the sizes of the slide's, in gray of 8 bits. Nothing if the mask is empty.
pub(crate) fn plain_job(slide: &Slide, mask: &Slide, job: Plain) -> Option<Vec<PlainTile>> {
    let lowest = mask.pyramid().lowest();
    let on = &mask.pyramid().levels()[lowest];
    let labels = mask
        .read_level(lowest, PixelFormat::GRAY8)
        .expect("readable");
    let (mut x, mut y) = (Vec::new(), Vec::new());
    for row in 0..on.size.height {
        for column in 0..on.size.width {
            if labels.row(row)[column as usize] > 0 {
                x.push(i64::from(column));
                y.push(i64::from(row));
            }
        }
    }
    let side = |positions: &[i64], ds: f64, full: u32| -> Option<(i64, i64)> {
        let (first, last) = (positions.iter().min()?, positions.iter().max()?);
        let (start, length) = (first - job.margin, last - first + 1 + 2 * job.margin);
        let (start, length) = ((start as f64 * ds) as i64, (length as f64 * ds) as i64);
        let (first, end) = (start.max(0), (start + length).min(full.into()));
        Some((first, (end - first).max(0)))
    };
    let full = slide.pyramid().levels()[0].size;
    let (box_x, box_width) = side(&x, on.downsample, full.width)?;
    let (box_y, box_height) = side(&y, on.downsample, full.height)?;

    let ds = slide.pyramid().levels()[job.level].downsample;
    let (width, height) = (
        (box_width as f64 * (1.0 / ds)) as i64,
        (box_height as f64 * (1.0 / ds)) as i64,
    );
    let (left, top) = ((box_x as f64 / ds) as i64, (box_y as f64 / ds) as i64);
    let tile = job.tile;
    let pad = |length: i64| (tile - length % tile) % tile;
    let (pad_x, pad_y) = (pad(width) / 2, pad(height) / 2);
    let (columns, rows) = ((width + pad(width)) / tile, (height + pad(height)) / tile);

    let size = slide.pyramid().levels()[job.level].size;
    let image = slide
        .read_level(job.level, PixelFormat::RGB8)
        .expect("readable");
    let labels = mask
        .read_level(job.level, PixelFormat::GRAY8)
        .expect("readable");
    let mut tiles = Vec::new();
    for row in 0..rows {
        for column in 0..columns {
            let (mut rgb, mut gray) = (Vec::new(), Vec::new());
            for y in row * tile - pad_y..(row + 1) * tile - pad_y {
                for x in column * tile - pad_x..(column + 1) * tile - pad_x {
                    let (lx, ly) = (left + x, top + y);
                    let inside = (0..width).contains(&x)
                        && (0..height).contains(&y)
                        && (0..i64::from(size.width)).contains(&lx)
                        && (0..i64::from(size.height)).contains(&ly);
                    if inside {
                        rgb.extend_from_slice(&image.row(ly as u32)[lx as usize * 3..][..3]);
                        gray.push(labels.row(ly as u32)[lx as usize]);
                    } else {
                        rgb.extend_from_slice(&[255; 3]);
                        gray.push(0);
                    }
                }
            }
            let count = gray.iter().filter(|&&label| label > 0).count();
            let occupancy = count as f64 / (tile * tile) as f64;
            if occupancy > job.threshold {
                let position = |pixel: i64, origin: i64| (ds * pixel as f64 + origin as f64) as i64;
                tiles.push(PlainTile {
                    origin: Point::new(
                        position(column * tile - pad_x, box_x),
                        position(row * tile - pad_y, box_y),
                    ),
                    occupancy,
                    image: rgb,
                    labels: gray,
                });
            }
        }
    }
    Some(tiles)
}

/// Every file below a folder, with its bytes.
pub(crate) fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(&next).into_iter().flatten() {
            let path = entry.expect("an entry").path();
            let name = path
                .strip_prefix(folder)
                .expect("below")
                .display()
                .to_string();
            if path.is_dir() {
                found.insert(format!("{name}/"), Vec::new());
                folders.push(path);
            } else {
                found.insert(name, std::fs::read(&path).expect("readable"));
            }
        }
    }
    found
}

/// A slide of three levels and a mask of two discs on it, of the same sizes, labels 1 and 2.
pub(crate) fn pair() -> (Slide, Slide) {
    const SIZES: [(u32, u32); 3] = [(1000, 800), (500, 400), (125, 100)];
    let labels = |level: usize, x: u32, y: u32| {
        let scale = 1000.0 / f64::from(SIZES[level].0);
        let distance =
            |cx: f64, cy: f64| (f64::from(x) * scale - cx).hypot(f64::from(y) * scale - cy);
        match (
            distance(250.0, 200.0) < 180.0,
            distance(720.0, 560.0) < 150.0,
        ) {
            (true, _) => 1,
            (_, true) => 2,
            _ => 0,
        }
    };
    (
        Computed::picture(&SIZES, 64).open("pair.svs"),
        Computed::labels(&SIZES, 48, labels).open("pair_mask.tiff"),
    )
}
