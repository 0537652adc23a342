//! From stored JPEG tiles to work for the kernels: in pure Rust, without any device.
//!
//! A [`Planner`] takes the tiles of one format one by one. What the kernels can decode becomes part
//! of the [`Plan`]: its stream without stuffing, its segments, its tables. What they cannot is
//! refused with a [`Refusal`], and is the CPU's. The headers are read by `wsi-jpeg`, with its checks;
//! the tiles of a level share them, so they are parsed once.
//!
//! | file | what it is |
//! |---|---|
//! | `refusal` | why a tile is not for the kernels |
//! | `tables` | Huffman codes as look-ups |
//! | `template` | what tiles with the same headers have in common |
//! | `stream` | the data of a tile, without stuffing and cut at its restarts |
//! | `slices` | how many lanes a segment gets, and in which launch |

mod refusal;
mod slices;
mod stream;
mod tables;
mod template;

use std::collections::HashMap;
use std::sync::Arc;

use wsi_core::Size;
use wsi_jpeg::{ColorModel, Tables};

use crate::layout::{STREAM_PADDING_WORDS, Segment, TableSet, Tile};
pub use refusal::Refusal;
pub use slices::{Launch, Slicing};
pub use stream::{Headers, Unstuffed};
use template::Template;

/// What JPEG tiles have in common whatever their streams say.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct StreamFormat {
    /// Width and height of every tile.
    pub size: Size,
    /// Tables that tiles share, as TIFF's `JPEGTables`.
    pub tables: Option<Tables>,
    /// What the components mean, if the container says; otherwise each stream's own marks count.
    pub color: Option<ColorModel>,
}

impl StreamFormat {
    /// Streams of this size with tables of their own, whose own marks tell their colour.
    #[must_use]
    pub fn new(size: impl Into<Size>) -> Self {
        Self {
            size: size.into(),
            tables: None,
            color: None,
        }
    }

    /// Tables that are in force before those of the streams. Default: none.
    #[must_use]
    pub fn with_tables(mut self, tables: Option<Tables>) -> Self {
        self.tables = tables;
        self
    }

    /// What the components mean, whatever the streams say. Default: `None`.
    #[must_use]
    pub fn with_color(mut self, color: Option<ColorModel>) -> Self {
        self.color = color;
        self
    }
}

/// Work for the kernels: everything that is uploaded, and how large the other buffers are.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Plan {
    /// All segments without stuffing, each from a multiple of 16 bytes on, with zeros between them
    /// and [`STREAM_PADDING_WORDS`] words of them at the end.
    pub stream: Vec<u8>,
    /// All segments, in the order of the launches, with empty ones that fill up thread blocks.
    pub segments: Vec<Segment>,
    /// Which segments are decoded together.
    pub launches: Vec<Launch>,
    /// The tiles in the order in which they were added.
    pub tiles: Vec<Tile>,
    /// The tables that the tiles refer to, each once.
    pub table_sets: Vec<TableSet>,
    /// Blocks of 8 x 8 coefficients of all tiles.
    pub blocks: u32,
    /// Bytes of the planes of all tiles.
    pub pixel_bytes: u32,
    /// Blocks of the largest tile.
    pub largest_tile: u32,
}

/// Bytes on the device that a plan takes, beside the output.
const fn device_bytes(stream: usize, blocks: u32, pixels: u32) -> u64 {
    // A block has 64 coefficients of 2 bytes and a byte for the index of the last one.
    stream as u64 + blocks as u64 * 129 + pixels as u64
}

impl Plan {
    /// Bytes on the device that it takes, beside tables, descriptors and the output.
    #[must_use]
    pub fn device_bytes(&self) -> u64 {
        device_bytes(self.stream.len(), self.blocks, self.pixel_bytes)
    }
}

/// Makes a [`Plan`] tile by tile.
///
/// # Example
/// ```
/// use wsi_cuda::plan::{Planner, StreamFormat};
///
/// let format = StreamFormat::new((256, 256));
/// let mut planner = Planner::new(&format);
/// let refusal = planner.add(b"not a JPEG").unwrap_err();
/// assert!(refusal.to_string().starts_with("headers: "));
/// assert_eq!(planner.finish().tiles.len(), 0);
/// ```
#[derive(Debug)]
pub struct Planner<'f> {
    format: &'f StreamFormat,
    slicing: Slicing,
    templates: Vec<Arc<Template>>,
    /// Place of each table set in the plan.
    known_sets: HashMap<TableSet, u32>,
    plan: Plan,
}

/// Headers that are remembered; a level has one, or one for each quality that it was written with.
const TEMPLATES: usize = 32;
/// Bytes of coefficients, or of planes, that a plan may have: offsets are of 32 bits.
const MOST_BYTES: u64 = 2 << 30;

