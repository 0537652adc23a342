//! One picture of the file: its size, how its samples are stored, where its chunks lie.
//!
//! Whatever a directory says is checked here once; from here on a page is sound. A *chunk* is a
//! stored tile or strip; chunks form a grid (strips: one column).

#![warn(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use std::sync::{Arc, OnceLock};

use wsi_core::{Error, Limits, Rect, Result, Size};

use super::container::Container;
use super::directory::Directory;
use super::file::TiffFile;
use super::storage::{SampleFormat, Storage};
use super::tags::{compression, photometric, tag};

/// An uncompressed picture in one strip longer than this is read in parts of about this size.
const PART_BYTES: u64 = 1 << 20;

/// One picture of a file, checked.
#[derive(Debug)]
pub(crate) struct Page {
    directory: usize,
    size: Size,
    storage: Storage,
    subfile_type: u64,
    /// Width and height of the chunks; the last strip may be shorter.
    chunk_size: Size,
    tiled: bool,
    columns: u32,
    rows: u32,
    /// Whether the chunks are parts of a single stored strip.
    parts_of_one_strip: bool,
    table: OnceLock<Result<ChunkTable, Arc<Error>>>,
}

/// Offsets and lengths of the stored chunks.
#[derive(Debug)]
struct ChunkTable {
    offsets: Vec<u64>,
    lengths: Vec<u64>,
}

/// Where a chunk lies in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Chunk {
    /// The file leaves it out (length or offset 0): a sparse file.
    Missing,
    /// This many bytes at this offset, which lie in the file.
    At { offset: u64, length: u64 },
}

impl Page {
    /// Reads and checks the tags of a directory.
    pub(crate) fn new(file: &TiffFile, directory: usize) -> Result<Self> {
        let container = file.container();
        let tags = Tags {
            container,
            directory: file.directory(directory)?,
        };
        let limits = container.limits();
        // Thumbnails in old-style JPEG may leave all else to the JPEG.
        let contains = |tag| tags.directory.contains(tag);
        if contains(tag::JPEG_INTERCHANGE_FORMAT) && !contains(tag::IMAGE_WIDTH) {
            let name = compression::name(compression::OLD_JPEG);
            return Err(Error::unsupported(format!("compression 6 ({name})")));
        }
        let size = Size::new(
            tags.required(tag::IMAGE_WIDTH)?,
            tags.required(tag::IMAGE_LENGTH)?,
        );
        if size.is_empty() {
            return Err(Error::unsupported(format!("a picture of {size} pixels")));
        }
        let storage = tags.storage(limits)?;
        let tiled =
            tags.directory.contains(tag::TILE_WIDTH) || tags.directory.contains(tag::TILE_OFFSETS);
        let mut chunk_size = if tiled {
            Size::new(
                tags.required(tag::TILE_WIDTH)?,
                tags.required(tag::TILE_LENGTH)?,
            )
        } else {
            let rows = tags.integer(tag::ROWS_PER_STRIP)?.filter(|&rows| rows > 0);
            let rows = rows
                .and_then(|rows| u32::try_from(rows).ok())
                .unwrap_or(u32::MAX);
            Size::new(size.width, rows.min(size.height))
        };
        if chunk_size.is_empty() {
            return Err(Error::corrupt(format!("tiles of {chunk_size} pixels")));
        }
        let parts_of_one_strip =
            !tiled && chunk_size.height == size.height && can_be_cut(&storage, chunk_size);
        if parts_of_one_strip {
            let rows = PART_BYTES
                .checked_div(storage.row_bytes(size.width))
                .unwrap_or(1)
                .max(1);
            chunk_size.height = u32::try_from(rows).unwrap_or(u32::MAX).min(size.height);
        }
        let columns = size.width.div_ceil(chunk_size.width);
        let rows = size.height.div_ceil(chunk_size.height);
        let page = Self {
            directory,
            size,
            storage,
            subfile_type: tags.integer(tag::NEW_SUBFILE_TYPE)?.unwrap_or(0),
            chunk_size,
            tiled,
            columns,
            rows,
            parts_of_one_strip,
            table: OnceLock::new(),
        };
        page.check_limits(limits)?;
        Ok(page)
    }

