//! A slide in a TIFF file: what a vendor's layout says, over page readers.

use std::sync::{Arc, OnceLock};

use wsi_core::geometry::Placement;
use wsi_core::pixels::FromPremultiplied;
use wsi_core::source::{AssociatedImage, TileIndex};
use wsi_core::{
    Channels, Damage, EncodedTiles, Error, Fill, Image, PixelFormat, PixelsMut, Plane, Point,
    Properties, Pyramid, Rect, Region, RegionRead, Result, Runs, SampleType, Size, SlideInfo,
    SlideSource, TileLayout,
};

use crate::cache::TileCache;
use crate::paint::between::Blend;
use crate::properties;
use crate::reader::PageReader;
use crate::tiff::{TiffFile, tag};
use crate::vendor::Layout;

/// Rows of a region between pixels that are read at a time: as many as a stored tile commonly has,
/// so that memory is bounded and few tiles are met twice.
const BLENDED_ROWS: u32 = 512;

/// An open slide.
pub(crate) struct TiffSlide {
    file: Arc<TiffFile>,
    layout: Layout,
    info: SlideInfo,
    /// For each level, for each plane.
    levels: Vec<Vec<Arc<PageReader>>>,
    associated: Vec<(String, PageReader)>,
    properties: OnceLock<Properties>,
}

impl TiffSlide {
    /// Opens what `layout` names. A level that cannot be read is an error; an associated image
    /// that cannot is left out, and a caveat says so.
    pub(crate) fn new(
        file: Arc<TiffFile>,
        format: &'static str,
        mut layout: Layout,
        damage: Damage,
        cache: &Arc<TileCache>,
    ) -> Result<Self> {
        let reader = |index: usize| {
            PageReader::with_cache(Arc::clone(&file), index, damage, Arc::clone(cache))
        };
        let mut levels = Vec::new();
        for (level, planes) in layout.levels.iter().enumerate() {
            let readers: Result<Vec<_>> = planes.iter().map(|&index| reader(index)).collect();
            levels.push(readers.map_err(|error| error.at_level(level))?);
        }
        let mut associated = Vec::new();
        for (name, index) in &layout.associated {
            match reader(*index) {
                Ok(reader) => associated.push((name.clone(), reader)),
                Err(error) => layout
                    .caveats
                    .push(format!("{name} cannot be read: {error}")),
            }
        }
        let info = slide_info(format, &layout, &levels, &associated)?;
        let levels = match layout.borrows_missing_tiles {
            true => lend(levels, &info.pyramid),
            false => levels
                .into_iter()
                .map(|planes| planes.into_iter().map(Arc::new).collect())
                .collect(),
        };
        Ok(Self {
            file,
            layout,
            info,
            levels,
            associated,
            properties: OnceLock::new(),
        })
    }

    fn reader(&self, level: usize, plane: Plane) -> Result<&PageReader> {
        self.levels
            .get(level)
            .and_then(|planes| planes.get(plane.0 as usize))
            .map(|reader| &**reader)
            .ok_or_else(|| Error::invalid(format!("no plane {} of level {level}", plane.0)))
    }

    fn read_properties(&self) -> Result<Properties> {
        let layout = &self.layout;
        let mut all = properties::tiff_properties(&self.file, layout.properties_directory)?;
        for (name, value) in layout.properties.iter_bytes() {
            all.set(name, value);
        }
        properties::slide_properties(&self.info, &mut all);
        let icc_size = self
            .icc(layout.icc_directory)?
            .map_or(0, |profile| profile.len());
        if icc_size > 0 {
            all.set("openslide.icc-size", icc_size.to_string());
        }
        if let (true, Some(reader)) = (layout.has_bounds, self.level0()) {
            properties::bounds_properties(&self.file, reader, &mut all)?;
        }
        let hashed = self.levels.iter().flatten();
        let hashed = hashed
            .map(|reader| reader.page())
            .find(|page| page.directory() == layout.hash_directory);
        if let Some(page) = hashed {
            let hash = properties::quickhash(&self.file, page, layout.properties_directory)?;
            if let Some(hash) = hash {
                all.set("openslide.quickhash-1", hash);
            }
        }
        Ok(all)
    }

