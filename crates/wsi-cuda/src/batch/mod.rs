//! Batches: tiles, patches and streams to tensors on a device.
//!
//! [`BatchDecoder`] plans what the kernels can decode, launches them, asks which tiles they flagged,
//! and has the CPU decode those and all others that are not for the kernels. Whoever calls it gets
//! right pixels or an error for each picture, and learns which tiles the CPU decoded and why.
//!
//! | file | what it is |
//! |---|---|
//! | `placement` | which part of which tile goes where |
//! | `source` | where stored tiles come from, and who decodes them on the CPU |
//! | `engine` | batch after batch |
//! | `prepared` | one batch again and again, to be timed |
//! | `scratch` | buffers that are kept |
//! | `labels` | masks: labels to labels |
//! | `raw` | rows of samples without compression |

mod engine;
mod labels;
mod placement;
mod prepared;
mod raw;
mod scratch;
mod source;

use std::collections::HashMap;
use std::sync::Arc;

use wsi_core::source::TileIndex;
use wsi_core::{Error, Image, PixelFormat, Plane, Point, Result, Size, Slide};

use crate::device::CudaExecutor;
use crate::executor::Executor;
use crate::output::{DeviceTensor, Output, bytes_of, channels_of};
use crate::plan::{Refusal, Slicing, StreamFormat};
use engine::Engine;
pub use labels::{LabelMap, LabelTensor};
use placement::Placements;
pub use prepared::Prepared;
pub use raw::RawFormat;
use scratch::Scratch;
use source::{Stored, Streams, TileSource};

/// Decodes batches on a device. One thread at a time; its buffers are kept from call to call.
pub struct BatchDecoder {
    executor: Box<dyn Executor>,
    slicing: Slicing,
    batch_bytes: u64,
    scratch: Scratch,
}

/// Bytes on the device that a batch takes at most unless told otherwise.
const BATCH_BYTES: u64 = 1 << 30;

/// What a call made.
#[derive(Debug)]
#[non_exhaustive]
pub struct Decoded {
    /// The pictures, in the order of the call.
    pub tensor: DeviceTensor,
    /// How each of them came out, and which tiles the CPU decoded.
    pub report: Report,
}

/// How the pictures of a call came out.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Report {
    /// For each picture: an error if a tile of it could not be read or decoded. That part of the
    /// picture has the fill, the rest is right.
    pub results: Vec<Result<()>>,
    /// The tiles that the CPU decoded, or found that they cannot be.
    pub by_cpu: Vec<CpuTile>,
    /// Stored tiles that were needed, each once.
    pub tiles: usize,
}

impl Report {
    /// The first error, with the number of its picture.
    #[must_use]
    pub fn first_error(&self) -> Option<(usize, &Error)> {
        let mut results = self.results.iter().enumerate();
        results.find_map(|(item, result)| Some((item, result.as_ref().err()?)))
    }
}

/// A tile that the CPU decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CpuTile {
    /// Its number: of the stream, or among the stored tiles of the call, row by row.
    pub tile: usize,
    /// Why.
    pub reason: CpuReason,
}

impl CpuTile {
    fn new(tile: usize, reason: CpuReason) -> Self {
        Self { tile, reason }
    }
}

/// Why a tile was decoded on the CPU.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CpuReason {
    /// It is not JPEG of 8-bit gray or colour.
    Compression,
    /// The file leaves it out.
    Missing,
    /// Its stored bytes cannot be read, or are not what is shown.
    Unread,
    /// The plan refused it.
    Refused(Refusal),
    /// The kernels found something in its data: bits of [`flag`](crate::layout::flag).
    Flagged(u32),
}

impl BatchDecoder {
    /// A decoder on a GPU, by its number, with a stream of its own.
    ///
    /// # Errors
    /// As [`CudaExecutor::new`].
    pub fn on_device(ordinal: usize) -> Result<Self> {
        Ok(Self::new(Box::new(CudaExecutor::new(ordinal)?)))
    }