    fn check_limits(&self, limits: &Limits) -> Result<()> {
        let chunks = u64::from(self.columns)
            .saturating_mul(self.rows.into())
            .saturating_mul(
                if self.storage.planar {
                    self.storage.samples_per_pixel
                } else {
                    1
                }
                .into(),
            );
        if chunks > limits.max_tiles {
            return Err(Error::limit(format!(
                "{chunks} tiles, more than the {} allowed",
                limits.max_tiles
            )));
        }
        let stored = self.storage.row_bytes(self.chunk_size.width);
        let pixel = self.storage.pixel_format().bytes_per_pixel() as u64;
        let decoded = u64::from(self.chunk_size.width).saturating_mul(pixel);
        let bytes = stored
            .max(decoded)
            .saturating_mul(self.chunk_size.height.into());
        if bytes > limits.max_tile_bytes {
            return Err(Error::limit(format!(
                "tiles or strips of {bytes} bytes, more than the {} allowed",
                limits.max_tile_bytes
            )));
        }
        Ok(())
    }

    /// The directory that describes it.
    pub(crate) const fn directory(&self) -> usize {
        self.directory
    }

    /// Width and height in pixels, as stored (before Orientation).
    pub(crate) const fn size(&self) -> Size {
        self.size
    }

    /// How its samples are stored.
    pub(crate) const fn storage(&self) -> &Storage {
        &self.storage
    }

    /// Whether it is stored in tiles, not strips.
    pub(crate) const fn is_tiled(&self) -> bool {
        self.tiled
    }

    /// Tag 254; 0 where it is absent.
    pub(crate) const fn subfile_type(&self) -> u64 {
        self.subfile_type
    }

    /// Width and height of a chunk.
    pub(crate) const fn chunk_size(&self) -> Size {
        self.chunk_size
    }

    /// Columns and rows of the grid of chunks.
    pub(crate) const fn grid(&self) -> (u32, u32) {
        (self.columns, self.rows)
    }

    /// The pixels of the picture that a chunk holds, its padding apart.
    pub(crate) fn chunk_rect(&self, column: u32, row: u32) -> Rect {
        let start = |index: u32, length: u32| i64::from(index).saturating_mul(length.into());
        let (x, y) = (
            start(column, self.chunk_size.width),
            start(row, self.chunk_size.height),
        );
        let chunk = Rect::new((x, y), self.chunk_size);
        chunk
            .intersection(Rect::new((0, 0), self.size))
            .unwrap_or_default()
    }

    /// Width and height of a chunk as stored: tiles with their padding, the last strip short.
    pub(crate) fn stored_size(&self, column: u32, row: u32) -> Size {
        match self.tiled {
            true => self.chunk_size,
            false => self.chunk_rect(column, row).size,
        }
    }