impl<'f> Planner<'f> {
    /// A planner of tiles of this format.
    #[must_use]
    pub fn new(format: &'f StreamFormat) -> Self {
        Self {
            format,
            slicing: Slicing::default(),
            templates: Vec::new(),
            known_sets: HashMap::new(),
            plan: Plan::default(),
        }
    }

    /// How segments are cut into slices. Default: by the number of tiles and their length.
    #[must_use]
    pub fn with_slicing(mut self, slicing: Slicing) -> Self {
        self.slicing = slicing;
        self
    }

    /// Bytes on the device that the plan takes so far.
    #[must_use]
    pub fn device_bytes(&self) -> u64 {
        self.plan.device_bytes()
    }

    /// Tiles so far.
    #[must_use]
    pub fn len(&self) -> usize {
        self.plan.tiles.len()
    }

    /// Whether there is no tile yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.plan.tiles.is_empty()
    }

    /// Adds a tile and returns its place in the plan.
    ///
    /// # Errors
    /// If the tile is not for the kernels; the plan is as before.
    pub fn add(&mut self, stored: &[u8]) -> Result<u32, Refusal> {
        let tile = self.headers(stored)?.unstuff(stored)?;
        self.append(&tile)
    }

    /// The headers of a tile: those that are known, or new ones.
    ///
    /// # Errors
    /// If tiles with these headers are not for the kernels.
    pub fn headers(&mut self, stored: &[u8]) -> Result<Headers, Refusal> {
        if let Some(known) = self.templates.iter().find(|known| known.fits(stored)) {
            return Ok(Headers(Arc::clone(known)));
        }
        let (mut template, set) = Template::read(stored, self.format)?;
        let next = self.known_sets.len();
        let next = u32::try_from(next).map_err(|_| Refusal::TooLarge)?;
        template.tile.table_set = *self.known_sets.entry(set).or_insert(next);
        if self.templates.len() == TEMPLATES {
            self.templates.remove(0);
        }
        let template = Arc::new(template);
        self.templates.push(Arc::clone(&template));
        Ok(Headers(template))
    }

    /// Adds a tile that has been taken apart with headers of this planner, and returns its place in the plan.
    ///
    /// # Errors
    /// `TooLarge` if there is no room in the plan, which is as before.
    pub fn append(&mut self, unstuffed: &Unstuffed) -> Result<u32, Refusal> {
        let template = &unstuffed.template;
        let (blocks, pixels) = (template.blocks(), template.pixel_bytes);
        let after = |sum: u32, more: u32, size: u64| (u64::from(sum) + u64::from(more)) * size;
        let stream = (self.plan.stream.len() + unstuffed.stream.len()) as u64;
        if after(self.plan.blocks, blocks, 128) > MOST_BYTES
            || after(self.plan.pixel_bytes, pixels, 1) > MOST_BYTES
            || stream > MOST_BYTES
        {
            return Err(Refusal::TooLarge);
        }
        let number = u32::try_from(self.plan.tiles.len()).map_err(|_| Refusal::TooLarge)?;
        let word = u32::try_from(self.plan.stream.len() / 4).map_err(|_| Refusal::TooLarge)?;
        let (block, place) = (self.plan.blocks, self.plan.pixel_bytes);
        let segments = unstuffed.segments.iter().map(|segment| Segment {
            word: segment.word + word,
            first_block: segment.first_block + block,
            tile: number,
            ..*segment
        });
        self.plan.segments.extend(segments);
        self.plan.stream.extend_from_slice(&unstuffed.stream);
        let mut tile = template.tile;
        tile.first_block = block;
        tile.plane = tile.plane.map(|offset| offset + place);
        self.plan.tiles.push(tile);
        self.plan.blocks += blocks;
        self.plan.pixel_bytes += pixels;
        self.plan.largest_tile = self.plan.largest_tile.max(blocks);
        Ok(number)
    }

    /// The plan of all tiles that were added; the planner goes on with an empty one.
    pub fn finish(&mut self) -> Plan {
        let mut plan = std::mem::take(&mut self.plan);
        plan.table_sets = vec![TableSet::default(); self.known_sets.len()];
        #[expect(clippy::iter_over_hash_type, reason = "each value goes to its own place")]
        for (set, &place) in &self.known_sets {
            plan.table_sets[place as usize] = set.clone();
        }
        let length = plan.stream.len() + 4 * STREAM_PADDING_WORDS;
        plan.stream.resize(length, 0);
        let tiles = plan.tiles.len();
        (plan.segments, plan.launches) =
            slices::arrange(std::mem::take(&mut plan.segments), tiles, &self.slicing);
        plan
    }
}

#[cfg(test)]
mod tests;