    /// A decoder that works where this executor does.
    #[must_use]
    pub fn new(executor: Box<dyn Executor>) -> Self {
        Self {
            executor,
            slicing: Slicing::default(),
            batch_bytes: BATCH_BYTES,
            scratch: Scratch::default(),
        }
    }

    /// How streams are cut into slices. Default: by the size of the batch. Pixels do not depend on
    /// it.
    #[must_use]
    pub fn with_slicing(mut self, slicing: Slicing) -> Self {
        self.slicing = slicing;
        self
    }

    /// Bytes on the device that a batch may take, beside the output: calls that need more are split.
    /// Default: 1 GiB. It is never more than half of the memory that is free.
    #[must_use]
    pub fn with_batch_bytes(mut self, bytes: u64) -> Self {
        self.batch_bytes = bytes;
        self
    }

    /// The device.
    #[must_use]
    pub fn executor(&self) -> &dyn Executor {
        &*self.executor
    }

    /// Memory for `items` pictures.
    ///
    /// # Errors
    /// `InvalidArgument` for a tensor that is too large to be addressed, `Device` if there is not
    /// enough memory.
    pub fn allocate(
        &self,
        items: usize,
        size: Size,
        channels: u32,
        output: &Output,
    ) -> Result<DeviceTensor> {
        let bytes = bytes_of(items, size, channels, output.element())?;
        let buffer = self.executor.allocate(bytes.max(16))?;
        DeviceTensor::new(buffer, items, size, channels, output)
    }

    /// The elements of a tensor, as bytes in native order.
    ///
    /// # Errors
    /// `Device` if they cannot be copied.
    pub fn download(&self, tensor: &DeviceTensor) -> Result<Vec<u8>> {
        let mut bytes = vec![0; tensor.bytes()];
        self.executor.download(tensor.buffer(), 0, &mut bytes)?;
        Ok(bytes)
    }

    /// Decodes stored tiles of a level, each to a picture of the size of a tile: what
    /// [`Slide::read_region`] gives for its place. What reaches beyond the level is filled.
    ///
    /// # Errors
    /// `InvalidArgument` if there is no such level or tile, or the tiles are of several planes;
    /// `Unsupported` if the backend hands out no stored tiles, or pixels are neither colour nor
    /// 8-bit gray; `Device` if the device fails. What a tile runs into is told in the report.
    pub fn decode_tiles(
        &mut self,
        slide: &Slide,
        level: usize,
        tiles: &[TileIndex],
        output: &Output,
    ) -> Result<Decoded> {
        let plane = tiles.first().map_or(Plane(0), |tile| tile.plane);
        let size = stored_tiles(slide)?.layout(level, plane)?.tile_size;
        self.decode_new(slide, size, tiles.len(), output, |decoder, tensor| {
            decoder.decode_tiles_into(slide, level, tiles, output, tensor)
        })
    }

    /// Decodes like [`decode_tiles`](Self::decode_tiles) into a tensor that is there: the first
    /// pictures of it.
    ///
    /// # Errors
    /// As [`decode_tiles`](Self::decode_tiles); `InvalidArgument` for a tensor that does not fit.
    pub fn decode_tiles_into(
        &mut self,
        slide: &Slide,
        level: usize,
        tiles: &[TileIndex],
        output: &Output,
        tensor: &DeviceTensor,
    ) -> Result<Report> {
        let plane = tiles.first().map_or(Plane(0), |tile| tile.plane);
        let layout = stored_tiles(slide)?.layout(level, plane)?;
        let mut origins = Vec::with_capacity(tiles.len());
        for tile in tiles {
            let inside = tile.column < layout.columns && tile.row < layout.rows;
            if !inside || (tile.level, tile.plane) != (level, plane) {
                return Err(Error::invalid(format!(
                    "{tile:?} among the {} x {} tiles of level {level}, plane {}",
                    layout.columns, layout.rows, plane.0
                )));
            }
            origins.push(Point::new(
                i64::from(tile.column) * i64::from(layout.tile_size.width),
                i64::from(tile.row) * i64::from(layout.tile_size.height),
            ));
        }
        self.read_into(
            slide,
            (level, plane),
            &origins,
            layout.tile_size,
            output,
            tensor,
        )
    }

