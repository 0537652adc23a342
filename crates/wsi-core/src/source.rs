//! The second seam: one open slide.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use crate::error::Result;
use crate::geometry::{Mpp, Plane, Pyramid, Region, Size};
use crate::pixels::{Image, PixelFormat, PixelsMut, Runs};

/// One open slide. Every method takes `&self` and may be called from many threads at once.
///
/// Sources need not check arguments: [`Slide`](crate::Slide) does so above the seam. A failed read
/// leaves the source usable.
pub trait SlideSource: Send + Sync {
    /// What is known of the slide without decoding anything.
    fn info(&self) -> &SlideInfo;

    /// Properties by name, with OpenSlide's names and number format where OpenSlide has them. Found
    /// on the first call, since some (OpenSlide's quickhash) read a part of the file.
    ///
    /// # Errors
    /// `Io` or `Corrupt` if what they are made of cannot be read.
    fn properties(&self) -> Result<&Properties>;

    /// Reads a region into `out`, in the format of `out`: the slide's own, or another that the
    /// source can convert to (8-bit RGB and RGBA always where the slide is a picture).
    ///
    /// The level, the plane and the size of `out` have been checked against the slide.
    ///
    /// # Errors
    /// `Unsupported` for a format that it cannot convert to; otherwise what reading or decoding a
    /// tile ran into, with that tile. What `out` then holds is unspecified.
    fn read_region(&self, region: &Region, out: PixelsMut<'_>) -> Result<()>;

    /// Reads several regions, and says of each how it went, in the order of `reads`.
    ///
    /// The same pixels and errors as [`read_region`](Self::read_region) one after another, which is
    /// what it does by default. A source that can read them together at less cost does so: the
    /// stored tiles that two of them touch once, and tiles in the order of the file.
    fn read_regions(&self, reads: Vec<RegionRead<'_>>) -> Vec<Result<()>> {
        let read = |read: RegionRead<'_>| self.read_region(&read.region, read.out);
        reads.into_iter().map(read).collect()
    }

    /// Reads the first channel alone of what [`read_region`](Self::read_region) reads in the slide's
    /// own format, if its samples have 8 bits: the labels of a mask, as runs.
    ///
    /// `None` if the source cannot do that at less cost than to read all pixels, or if reading
    /// fails: a read of all of them says what is wrong. So it does by default.
    fn read_first_channel(&self, _region: &Region) -> Option<Runs> {
        None
    }

    /// Reads an associated image whole, in the format it is stored in.
    ///
    /// # Errors
    /// `InvalidArgument` if there is none of this name; otherwise as
    /// [`read_region`](Self::read_region).
    fn read_associated(&self, name: &str) -> Result<Image>;

    /// The ICC profile of level 0, as stored; never applied.
    ///
    /// # Errors
    /// `Io` or `Corrupt` if it cannot be read.
    fn icc_profile(&self) -> Result<Option<Vec<u8>>>;

    /// The compressed tiles as stored, where the backend can hand them out.
    fn encoded_tiles(&self) -> Option<&dyn EncodedTiles> {
        None
    }
}

/// A region that is to be read, and the memory that it is read into.
#[derive(Debug)]
#[expect(clippy::exhaustive_structs, reason = "complete by nature")]
pub struct RegionRead<'a> {
    /// What to read.
    pub region: Region,
    /// Where its pixels go, and in which format.
    pub out: PixelsMut<'a>,
}

/// What is known of a slide without decoding anything.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct SlideInfo {
    /// The format, with OpenSlide's name where it has one: `aperio`, `generic-tiff`, `tiff`.
    pub format: &'static str,
    /// The levels.
    pub pyramid: Pyramid,
    /// The format in which the pixels are stored; regions are read in it unless another is asked.
    pub pixel_format: PixelFormat,
    /// Number of planes; at least 1.
    pub planes: u32,
    /// Size of a level-0 pixel, where known.
    pub mpp: Option<Mpp>,
    /// Magnification of the objective, where known.
    pub objective_power: Option<f64>,
    /// Other pictures in the file, by name.
    pub associated: Vec<AssociatedImage>,
    /// What a user should know about how this file is shown, in sentences.
    pub caveats: Vec<String>,
}