    fn level0(&self) -> Option<&PageReader> {
        self.levels.first()?.first().map(|reader| &**reader)
    }

    fn icc(&self, directory: usize) -> Result<Option<Vec<u8>>> {
        self.file.bytes(directory, tag::ICC_PROFILE)
    }

    /// Reads a rectangle of the shown picture, whose top left pixel is `origin`.
    fn read_shown(
        &self,
        reader: &PageReader,
        origin: Point,
        mut out: PixelsMut<'_>,
        fill: Fill,
    ) -> Result<()> {
        let orientation = self.layout.orientation;
        if orientation.is_upright() {
            return reader.read_rect(origin, out, fill);
        }
        let shown = Rect {
            origin,
            size: out.size(),
        };
        let stored = orientation.stored_rect(shown, reader.size());
        let mut image = Image::zeroed(stored.size, out.format())?;
        reader.read_rect(stored.origin, image.pixels_mut(), fill)?;
        orientation.turn(&image, &mut out);
        Ok(())
    }

    /// Reads a part of a region that starts between pixels.
    fn read_between(
        &self,
        region: &Region,
        placement: &Placement,
        mut out: PixelsMut<'_>,
    ) -> Result<()> {
        let reader = self.reader(region.level, region.plane)?;
        let writer = FromPremultiplied::new(out.format(), region.fill)?;
        let orientation = self.layout.orientation;
        let chunk = orientation.shown_size(reader.page().chunk_size());
        let blend = Blend::new(placement, chunk);
        let Size { width, height } = out.size();
        let mut row = vec![0; width as usize * PixelFormat::RGBA8.bytes_per_pixel()];
        for top in (0..height).step_by(BLENDED_ROWS as usize) {
            let rows = BLENDED_ROWS.min(height - top);
            let source = blend.source(top, Size::new(width, rows));
            let pixels = self.read_premultiplied(reader, source)?;
            for y in top..top + rows {
                let (upper, lower) = (pixels.row(y - top), pixels.row(y - top + 1));
                blend.row(y, upper, lower, &mut row);
                writer.write(row.as_chunks().0.iter().copied(), out.row_mut(y));
            }
        }
        Ok(())
    }

    /// Reads a rectangle of the shown picture in RGBA whose colour is multiplied with alpha.
    fn read_premultiplied(&self, reader: &PageReader, shown: Rect) -> Result<Image> {
        let orientation = self.layout.orientation;
        let stored = orientation.stored_rect(shown, reader.size());
        let mut image = Image::zeroed(stored.size, PixelFormat::RGBA8)?;
        reader.read_premultiplied(stored.origin, image.pixels_mut())?;
        if orientation.is_upright() {
            return Ok(image);
        }
        let mut turned = Image::zeroed(shown.size, PixelFormat::RGBA8)?;
        orientation.turn(&image, &mut turned.pixels_mut());
        Ok(turned)
    }
}

/// A read that copies stored pixels, unturned and unblended: such reads can go together.
#[derive(Clone, Copy)]
struct Plain {
    /// In pixels of the level.
    origin: Point,
    kind: Kind,
}

/// What reads that go together have in common.
#[derive(Clone, Copy, PartialEq)]
struct Kind {
    level: usize,
    plane: Plane,
    format: PixelFormat,
    fill: Fill,
}

impl TiffSlide {
    /// How a region is read in a format, if that copies stored pixels.
    fn plain(&self, region: &Region, format: PixelFormat) -> Option<Plain> {
        let level = self.info.pyramid.level(region.level).ok()?;
        if !self.layout.orientation.is_upright() {
            return None;
        }
        let origin = match is_blended(format) {
            false => region.rect_on(level).origin,
            true => match &region.placements(level)[..] {
                [only] if only.target == Rect::new((0, 0), region.size) => only.aligned()?,
                _ => return None,
            },
        };
        let kind = Kind {
            level: region.level,
            plane: region.plane,
            format,
            fill: region.fill,
        };
        Some(Plain { origin, kind })
    }
}

