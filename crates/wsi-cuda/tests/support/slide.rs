//! A slide in memory: one level of JPEG tiles, which `wsi-jpeg` decodes where the CPU is asked.

use std::sync::Arc;

use wsi_core::source::TileIndex;
use wsi_core::{
    EncodedTiles, Error, ErrorKind, Image, Origin, PixelFormat, PixelsMut, Plane, Properties,
    Pyramid, Rect, Region, Result, Size, Slide, SlideInfo, SlideSource, TileLayout,
};
use wsi_cuda::plan::StreamFormat;
use wsi_jpeg::{ColorModel, Tables};

use super::by_wsi_jpeg;

pub(crate) struct Memory {
    info: SlideInfo,
    properties: Properties,
    pub(crate) layout: TileLayout,
    /// Row by row; `None` where the file leaves a tile out.
    pub(crate) tiles: Vec<Option<Vec<u8>>>,
    /// The number of a tile that cannot be read.
    pub(crate) unreadable: Option<usize>,
}

impl Memory {
    /// A level of `size` pixels, cut into tiles of `tile` pixels: `stored` makes that of a column
    /// and row.
    pub(crate) fn new(
        size: Size,
        tile: Size,
        format: PixelFormat,
        mut stored: impl FnMut(u32, u32) -> Option<Vec<u8>>,
    ) -> Self {
        let grid = (
            size.width.div_ceil(tile.width),
            size.height.div_ceil(tile.height),
        );
        let pyramid = Pyramid::from_sizes([size]).expect("a level");
        let mut layout = TileLayout::new(tile, grid, "jpeg", format);
        layout.jpeg_is_ycc = true;
        let cells = (0..grid.1).flat_map(|row| (0..grid.0).map(move |column| (column, row)));
        Self {
            info: SlideInfo::new("memory", pyramid, format),
            properties: Properties::new(),
            layout,
            tiles: cells.map(|(column, row)| stored(column, row)).collect(),
            unreadable: None,
        }
    }

    pub(crate) fn open(self) -> Slide {
        Slide::new(Box::new(self), "memory.jpeg")
    }

    fn tile(&self, column: u32, row: u32) -> Result<&Option<Vec<u8>>> {
        let place = (row * self.layout.columns + column) as usize;
        let inside = column < self.layout.columns;
        if self.unreadable == Some(place) {
            let error = Error::new(ErrorKind::Io, "a disk that fails");
            return Err(error.at_tile(column.into(), row.into()));
        }
        let found = self.tiles.get(place).filter(|_| inside);
        found.ok_or_else(|| Error::invalid("no such tile"))
    }

    /// Writes the part of a tile that a picture whose first pixel is `origin` shows.
    fn show(
        &self,
        (column, row): (u32, u32),
        origin: wsi_core::Point,
        out: &mut PixelsMut<'_>,
    ) -> Result<()> {
        let Some(stored) = self.tile(column, row)? else {
            return Ok(());
        };
        let size = self.layout.tile_size;
        let gray = self.layout.pixel_format == PixelFormat::GRAY8;
        let (channels, color) = if gray {
            (1, ColorModel::Gray)
        } else {
            (3, ColorModel::YCbCr)
        };
        let shared = &self.layout.jpeg_tables;
        let tables = (!shared.is_empty()).then(|| Tables::parse(shared).expect("tables"));
        let format = StreamFormat::new(size)
            .with_color(Some(color))
            .with_tables(tables);
        let wrong = |error: Error| error.at_tile(column.into(), row.into());
        let (pixels, outcome) = by_wsi_jpeg(stored, &format, channels)
            .map_err(|error| wrong(Error::corrupt("JPEG data").with_source(error)))?;
        if !outcome.is_clean() {
            return Err(wrong(Error::corrupt("damaged JPEG data")));
        }
        let (left, top) = (column * size.width, row * size.height);
        let level = Rect::new((0, 0), self.info.pyramid.levels()[0].size);
        let shown = Rect::new((i64::from(left), i64::from(top)), size).intersection(level);
        let shown = shown.and_then(|rect| rect.intersection(Rect::new(origin, out.size())));
        let Some(shown) = shown else {
            return Ok(());
        };
        let number = |value: i64| usize::try_from(value).expect("inside");
        for y in shown.origin.y..shown.bottom() {
            let from = (number(y - i64::from(top)) * size.width as usize
                + number(shown.origin.x - i64::from(left)))
                * channels;
            let to = number(shown.origin.x - origin.x) * channels;
            let bytes = shown.size.width as usize * channels;
            let line = u32::try_from(y - origin.y).expect("inside");
            out.row_mut(line)[to..to + bytes].copy_from_slice(&pixels[from..from + bytes]);
        }
        Ok(())
    }
}

impl SlideSource for Memory {
    fn info(&self) -> &SlideInfo {
        &self.info
    }

    fn properties(&self) -> Result<&Properties> {
        Ok(&self.properties)
    }

    fn read_region(&self, region: &Region, mut out: PixelsMut<'_>) -> Result<()> {
        let Origin::Level(origin) = region.origin else {
            return Err(Error::unsupported("level-0 origins"));
        };
        if out.format() != self.layout.pixel_format {
            return Err(Error::unsupported("another format"));
        }
        out.fill(region.fill);
        for row in 0..self.layout.rows {
            for column in 0..self.layout.columns {
                let Size { width, height } = self.layout.tile_size;
                let corner = (i64::from(column * width), i64::from(row * height));
                let area = Rect::new(corner, self.layout.tile_size);
                if area.intersection(Rect::new(origin, region.size)).is_some() {
                    self.show((column, row), origin, &mut out)?;
                }
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

    fn encoded_tiles(&self) -> Option<&dyn EncodedTiles> {
        Some(self)
    }
}

impl EncodedTiles for Memory {
    fn layout(&self, level: usize, plane: Plane) -> Result<TileLayout> {
        match (level, plane) {
            (0, Plane(0)) => Ok(self.layout.clone()),
            _ => Err(Error::invalid("no such level")),
        }
    }

    fn read_tile(&self, index: TileIndex, bytes: &mut Vec<u8>) -> Result<bool> {
        let tile = self.tile(index.column, index.row)?;
        bytes.clear();
        bytes.extend(tile.iter().flatten());
        Ok(tile.is_some())
    }
}

/// Shared tables of a stream, and the stream without them: as TIFF stores both.
pub(crate) fn without_tables(stream: &[u8]) -> (Arc<[u8]>, Vec<u8>) {
    let (mut tables, mut rest) = (vec![0xFF, 0xD8], vec![0xFF, 0xD8]);
    let mut at = 2;
    while stream[at + 1] != 0xDA {
        let size = usize::from(u16::from_be_bytes([stream[at + 2], stream[at + 3]])) + 2;
        let to = if matches!(stream[at + 1], 0xC4 | 0xDB) {
            &mut tables
        } else {
            &mut rest
        };
        to.extend(&stream[at..at + size]);
        at += size;
    }
    rest.extend(&stream[at..]);
    tables.extend([0xFF, 0xD9]);
    (tables.into(), rest)
}