    /// Where a chunk lies; `sample` counts only where the storage is planar.
    ///
    /// # Errors
    /// `Corrupt` if the directory says nothing of the chunk or puts it outside of the file.
    pub(crate) fn chunk(
        &self,
        file: &TiffFile,
        column: u32,
        row: u32,
        sample: u16,
    ) -> Result<Chunk> {
        let table = self.table(file)?;
        let stored_rows = if self.parts_of_one_strip {
            1
        } else {
            self.rows
        };
        let plane = u64::from(self.columns).saturating_mul(stored_rows.into());
        let stored_row = if self.parts_of_one_strip { 0 } else { row };
        let index = u64::from(stored_row)
            .saturating_mul(self.columns.into())
            .saturating_add(column.into())
            .saturating_add(plane.saturating_mul(sample.into()));
        let index = usize::try_from(index).unwrap_or(usize::MAX);
        let (Some(&offset), Some(&length)) = (table.offsets.get(index), table.lengths.get(index))
        else {
            return Err(Error::corrupt(format!(
                "tile or strip {index} of {} offsets and {} byte counts",
                table.offsets.len(),
                table.lengths.len()
            )));
        };
        if offset == 0 || length == 0 {
            return Ok(Chunk::Missing);
        }
        if !self.parts_of_one_strip {
            file.container().check_range(offset, length)?;
            return Ok(Chunk::At { offset, length });
        }
        let row_bytes = self.storage.row_bytes(self.size.width);
        let rows_before = u64::from(row).saturating_mul(self.chunk_size.height.into());
        let before = rows_before.saturating_mul(row_bytes);
        let rows = u64::from(self.chunk_rect(column, row).size.height);
        let wanted = rows.saturating_mul(row_bytes);
        if before.saturating_add(wanted) > length {
            return Err(Error::corrupt(format!(
                "a strip of {length} bytes ends before {}",
                before.saturating_add(wanted)
            )));
        }
        let offset = offset.saturating_add(before);
        file.container().check_range(offset, wanted)?;
        Ok(Chunk::At {
            offset,
            length: wanted,
        })
    }

    /// Byte counts and offsets of all stored chunks, in their order (OpenSlide's quickhash).
    pub(crate) fn chunks(&self, file: &TiffFile) -> Result<impl Iterator<Item = (u64, u64)>> {
        let table = self.table(file)?;
        Ok(table
            .offsets
            .iter()
            .copied()
            .zip(table.lengths.iter().copied()))
    }

    fn table(&self, file: &TiffFile) -> Result<&ChunkTable> {
        let table = self
            .table
            .get_or_init(|| self.read_table(file).map_err(Arc::new));
        table
            .as_ref()
            .map_err(|error| Error::new(error.kind(), error.message()))
    }

    fn read_table(&self, file: &TiffFile) -> Result<ChunkTable> {
        let container = file.container();
        let directory = file.directory(self.directory)?;
        let limit = container.limits().max_tiles.saturating_mul(8);
        let values = |tags: [u16; 2]| -> Result<Option<Vec<u64>>> {
            let [first, second] = tags;
            let tag = if directory.contains(first) {
                first
            } else {
                second
            };
            directory.integers(container, tag, limit)
        };
        // libtiff takes the strips' tags for tiles too.
        let (offset_tags, length_tags) = match self.tiled {
            true => (
                [tag::TILE_OFFSETS, tag::STRIP_OFFSETS],
                [tag::TILE_BYTE_COUNTS, tag::STRIP_BYTE_COUNTS],
            ),
            false => ([tag::STRIP_OFFSETS; 2], [tag::STRIP_BYTE_COUNTS; 2]),
        };
        let offsets =
            values(offset_tags)?.ok_or_else(|| Error::corrupt("no offsets of tiles or strips"))?;
        let lengths = match values(length_tags)? {
            Some(lengths) => lengths,
            None => self.guess_lengths(container, &offsets)?,
        };
        Ok(ChunkTable { offsets, lengths })
    }

    /// Lengths that a file does not state: known where nothing is compressed, and up to the end of
    /// the file for a single strip (libtiff's `EstimateStripByteCounts` does the same).
    fn guess_lengths(&self, container: &Container, offsets: &[u64]) -> Result<Vec<u64>> {
        let to_end = |offset: u64| container.size().saturating_sub(offset);
        if self.storage.compression == compression::NONE {
            let row_bytes = self.storage.row_bytes(self.chunk_size.width);
            let rows = if self.parts_of_one_strip {
                self.size.height
            } else {
                self.chunk_size.height
            };
            let bytes = row_bytes.saturating_mul(rows.into());
            return Ok(offsets
                .iter()
                .map(|&offset| bytes.min(to_end(offset)))
                .collect());
        }
        match offsets {
            [offset] => Ok(vec![to_end(*offset)]),
            _ => Err(Error::corrupt("no byte counts of tiles or strips")),
        }
    }
}