impl SlideSource for TiffSlide {
    fn info(&self) -> &SlideInfo {
        &self.info
    }

    fn properties(&self) -> Result<&Properties> {
        if let Some(properties) = self.properties.get() {
            return Ok(properties);
        }
        let properties = self.read_properties()?;
        Ok(self.properties.get_or_init(|| properties))
    }

    fn read_region(&self, region: &Region, mut out: PixelsMut<'_>) -> Result<()> {
        let level = self.info.pyramid.level(region.level)?;
        let reader = self.reader(region.level, region.plane)?;
        let rect = region.rect_on(level);
        if !is_blended(out.format()) {
            return self.read_shown(reader, rect.origin, out, region.fill);
        }
        let placements = region.placements(level);
        let whole = Rect::new((0, 0), region.size);
        if placements.iter().all(|placement| placement.target != whole) {
            out.fill(region.fill);
        }
        for placement in placements {
            let target = placement.target;
            let out = out.part_mut(target);
            let Some(origin) = placement.aligned() else {
                self.read_between(region, &placement, out)?;
                continue;
            };
            self.read_shown(reader, origin, out, region.fill)?;
        }
        Ok(())
    }

    fn read_regions(&self, mut reads: Vec<RegionRead<'_>>) -> Vec<Result<()>> {
        let plain = |read: &RegionRead<'_>| self.plain(&read.region, read.out.format());
        let plain: Vec<Option<Plain>> = reads.iter().map(plain).collect();
        let mut results: Vec<Option<Result<()>>> = reads.iter().map(|_| None).collect();
        for first in 0..reads.len() {
            let Some(kind) = plain[first].map(|plain| plain.kind) else {
                continue;
            };
            if results[first].is_some() {
                continue;
            }
            let same = |plain: &Option<Plain>| plain.filter(|plain| plain.kind == kind);
            let rects = reads.iter_mut().zip(&plain).filter_map(|(read, plain)| {
                let whole = Rect::new((0, 0), read.out.size());
                same(plain).map(|plain| (plain.origin, read.out.part_mut(whole)))
            });
            let read = self
                .reader(kind.level, kind.plane)
                .and_then(|reader| reader.read_rects(rects.collect(), kind.fill));
            // If one could not be read, each is read by itself to find out which.
            for (result, plain) in results.iter_mut().zip(&plain) {
                if read.is_ok() && same(plain).is_some() {
                    *result = Some(Ok(()));
                }
            }
            if read.is_err() {
                for ((result, plain), read) in results.iter_mut().zip(&plain).zip(&mut reads) {
                    if same(plain).is_some() {
                        let whole = Rect::new((0, 0), read.out.size());
                        *result = Some(self.read_region(&read.region, read.out.part_mut(whole)));
                    }
                }
            }
        }
        let rest = results.into_iter().zip(reads);
        rest.map(|(result, read)| {
            result.unwrap_or_else(|| self.read_region(&read.region, read.out))
        })
        .collect()
    }

    fn read_first_channel(&self, region: &Region) -> Option<Runs> {
        let plain = self.plain(region, self.info.pixel_format)?;
        let reader = self.reader(region.level, region.plane).ok()?;
        let fill = region.fill.pixel(self.info.pixel_format);
        let wanted = Rect {
            origin: plain.origin,
            size: region.size,
        };
        reader.read_first_samples(wanted, fill.first().copied()?)
    }

    fn read_associated(&self, name: &str) -> Result<Image> {
        let found = self.associated.iter().find(|(known, _)| known == name);
        let (_, reader) =
            found.ok_or_else(|| Error::invalid(format!("no associated image `{name}`")))?;
        reader.read().map_err(|error| {
            Error::new(error.kind(), format!("associated image `{name}`")).with_source(error)
        })
    }

    fn icc_profile(&self) -> Result<Option<Vec<u8>>> {
        self.icc(self.layout.icc_directory)
    }

    fn encoded_tiles(&self) -> Option<&dyn EncodedTiles> {
        // The stored tiles of a turned picture are not tiles of its levels.
        self.layout
            .orientation
            .is_upright()
            .then_some(self as &dyn EncodedTiles)
    }
}