    /// Reads patches of `size` of a level, whose first pixels are `origins` in pixels of the level:
    /// what [`Slide::read_region`] gives for [`Region::at_level`](wsi_core::Region::at_level). They
    /// may lie anywhere; each stored tile is decoded once, however many of them need it.
    ///
    /// # Errors
    /// As [`decode_tiles`](Self::decode_tiles).
    pub fn read_patches(
        &mut self,
        slide: &Slide,
        level: usize,
        origins: &[Point],
        size: impl Into<Size>,
        output: &Output,
    ) -> Result<Decoded> {
        let size = size.into();
        self.decode_new(slide, size, origins.len(), output, |decoder, tensor| {
            decoder.read_patches_into(slide, level, origins, output, tensor)
        })
    }

    /// Reads like [`read_patches`](Self::read_patches) into a tensor that is there, whose pictures
    /// are of the size of the patches: the first pictures of it.
    ///
    /// # Errors
    /// As [`read_patches`](Self::read_patches); `InvalidArgument` for a tensor that does not fit.
    pub fn read_patches_into(
        &mut self,
        slide: &Slide,
        level: usize,
        origins: &[Point],
        output: &Output,
        tensor: &DeviceTensor,
    ) -> Result<Report> {
        self.read_into(
            slide,
            (level, Plane(0)),
            origins,
            tensor.size(),
            output,
            tensor,
        )
    }

    /// Decodes JPEG streams of one size, each to a picture.
    ///
    /// `channels` is 3 for colour, or gray as colour, and 1 for gray.
    ///
    /// # Errors
    /// `Device` if the device fails. What a stream runs into is told in the report.
    pub fn decode_streams(
        &mut self,
        format: &StreamFormat,
        streams: &[&[u8]],
        channels: u32,
        output: &Output,
    ) -> Result<Decoded> {
        let tensor = self.allocate(streams.len(), format.size, channels, output)?;
        let report = self.decode_streams_into(format, streams, output, &tensor)?;
        Ok(Decoded { tensor, report })
    }

    /// Decodes like [`decode_streams`](Self::decode_streams) into a tensor that is there: the first
    /// pictures of it.
    ///
    /// # Errors
    /// As [`decode_streams`](Self::decode_streams); `InvalidArgument` for a tensor that does not fit.
    pub fn decode_streams_into(
        &mut self,
        format: &StreamFormat,
        streams: &[&[u8]],
        output: &Output,
        tensor: &DeviceTensor,
    ) -> Result<Report> {
        let pixels = match tensor.channels() {
            1 => PixelFormat::GRAY8,
            _ => PixelFormat::RGB8,
        };
        check_tensor(
            tensor,
            streams.len(),
            format.size,
            tensor.channels(),
            output,
        )?;
        let source = Streams {
            format,
            streams,
            pixels,
        };
        let placements = Placements::of_streams(streams.len(), format.size);
        self.run(
            &source,
            &placements,
            streams.len(),
            streams.len(),
            output,
            tensor,
        )
    }

    fn decode_new(
        &mut self,
        slide: &Slide,
        size: Size,
        items: usize,
        output: &Output,
        decode: impl FnOnce(&mut Self, &DeviceTensor) -> Result<Report>,
    ) -> Result<Decoded> {
        let (channels, _) = channels_of(slide.info().pixel_format)?;
        let tensor = self.allocate(items, size, channels, output)?;
        let report = decode(self, &tensor)?;
        Ok(Decoded { tensor, report })
    }

    fn read_into(
        &mut self,
        slide: &Slide,
        (level, plane): (usize, Plane),
        origins: &[Point],
        size: Size,
        output: &Output,
        tensor: &DeviceTensor,
    ) -> Result<Report> {
        let (channels, pixels) = channels_of(slide.info().pixel_format)?;
        check_tensor(tensor, origins.len(), size, channels, output)?;
        let layout = stored_tiles(slide)?.layout(level, plane)?;
        let level_size = slide.pyramid().level(level)?.size;
        let origins_given = origins.iter().copied();
        let placements = Placements::of_patches(level_size, layout.tile_size, origins_given, size);
        let tiles = placements.tiles.iter();
        let tiles: Vec<_> = tiles
            .map(|&(column, row)| TileIndex {
                level,
                plane,
                column,
                row,
            })
            .collect();
        let count = tiles.len();
        let source = Stored::new(slide, tiles, &layout, pixels, output.fill());
        self.run(&source, &placements, count, origins.len(), output, tensor)
    }