/// Whether a strip of this storage can be read from any of its rows on.
fn can_be_cut(storage: &Storage, strip: Size) -> bool {
    storage.compression == compression::NONE
        && !storage.is_read_as_rgb()
        && storage
            .row_bytes(strip.width)
            .saturating_mul(strip.height.into())
            > PART_BYTES
}

/// The tags of one directory.
struct Tags<'a> {
    container: &'a Container,
    directory: &'a Directory,
}

impl Tags<'_> {
    fn integer(&self, tag: u16) -> Result<Option<u64>> {
        self.directory.integer(self.container, tag)
    }

    /// An integer tag with a default, which must fit in 16 bits.
    fn short(&self, tag: u16, default: u16) -> Result<u16> {
        match self.integer(tag)? {
            None => Ok(default),
            Some(value) => u16::try_from(value)
                .map_err(|_| Error::corrupt(format!("tag {tag} has value {value}"))),
        }
    }

    /// An integer tag that must be there and fit in 32 bits.
    fn required(&self, tag: u16) -> Result<u32> {
        let value = self
            .integer(tag)?
            .ok_or_else(|| Error::corrupt(format!("tag {tag} is missing")))?;
        u32::try_from(value).map_err(|_| Error::corrupt(format!("tag {tag} has value {value}")))
    }

    fn integers(&self, tag: u16) -> Result<Vec<u64>> {
        let limit = self.container.limits().max_tag_bytes;
        Ok(self
            .directory
            .integers(self.container, tag, limit)?
            .unwrap_or_default())
    }

    /// The one value that all samples share in a tag that has a value for each sample.
    fn shared(&self, tag: u16, default: u16, samples: u16) -> Result<u16> {
        let values = self.integers(tag)?;
        let first = values.first().copied().unwrap_or_else(|| default.into());
        if values
            .iter()
            .take(samples.into())
            .any(|&value| value != first)
        {
            return Err(Error::unsupported(format!(
                "tag {tag} differs from sample to sample: {values:?}"
            )));
        }
        u16::try_from(first).map_err(|_| Error::corrupt(format!("tag {tag} has value {first}")))
    }

    fn storage(&self, limits: &Limits) -> Result<Storage> {
        let samples_per_pixel = self.short(tag::SAMPLES_PER_PIXEL, 1)?;
        if samples_per_pixel == 0 {
            return Err(Error::corrupt("no samples per pixel"));
        }
        if samples_per_pixel > limits.max_samples_per_pixel {
            return Err(Error::limit(format!(
                "{samples_per_pixel} samples per pixel, more than the {} allowed",
                limits.max_samples_per_pixel
            )));
        }
        let compression = self.short(tag::COMPRESSION, compression::NONE)?;
        let photometric = self.photometric(samples_per_pixel)?;
        let planar = samples_per_pixel > 1 && self.short(tag::PLANAR_CONFIGURATION, 1)? == 2;
        let bits_per_sample = self.shared(tag::BITS_PER_SAMPLE, 1, samples_per_pixel)?;
        if !(1..=64).contains(&bits_per_sample) {
            return Err(Error::unsupported(format!(
                "{bits_per_sample} bits per sample"
            )));
        }
        let sample_format = match self.shared(tag::SAMPLE_FORMAT, 1, samples_per_pixel)? {
            // 4 is "undefined": libtiff reads it as unsigned.
            0 | 1 | 4 => SampleFormat::Unsigned,
            2 => SampleFormat::Signed,
            3 if matches!(bits_per_sample, 16 | 24 | 32 | 64) => SampleFormat::Float,
            3 => {
                let message = format!("floating point samples of {bits_per_sample} bits");
                return Err(Error::unsupported(message));
            }
            5 | 6 => return Err(Error::unsupported("complex samples")),
            other => return Err(Error::corrupt(format!("sample format {other}"))),
        };
        let extra_samples = self.integers(tag::EXTRA_SAMPLES)?;
        Ok(Storage {
            byte_order: self.container.byte_order(),
            compression,
            photometric,
            bits_per_sample,
            sample_format,
            samples_per_pixel,
            planar,
            predictor: self.short(tag::PREDICTOR, 1)?,
            reversed_bits: self.short(tag::FILL_ORDER, 1)? == 2,
            extra_samples: extra_samples
                .into_iter()
                .map(|value| u16::try_from(value).unwrap_or(0))
                .take(samples_per_pixel.into())
                .collect(),
            color_map: self.color_map(photometric, bits_per_sample)?,
            jpeg_tables: self.jpeg_tables()?,
            t4_options: u32::try_from(self.integer(tag::T4_OPTIONS)?.unwrap_or(0)).unwrap_or(0),
            ycbcr_subsampling: self.subsampling(photometric)?,
            ycbcr_coefficients: self
                .fixed_floats(tag::YCBCR_COEFFICIENTS, [0.299, 0.587, 0.114])?,
            reference_black_white: self.fixed_floats(
                tag::REFERENCE_BLACK_WHITE,
                [0.0, 255.0, 128.0, 255.0, 128.0, 255.0],
            )?,
        })
    }

    /// Tag 262; where it is absent, what the number of samples suggests.
    fn photometric(&self, samples_per_pixel: u16) -> Result<u16> {
        let default = match samples_per_pixel {
            1 | 2 => photometric::MIN_IS_BLACK,
            _ => photometric::RGB,
        };
        self.short(tag::PHOTOMETRIC, default)
    }

    fn color_map(&self, photometric: u16, bits: u16) -> Result<Option<Arc<[u16]>>> {
        if photometric != photometric::PALETTE || bits > 16 {
            return Ok(None);
        }
        let map = self.integers(tag::COLOR_MAP)?;
        let entries = 3_usize.saturating_mul(1_usize.checked_shl(bits.into()).unwrap_or(0));
        if map.len() < entries {
            return Err(Error::corrupt(format!(
                "a colour map of {} entries where {entries} are needed",
                map.len()
            )));
        }
        let short = |value: u64| u16::try_from(value).unwrap_or(u16::MAX);
        Ok(Some(map.into_iter().take(entries).map(short).collect()))
    }

    fn jpeg_tables(&self) -> Result<Option<Arc<[u8]>>> {
        Ok(self
            .directory
            .bytes(self.container, tag::JPEG_TABLES)?
            .map(Arc::from))
    }

    fn subsampling(&self, photometric: u16) -> Result<(u16, u16)> {
        if photometric != photometric::YCBCR {
            return Ok((1, 1));
        }
        match self.integers(tag::YCBCR_SUBSAMPLING)?.as_slice() {
            [] => Ok((2, 2)),
            [x @ (1 | 2 | 4), y @ (1 | 2 | 4), ..] => Ok((
                u16::try_from(*x).unwrap_or(1),
                u16::try_from(*y).unwrap_or(1),
            )),
            other => Err(Error::corrupt(format!("chroma subsampling {other:?}"))),
        }
    }

    #[expect(clippy::cast_possible_truncation, reason = "the formulas are in f32, as libtiff's")]
    fn fixed_floats<const N: usize>(&self, tag: u16, default: [f32; N]) -> Result<[f32; N]> {
        let Some(values) = self.directory.floats(self.container, tag)? else {
            return Ok(default);
        };
        let values: Vec<f32> = values.iter().map(|&value| value as f32).collect();
        Ok(values
            .first_chunk()
            .filter(|v| v.iter().all(|v| v.is_finite()))
            .copied()
            .unwrap_or(default))
    }
}
