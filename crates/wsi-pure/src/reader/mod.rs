//! Chunks to pixels: reads any rectangle of a page into the caller's memory.
//!
//! The rectangle is cut along the grid of chunks into disjoint cells ([`cells`]), which are decoded
//! at the same time, each straight into the caller's rows where that is possible ([`work`]).

mod borrow;
mod cells;
mod channel;
mod work;

use std::sync::Arc;

use wsi_core::{
    Damage, Error, Fill, Image, Limits, PixelFormat, PixelsMut, Point, Rect, Result, Size,
    TileLayout,
};

use crate::cache::TileCache;
use crate::codec::{self, ChunkCodec};
use crate::color::Conversion;
use crate::tiff::{Chunk, Page, TiffFile, compression, photometric};
use cells::Place;
use work::Job;

/// Reads the pixels of one page of a TIFF file: as stored, or converted to 8-bit gray or colour.
///
/// Pixels come in [`format`](Self::format): the stored samples in the narrowest type that holds
/// them, compression and predictor undone. Palette indices stay indices, white stays 0 where the
/// file says so, Orientation is not applied: what `tifffile` calls `page.asarray()`.
///
/// ```no_run
/// use std::sync::Arc;
/// use wsi_pure::{PageReader, tiff::TiffFile};
/// let file = Arc::new(TiffFile::open("image.tif", &wsi_core::Limits::default())?);
/// for index in 0..file.directories().len() {
///     let image = PageReader::new(Arc::clone(&file), index)?.read()?;
///     println!("page {index}: {} {}", image.size(), image.format());
/// }
/// # Ok::<(), wsi_core::Error>(())
/// ```
pub struct PageReader {
    file: Arc<TiffFile>,
    page: Page,
    codec: ChunkCodec,
    cache: Arc<TileCache>,
    id: u64,
    lender: Option<borrow::Lender>,
    missing: borrow::Missing,
}

impl PageReader {
    /// A reader of the page that directory `index` of `file` describes, with no cache of its own.
    ///
    /// # Errors
    /// `InvalidArgument` if there is no such directory; `Corrupt`, `Unsupported` or
    /// `LimitExceeded` if it describes no picture that can be read.
    pub fn new(file: Arc<TiffFile>, index: usize) -> Result<Self> {
        Self::with_cache(file, index, Damage::Refuse, Arc::new(TileCache::new(0)))
    }

    pub(crate) fn with_cache(
        file: Arc<TiffFile>,
        index: usize,
        damage: Damage,
        cache: Arc<TileCache>,
    ) -> Result<Self> {
        let page = Page::new(&file, index)?;
        let codec = ChunkCodec::new(page.storage(), damage)?;
        Ok(Self {
            id: cache.page_id(),
            file,
            page,
            codec,
            cache,
            lender: None,
            missing: borrow::Missing::default(),
        })
    }

    /// Width and height in pixels, as stored.
    #[must_use]
    pub fn size(&self) -> Size {
        self.page.size()
    }

    /// The format in which the pixels are stored.
    #[must_use]
    pub fn format(&self) -> PixelFormat {
        self.page.storage().pixel_format()
    }

    /// Reads the page whole, in the format in which it is stored.
    ///
    /// # Errors
    /// As [`read_rect`](Self::read_rect); `LimitExceeded` if the picture is larger than
    /// [`Limits::max_image_bytes`].
    pub fn read(&self) -> Result<Image> {
        self.read_as(self.format())
    }

    /// Reads the page whole, in `format`. Tiles that a sparse file leaves out are 0.
    ///
    /// # Errors
    /// As [`read`](Self::read); `Unsupported` if there is no conversion to `format`.
    pub fn read_as(&self, format: PixelFormat) -> Result<Image> {
        let size = self.size();
        let bytes = size.area().saturating_mul(format.bytes_per_pixel() as u64);
        let allowed = self.file.limits().max_image_bytes;
        if bytes > allowed {
            let message = format!("a picture of {bytes} bytes, more than the {allowed} allowed");
            return Err(Error::limit(message));
        }
        let mut image = Image::zeroed(size, format)?;
        let fill = Fill::Color([0; 4]);
        self.read_rect(Point::default(), image.pixels_mut(), fill)?;
        Ok(image)
    }

    /// Reads the rectangle of the size of `out` whose top left pixel is `origin`, in the format of
    /// `out`. What lies outside of the page, or in a tile that the file leaves out, is filled.
    ///
    /// # Errors
    /// `Unsupported` if there is no conversion to that format; `Io`, `Corrupt` or `LimitExceeded`
    /// of a tile that cannot be read or decoded, with its column and row. What is wrong with a part of
    /// a tile that the read does not need may stay unnoticed, see [`Damage::Refuse`].
    pub fn read_rect(&self, origin: Point, out: PixelsMut<'_>, fill: Fill) -> Result<()> {
        self.read_rects(vec![(origin, out)], fill)
    }