impl SlideInfo {
    /// The least that a slide has: a format, levels, a pixel format.
    #[must_use]
    pub const fn new(format: &'static str, pyramid: Pyramid, pixel_format: PixelFormat) -> Self {
        Self {
            format,
            pyramid,
            pixel_format,
            planes: 1,
            mpp: None,
            objective_power: None,
            associated: Vec::new(),
            caveats: Vec::new(),
        }
    }
}

/// Name, size and format of an associated image (label, macro, thumbnail, page).
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "complete by nature")]
pub struct AssociatedImage {
    /// The name, as `macro`.
    pub name: String,
    /// Width and height in pixels.
    pub size: Size,
    /// The format in which it is read.
    pub format: PixelFormat,
}

/// Names and values, as bytes, in the order of the names' bytes.
///
/// Values are what the file holds, up to the first NUL, in whatever encoding it used; the text
/// forms replace what is not UTF-8.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Properties(BTreeMap<Vec<u8>, Vec<u8>>);

impl Properties {
    /// No properties.
    #[must_use]
    pub const fn new() -> Self {
        Self(BTreeMap::new())
    }

    /// Sets a property; the last value of a name stays.
    pub fn set(&mut self, name: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) {
        self.0.insert(name.into(), value.into());
    }

    /// Takes a property away.
    pub fn remove(&mut self, name: &str) {
        self.0.remove(name.as_bytes());
    }

    /// The value of `name` as text.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Cow<'_, str>> {
        self.get_bytes(name).map(String::from_utf8_lossy)
    }

    /// The value of `name` as the file has it.
    #[must_use]
    pub fn get_bytes(&self, name: &str) -> Option<&[u8]> {
        self.0.get(name.as_bytes()).map(Vec::as_slice)
    }

    /// All names and values as text, in the order of the names' bytes.
    pub fn iter(&self) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)> {
        self.iter_bytes().map(|(name, value)| {
            (
                String::from_utf8_lossy(name),
                String::from_utf8_lossy(value),
            )
        })
    }

    /// All names and values as the file has them, in the order of the names' bytes.
    pub fn iter_bytes(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.0
            .iter()
            .map(|(name, value)| (name.as_slice(), value.as_slice()))
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Compressed tiles as stored: what a GPU decoder or a converter works from.
pub trait EncodedTiles: Send + Sync {
    /// How a level is cut into stored tiles.
    ///
    /// # Errors
    /// `InvalidArgument` if there is no such level or plane.
    fn layout(&self, level: usize, plane: Plane) -> Result<TileLayout>;

    /// Replaces `bytes` with the stored bytes of a tile; `false` if the file leaves the tile out.
    ///
    /// # Errors
    /// `InvalidArgument` if there is no such tile; `Io` or `Corrupt` if it cannot be read.
    fn read_tile(&self, index: TileIndex, bytes: &mut Vec<u8>) -> Result<bool>;
}

/// Which stored tile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_structs, reason = "complete by nature")]
pub struct TileIndex {
    /// The level.
    pub level: usize,
    /// The plane.
    pub plane: Plane,
    /// Column of the tile grid, from the left.
    pub column: u32,
    /// Row of the tile grid, from the top.
    pub row: u32,
}

/// How a level is cut into stored tiles, and how they are compressed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TileLayout {
    /// Width and height of a stored tile; edge tiles are stored full size.
    pub tile_size: Size,
    /// Tiles in a row.
    pub columns: u32,
    /// Tiles in a column.
    pub rows: u32,
    /// The compression, by name: `jpeg`, `lzw`, `deflate`, `none`.
    pub compression: &'static str,
    /// Format of a decoded pixel.
    pub pixel_format: PixelFormat,
    /// For JPEG: the tables that tiles share (a tables-only stream), empty if there are none.
    pub jpeg_tables: Arc<[u8]>,
    /// For JPEG: whether the container says that the samples are luma and chroma, whatever the
    /// stream says of itself.
    pub jpeg_is_ycc: bool,
}

impl TileLayout {
    /// A layout without JPEG tables.
    #[must_use]
    pub fn new(
        tile_size: Size,
        (columns, rows): (u32, u32),
        compression: &'static str,
        pixel_format: PixelFormat,
    ) -> Self {
        Self {
            tile_size,
            columns,
            rows,
            compression,
            pixel_format,
            jpeg_tables: Arc::from([]),
            jpeg_is_ycc: false,
        }
    }
}