impl EncodedTiles for TiffSlide {
    fn layout(&self, level: usize, plane: Plane) -> Result<TileLayout> {
        Ok(self.reader(level, plane)?.tile_layout())
    }

    fn read_tile(&self, index: TileIndex, bytes: &mut Vec<u8>) -> Result<bool> {
        let reader = self.reader(index.level, index.plane)?;
        let (columns, rows) = reader.page().grid();
        if index.column >= columns || index.row >= rows {
            return Err(Error::invalid(format!(
                "tile ({}, {}) of a grid of {columns} x {rows}",
                index.column, index.row
            )));
        }
        if reader.is_borrowed(index.column, index.row)? {
            return Err(Error::unsupported(
                "a tile that the file leaves out or spoils, drawn from the level before",
            )
            .at_level(index.level)
            .at_tile(index.column.into(), index.row.into()));
        }
        reader.read_stored(index.column, index.row, 0, bytes)
    }
}

/// Lets every level draw the tiles that it lacks from the one before.
fn lend(levels: Vec<Vec<PageReader>>, pyramid: &Pyramid) -> Vec<Vec<Arc<PageReader>>> {
    let mut lent: Vec<Vec<Arc<PageReader>>> = Vec::with_capacity(levels.len());
    let mut before: Option<f64> = None;
    for (planes, level) in levels.into_iter().zip(pyramid.levels()) {
        let finer = before.zip(lent.last());
        let planes = planes.into_iter().enumerate().map(|(plane, reader)| {
            let finer = finer.and_then(|(downsample, planes)| {
                planes.get(plane).map(|finer| (downsample, finer))
            });
            Arc::new(match finer {
                None => reader,
                Some((downsample, finer)) => {
                    reader.with_lender(Arc::clone(finer), downsample / level.downsample)
                }
            })
        });
        lent.push(planes.collect());
        before = Some(level.downsample);
    }
    lent
}

fn slide_info(
    format: &'static str,
    layout: &Layout,
    levels: &[Vec<PageReader>],
    associated: &[(String, PageReader)],
) -> Result<SlideInfo> {
    let first = |planes: &Vec<PageReader>| {
        planes.first().map(|reader| {
            (
                layout.orientation.shown_size(reader.size()),
                tile(reader, layout),
            )
        })
    };
    let sizes: Vec<_> = levels.iter().filter_map(first).collect();
    let pyramid = Pyramid::from_sizes(sizes.iter().map(|&(size, _)| size))?;
    let with_tiles = pyramid
        .levels()
        .iter()
        .zip(&sizes)
        .map(|(level, &(_, tile))| match tile {
            Some(tile) => level.clone().with_tile_size(tile),
            None => level.clone(),
        });
    let pyramid = Pyramid::new(with_tiles.collect())?;
    let pixel_format = levels
        .first()
        .and_then(|planes| planes.first())
        .map_or(PixelFormat::RGB8, PageReader::format);
    let mut info = SlideInfo::new(format, pyramid, pixel_format);
    info.planes = levels
        .first()
        .and_then(|planes| u32::try_from(planes.len()).ok())
        .unwrap_or(1);
    info.mpp = layout.mpp;
    info.objective_power = layout.objective_power;
    info.associated = associated
        .iter()
        .map(|(name, reader)| AssociatedImage {
            name: name.clone(),
            size: reader.size(),
            format: reader.format(),
        })
        .collect();
    info.caveats.clone_from(&layout.caveats);
    Ok(info)
}

/// The size of the stored tiles as they are shown.
fn tile(reader: &PageReader, layout: &Layout) -> Option<Size> {
    let stored = reader.page().is_tiled().then(|| reader.page().chunk_size());
    stored.map(|size| layout.orientation.shown_size(size))
}

/// Whether a read of this format is blended between pixels: 8-bit colour alone.
fn is_blended(format: PixelFormat) -> bool {
    format.sample == SampleType::U8 && matches!(format.channels, Channels::Rgb | Channels::Rgba)
}