    fn run(
        &mut self,
        source: &dyn TileSource,
        placements: &Placements,
        tiles: usize,
        items: usize,
        output: &Output,
        tensor: &DeviceTensor,
    ) -> Result<Report> {
        let values = output.table()?;
        let free = self.executor.memory()?.saturating_add(self.scratch.bytes());
        let gray = tensor.channels() == 1;
        let pixel = output.fill().pixel(match gray {
            true => PixelFormat::GRAY8,
            false => PixelFormat::RGB8,
        });
        let color = |channel: usize| {
            let value = pixel.get(channel).or_else(|| pixel.first());
            value.copied().map_or(0, u32::from)
        };
        let mut engine = Engine {
            executor: &*self.executor,
            scratch: &mut self.scratch,
            slicing: self.slicing,
            budget: self.batch_bytes.min(free / 2),
            source,
            placements,
            tensor,
            fill: color(0) | color(1) << 8 | color(2) << 16,
            failed: HashMap::new(),
            by_cpu: Vec::new(),
        };
        engine.run(tiles, &values)?;
        let Engine { failed, by_cpu, .. } = engine;
        self.executor.synchronize()?;
        Ok(Report {
            results: results(placements, items, &failed),
            by_cpu,
            tiles,
        })
    }
}

impl std::fmt::Debug for BatchDecoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BatchDecoder")
            .field("device", &self.executor.name())
            .field("slicing", &self.slicing)
            .field("batch_bytes", &self.batch_bytes)
            .finish_non_exhaustive()
    }
}

fn stored_tiles(slide: &Slide) -> Result<&dyn wsi_core::EncodedTiles> {
    slide.encoded_tiles().ok_or_else(|| {
        Error::unsupported("the backend hands out no stored tiles of this slide")
            .at_path(slide.path())
    })
}

fn check_tensor(
    tensor: &DeviceTensor,
    items: usize,
    size: Size,
    channels: u32,
    output: &Output,
) -> Result<()> {
    let fits = tensor.items() >= items
        && (tensor.size(), tensor.channels()) == (size, channels)
        && (tensor.layout(), tensor.element()) == (output.layout(), output.element());
    if fits {
        return Ok(());
    }
    Err(Error::invalid(format!(
        "{items} pictures of {size} with {channels} channels into a tensor of {:?} {:?}, {:?}",
        tensor.shape(),
        tensor.element(),
        tensor.layout()
    )))
}

/// How each picture came out: its first tile that failed.
fn results(
    placements: &Placements,
    items: usize,
    failed: &HashMap<usize, Arc<Error>>,
) -> Vec<Result<()>> {
    let mut results: Vec<Result<()>> = (0..items).map(|_| Ok(())).collect();
    if failed.is_empty() {
        return results;
    }
    for part in &placements.parts {
        let error = part.tile.and_then(|tile| failed.get(&tile));
        if let (Some(error), Some(result @ Ok(()))) = (error, results.get_mut(part.item)) {
            *result = Err(copy(error));
        }
    }
    results
}

/// An error of its own for each picture that shares a tile: the same kind, place and message, with
/// the original as its cause.
fn copy(error: &Arc<Error>) -> Error {
    let mut copy = Error::new(error.kind(), error.message()).with_source(Arc::clone(error));
    if let Some(path) = error.path() {
        copy = copy.at_path(path);
    }
    if let Some(level) = error.level() {
        copy = copy.at_level(level);
    }
    if let Some((column, row)) = error.tile() {
        copy = copy.at_tile(column, row);
    }
    copy
}

/// Compile-time proof that a decoder can move to another thread.
const _: fn() = || {
    fn is_send<T: Send>() {}
    is_send::<BatchDecoder>();
    is_send::<Image>();
};
