//! Where stored tiles come from, and who decodes those that the kernels cannot.

use std::cell::RefCell;

use wsi_core::{
    Error, ErrorKind, Fill, Image, Origin, PixelFormat, Point, Region, Result, Size, Slide,
    source::{TileIndex, TileLayout},
};
use wsi_jpeg::{ColorModel, Decoder, Options, StridedRows, Tables};

use crate::plan::StreamFormat;

/// The tiles of a call, by number.
pub(super) trait TileSource: Sync {
    /// What the streams have in common, if they are JPEG that the kernels may decode.
    fn format(&self) -> Option<&StreamFormat>;

    /// Replaces `bytes` with the stored tile; `false` if there is none.
    fn read(&self, tile: usize, bytes: &mut Vec<u8>) -> Result<bool>;

    /// Decodes a tile on the CPU.
    fn decode(&self, tile: usize) -> Result<Image>;

    /// Says where an error was.
    fn place(&self, tile: usize, error: Error) -> Error;
}

/// Streams in memory.
pub(super) struct Streams<'s> {
    pub(super) format: &'s StreamFormat,
    pub(super) streams: &'s [&'s [u8]],
    /// The format of decoded tiles.
    pub(super) pixels: PixelFormat,
}

thread_local! {
    static DECODER: RefCell<Decoder> = RefCell::new(Decoder::new());
}

impl TileSource for Streams<'_> {
    fn format(&self) -> Option<&StreamFormat> {
        Some(self.format)
    }

    fn read(&self, tile: usize, bytes: &mut Vec<u8>) -> Result<bool> {
        bytes.clear();
        let stream = self.streams.get(tile);
        bytes.extend_from_slice(stream.copied().unwrap_or_default());
        Ok(stream.is_some())
    }

    fn decode(&self, tile: usize) -> Result<Image> {
        let stream = self.streams.get(tile).copied().unwrap_or_default();
        decode_stream(stream, self.format, self.pixels)
    }

    fn place(&self, tile: usize, error: Error) -> Error {
        Error::new(error.kind(), format!("stream {tile}")).with_source(error)
    }
}

/// Decodes a stream with `wsi-jpeg`. What libjpeg would only warn of is an error.
fn decode_stream(stream: &[u8], format: &StreamFormat, pixels: PixelFormat) -> Result<Image> {
    let tables = format.tables.as_ref();
    let info = wsi_jpeg::Info::read(stream, tables).map_err(translate)?;
    let Size { width, height } = format.size;
    if (info.width(), info.height()) != (width, height) {
        return Err(Error::corrupt(format!(
            "a JPEG picture of {} x {} in a tile of {}",
            info.width(),
            info.height(),
            format.size
        )));
    }
    let as_gray = pixels == PixelFormat::GRAY8;
    let jpeg_format = if as_gray {
        wsi_jpeg::PixelFormat::Gray8
    } else {
        wsi_jpeg::PixelFormat::Rgb8
    };
    let options = Options::new(jpeg_format)
        .with_tables(tables)
        .with_color(format.color);
    let stride = width as usize * pixels.bytes_per_pixel();
    let mut bytes = vec![0; stride * height as usize];
    let mut rows = StridedRows::new(&mut bytes, stride);
    let decoded = DECODER.with_borrow_mut(|decoder| decoder.decode(stream, &options, &mut rows));
    let outcome = decoded.map_err(translate)?;
    let shared = tables.map(Tables::outcome);
    let warnings = outcome.warnings().iter();
    if let Some(warning) = warnings
        .chain(shared.into_iter().flat_map(wsi_jpeg::Outcome::warnings))
        .next()
    {
        return Err(Error::corrupt(format!("JPEG data: {warning}")));
    }
    Image::from_bytes(format.size, pixels, bytes)
}

fn translate(error: wsi_jpeg::Error) -> Error {
    let kind = match error.kind() {
        wsi_jpeg::ErrorKind::Unsupported => ErrorKind::Unsupported,
        wsi_jpeg::ErrorKind::LimitExceeded => ErrorKind::LimitExceeded,
        _ => ErrorKind::Corrupt,
    };
    Error::new(kind, "JPEG data").with_source(error)
}

/// Stored tiles of a level of a slide.
pub(super) struct Stored<'s> {
    slide: &'s Slide,
    tiles: Vec<TileIndex>,
    tile_size: Size,
    format: Option<StreamFormat>,
    pixels: PixelFormat,
    fill: Fill,
}

impl<'s> Stored<'s> {
    pub(super) fn new(
        slide: &'s Slide,
        tiles: Vec<TileIndex>,
        layout: &TileLayout,
        pixels: PixelFormat,
        fill: Fill,
    ) -> Self {
        Self {
            slide,
            tiles,
            tile_size: layout.tile_size,
            format: stream_format(layout),
            pixels,
            fill,
        }
    }
}

/// What the streams of a level have in common; `None` if its tiles are not JPEG, or their shared
/// tables cannot be read: then the CPU has its say.
fn stream_format(layout: &TileLayout) -> Option<StreamFormat> {
    let color = match (layout.compression, layout.pixel_format) {
        ("jpeg", PixelFormat::GRAY8) => ColorModel::Gray,
        ("jpeg", PixelFormat::RGB8) if layout.jpeg_is_ycc => ColorModel::YCbCr,
        ("jpeg", PixelFormat::RGB8) => ColorModel::Rgb,
        _ => return None,
    };
    let tables = match layout.jpeg_tables.is_empty() {
        true => None,
        false => Some(Tables::parse(&layout.jpeg_tables).ok()?),
    };
    Some(
        StreamFormat::new(layout.tile_size)
            .with_tables(tables)
            .with_color(Some(color)),
    )
}

impl TileSource for Stored<'_> {
    fn format(&self) -> Option<&StreamFormat> {
        self.format.as_ref()
    }

    fn read(&self, tile: usize, bytes: &mut Vec<u8>) -> Result<bool> {
        match (self.slide.encoded_tiles(), self.tiles.get(tile)) {
            (Some(tiles), Some(&index)) => tiles.read_tile(index, bytes),
            _ => Ok(false),
        }
    }

    fn decode(&self, tile: usize) -> Result<Image> {
        let index = self.tiles.get(tile);
        let index = index.ok_or_else(|| Error::invalid(format!("no tile {tile}")))?;
        let Size { width, height } = self.tile_size;
        let origin = Point::new(
            i64::from(index.column) * i64::from(width),
            i64::from(index.row) * i64::from(height),
        );
        let region = Region::at_level(index.level, origin, self.tile_size)
            .with_plane(index.plane)
            .with_fill(self.fill);
        debug_assert!(matches!(region.origin, Origin::Level(_)), "never blended");
        self.slide.read_region_as(&region, self.pixels)
    }

    fn place(&self, tile: usize, error: Error) -> Error {
        let error = error.at_path(self.slide.path());
        match self.tiles.get(tile) {
            Some(index) => error
                .at_level(index.level)
                .at_tile(index.column.into(), index.row.into()),
            None => error,
        }
    }
}