    /// Reads several rectangles as [`read_rect`](Self::read_rect) does, all in the format of the
    /// first, chunks in the order of the file. A chunk that several of them touch is decoded once.
    ///
    /// # Errors
    /// As [`read_rect`](Self::read_rect), of any of them.
    pub(crate) fn read_rects(&self, rects: Vec<(Point, PixelsMut<'_>)>, fill: Fill) -> Result<()> {
        let Some(format) = rects.first().map(|(_, out)| out.format()) else {
            return Ok(());
        };
        let conversion = match format == self.format() {
            true => None,
            false => Some(Conversion::new(self.page.storage(), format)?),
        };
        self.read_converted(rects, fill, conversion.as_ref(), false)
    }

    /// Reads a rectangle as [`read_rect`](Self::read_rect) does, in RGBA whose colour is multiplied
    /// with alpha. What lies outside, or in a tile that is left out, is transparent.
    pub(crate) fn read_premultiplied(&self, origin: Point, out: PixelsMut<'_>) -> Result<()> {
        let conversion = Conversion::premultiplied(self.page.storage())?;
        let fill = Fill::Color([0; 4]);
        self.read_converted(vec![(origin, out)], fill, Some(&conversion), true)
    }

    fn read_converted(
        &self,
        mut rects: Vec<(Point, PixelsMut<'_>)>,
        fill: Fill,
        conversion: Option<&Conversion>,
        premultiplied: bool,
    ) -> Result<()> {
        let page = Rect::new((0, 0), self.size());
        let several = rects.len() > 1;
        let mut all = Vec::new();
        for (origin, out) in &mut rects {
            let wanted = Rect {
                origin: *origin,
                size: out.size(),
            };
            let Some(inside) = wanted.intersection(page) else {
                out.fill(fill);
                continue;
            };
            let target = Rect::new(
                (inside.origin.x - origin.x, inside.origin.y - origin.y),
                inside.size,
            );
            out.fill_outside(Some(target), fill);
            let cells = cells::cut(&self.page, inside, out.part_mut(target));
            all.extend(cells);
        }
        if several {
            all.sort_by_key(|cell| cell.place.chunk());
        }
        let job = Job {
            reader: self,
            conversion,
            fill,
            premultiplied,
        };
        job.read(all, several)
    }

    fn limits(&self) -> &Limits {
        self.file.limits()
    }

    pub(crate) const fn page(&self) -> &Page {
        &self.page
    }

    /// How the page is cut into stored tiles.
    pub(crate) fn tile_layout(&self) -> TileLayout {
        let storage = self.page.storage();
        let mut layout = TileLayout::new(
            self.page.chunk_size(),
            self.page.grid(),
            compression::name(storage.compression),
            self.format(),
        );
        layout.jpeg_is_ycc = storage.photometric == photometric::YCBCR;
        if let Some(tables) = &storage.jpeg_tables {
            layout.jpeg_tables = Arc::clone(tables);
        }
        layout
    }

    /// Replaces `bytes` with a chunk as stored; `false` if the file leaves it out.
    pub(crate) fn read_stored(
        &self,
        column: u32,
        row: u32,
        sample: u16,
        bytes: &mut Vec<u8>,
    ) -> Result<bool> {
        match self.page.chunk(&self.file, column, row, sample)? {
            Chunk::Missing => Ok(false),
            Chunk::At { offset, length } => {
                // A chunk longer than what it can decode to is read no further than libtiff would.
                let most = self.limits().max_tile_bytes.saturating_mul(2);
                self.file.read_into(offset, length.min(most), bytes)?;
                Ok(true)
            }
        }
    }
}

impl std::fmt::Debug for PageReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PageReader")
            .field("page", &self.page)
            .finish_non_exhaustive()
    }
}

impl PageReader {
    /// The samples that have a chunk of their own.
    fn chunk_samples(&self) -> std::ops::Range<u16> {
        let storage = self.page.storage();
        0..if storage.planar {
            storage.samples_per_pixel
        } else {
            1
        }
    }

    /// Whether the file leaves the chunk out, for all samples.
    fn is_missing(&self, column: u32, row: u32) -> Result<bool> {
        for sample in self.chunk_samples() {
            if self.page.chunk(&self.file, column, row, sample)? != Chunk::Missing {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Decodes part of a chunk into `out`. A sample that a planar file leaves out is 0.
    fn decode(
        &self,
        place: Place,
        out: &mut PixelsMut<'_>,
        stored: &mut Vec<u8>,
        scratch: &mut codec::Scratch,
    ) -> Result<()> {
        let Place { column, row, crop } = place;
        let size = self.page.stored_size(column, row);
        let planar = self.page.storage().planar;
        if planar {
            out.fill(Fill::Color([0; 4]));
        }
        for sample in self.chunk_samples() {
            if self.read_stored(column, row, sample, stored)? {
                self.check_expansion(size, stored.len())?;
                if planar {
                    let part = (size, crop);
                    self.codec
                        .decode_plane(stored, sample, part, out, scratch)?;
                } else {
                    self.codec.decode(stored, size, crop, out, scratch)?;
                }
            }
        }
        Ok(())
    }

    /// Refuses chunks that claim more pixels than their bytes can hold, before memory is taken.
    fn check_expansion(&self, size: Size, stored: usize) -> Result<()> {
        let storage = self.page.storage();
        let decoded = storage
            .row_bytes(size.width)
            .saturating_mul(size.height.into());
        // Of subsampled chroma, little more than the luma may be there.
        let decoded = match storage.is_read_as_rgb() {
            true => decoded / 3,
            false => decoded,
        };
        match max_expansion(storage.compression) {
            Some(factor)
                if decoded > (stored as u64).saturating_mul(factor).saturating_add(4096) =>
            {
                Err(Error::corrupt(format!(
                    "{stored} bytes of {} cannot hold a tile or strip of {decoded}",
                    compression::name(storage.compression)
                )))
            }
            _ => Ok(()),
        }
    }
}

/// How many bytes a byte of a compression can become at most, where there is a bound that is
/// small enough to tell hostile files by: the longest run of PackBits, the longest string of a
/// 9-bit LZW code, the longest match of Deflate's shortest codes.
const fn max_expansion(compression: u16) -> Option<u64> {
    match compression {
        compression::NONE => Some(1),
        compression::PACK_BITS => Some(64),
        compression::LZW => Some(4096),
        compression::DEFLATE | compression::OLD_DEFLATE => Some(1040),
        _ => None,
    }
}
