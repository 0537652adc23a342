//! Tiles that a level lacks, drawn from the level before it.
//!
//! Some Aperio scanners left out tiles, or wrote damaged ones where the finer level has none. So
//! OpenSlide 4.0.1 draws a tile of a coarser level from the finer one if either lacks it
//! (`render_missing_tile`, `propagate_missing_tile`), and so on up the levels.

use std::sync::{Arc, OnceLock};

use wsi_core::{Error, Fill, Image, PixelFormat, Point, Rect, Result};

use super::PageReader;
use crate::cache::{Claim, TileKey};
use crate::paint::scaled::{self, Axis};
use crate::tiff::Page;

/// Levels that may be gone through for one tile: more than any slide has.
const MAX_DEPTH: u32 = 64;

/// What a level draws tiles from that it lacks.
pub(super) struct Lender {
    finer: Arc<PageReader>,
    /// Pixels of this level for one of the finer one.
    scale: f64,
    /// Of the drawn tiles, for the cache.
    id: u64,
}

/// The tiles of a level that are not read, once they have been looked for.
#[derive(Default)]
pub(super) struct Missing(OnceLock<Result<TileSet, Arc<Error>>>);

/// Tiles by number, row by row.
#[derive(Default)]
struct TileSet {
    words: Vec<u64>,
    is_empty: bool,
}

impl TileSet {
    fn new(tiles: u64) -> Self {
        let words = usize::try_from(tiles.div_ceil(64)).unwrap_or(0);
        Self {
            words: vec![0; words],
            is_empty: true,
        }
    }

    fn insert(&mut self, number: u64) {
        let word = usize::try_from(number / 64).ok();
        if let Some(word) = word.and_then(|word| self.words.get_mut(word)) {
            *word |= 1 << (number % 64);
            self.is_empty = false;
        }
    }

    fn contains(&self, number: u64) -> bool {
        let word = usize::try_from(number / 64).ok();
        word.and_then(|word| self.words.get(word))
            .is_some_and(|word| word >> (number % 64) & 1 == 1)
    }

    fn iter(&self) -> impl Iterator<Item = u64> {
        (0_u64..).zip(&self.words).flat_map(|(index, &word)| {
            let set = move |bit: &u64| word >> bit & 1 == 1;
            (0..64)
                .filter(set)
                .map(move |bit| index.saturating_mul(64).saturating_add(bit))
        })
    }
}

/// What is left of the work that one tile may cause.
struct Budget {
    bytes: u64,
    depth: u32,
}

impl PageReader {
    /// Lets tiles that this level or `finer` lacks be drawn from `finer`, of which `scale` times as
    /// many pixels, at most 1, lie side by side in this level.
    pub(crate) fn with_lender(mut self, finer: Arc<Self>, scale: f64) -> Self {
        self.lender = Some(Lender {
            id: self.cache.page_id(),
            finer,
            scale,
        });
        self
    }

    /// Whether a tile is not to be read from the file but drawn.
    ///
    /// # Errors
    /// `Io` or `Corrupt` if the file does not say where the tiles of a level lie.
    pub(crate) fn is_borrowed(&self, column: u32, row: u32) -> Result<bool> {
        if self.lender.is_none() {
            return Ok(false);
        }
        let missing = self.missing()?;
        Ok(!missing.is_empty && missing.contains(number(&self.page, column, row)))
    }

    /// A tile that is drawn, if it is to be: RGBA whose colour is multiplied with alpha, as large as
    /// stored tiles are.
    ///
    /// # Errors
    /// That of a tile of a finer level; `LimitExceeded` if more of these are needed than make
    /// [`Limits::max_image_bytes`](wsi_core::Limits::max_image_bytes).
    pub(super) fn borrowed(&self, column: u32, row: u32) -> Result<Option<Arc<Image>>> {
        match (&self.lender, self.is_borrowed(column, row)?) {
            (Some(lender), true) => {
                let mut budget = Budget {
                    bytes: self.limits().max_image_bytes,
                    depth: MAX_DEPTH,
                };
                self.draw(lender, (column, row), &mut budget).map(Some)
            }
            _ => Ok(None),
        }
    }

    fn draw(
        &self,
        lender: &Lender,
        (column, row): (u32, u32),
        budget: &mut Budget,
    ) -> Result<Arc<Image>> {
        let key = TileKey {
            page: lender.id,
            column,
            row,
        };
        if let Some(image) = self.cache.get(key) {
            return Ok(image);
        }
        let Some(depth) = budget.depth.checked_sub(1) else {
            let message = format!("tiles drawn from more than {MAX_DEPTH} levels");
            return Err(Error::limit(message));
        };
        budget.depth = depth;
        let Lender { finer, scale, .. } = lender;
        let tile = self.page.chunk_size();
        let mut image = Image::zeroed(tile, PixelFormat::RGBA8)?;
        let finer_tile = finer.page.chunk_size();
        let (columns, rows) = finer.page.grid();
        let across = Reach::new(column, tile.width, *scale, finer_tile.width, columns);
        let down = Reach::new(row, tile.height, *scale, finer_tile.height, rows);
        for finer_row in down.tiles().rev() {
            for finer_column in across.tiles().rev() {
                let place = (finer_column, finer_row);
                if let Some(painted) = finer.lent(place, budget)? {
                    let (x, y) = (across.axis(finer_column), down.axis(finer_row));
                    scaled::paint(&mut image, &painted, x, y);
                }
            }
        }
        // Nothing is shown beyond the edge of the level.
        let shown = self.page.chunk_rect(column, row).size;
        let shown = Rect::new((0, 0), shown);
        image
            .pixels_mut()
            .fill_outside(Some(shown), Fill::Color([0; 4]));
        budget.depth = budget.depth.saturating_add(1);
        let image = Arc::new(image);
        // Kept without waiting for others who draw the same: they may wait for this thread.
        if let Claim::Mine(landing) = self.cache.claim(key) {
            landing.land(Arc::clone(&image));
        }
        Ok(image)
    }

    /// A whole tile for a coarser level to draw, `None` if there is nothing in it.
    fn lent(&self, (column, row): (u32, u32), budget: &mut Budget) -> Result<Option<Arc<Image>>> {
        let size = self.page.chunk_size();
        let bytes = size.area().saturating_mul(4);
        let Some(left) = budget.bytes.checked_sub(bytes) else {
            let message = "a tile that the file leaves out needs too many of finer levels";
            return Err(Error::limit(message));
        };
        budget.bytes = left;
        if self.missing()?.contains(number(&self.page, column, row)) {
            return match &self.lender {
                None => Ok(None),
                Some(lender) => self.draw(lender, (column, row), budget).map(Some),
            };
        }
        let mut image = Image::zeroed(size, PixelFormat::RGBA8)?;
        let Point { x, y } = self.page.chunk_rect(column, row).origin;
        self.read_premultiplied(Point::new(x, y), image.pixels_mut())?;
        Ok(Some(Arc::new(image)))
    }

    fn missing(&self) -> Result<&TileSet> {
        let found = self
            .missing
            .0
            .get_or_init(|| self.find_missing().map_err(Arc::new));
        found
            .as_ref()
            .map_err(|error| Error::new(error.kind(), error.message()))
    }

    fn find_missing(&self) -> Result<TileSet> {
        let (columns, rows) = self.page.grid();
        let mut missing = TileSet::new(u64::from(columns).saturating_mul(rows.into()));
        for row in 0..rows {
            for column in 0..columns {
                if self.is_missing(column, row)? {
                    missing.insert(number(&self.page, column, row));
                }
            }
        }
        let Some(Lender { finer, .. }) = &self.lender else {
            return Ok(missing);
        };
        // In a finer grid whose tiles do not fit, the last ones may count as a next row's first.
        let (finer_columns, finer_rows) = finer.page.grid();
        let together = |finer: u32, own: u32| {
            let half = own / 2;
            let rounded = finer.saturating_add(half).checked_div(own).unwrap_or(1);
            u64::from(rounded.max(1))
        };
        let (across, down) = (together(finer_columns, columns), together(finer_rows, rows));
        for number in finer.missing()?.iter() {
            let (column, row) = (
                number % u64::from(finer_columns.max(1)),
                number / u64::from(finer_columns.max(1)),
            );
            let (column, row) = (column / across, row / down);
            missing.insert(row.saturating_mul(columns.into()).saturating_add(column));
        }
        Ok(missing)
    }
}

fn number(page: &Page, column: u32, row: u32) -> u64 {
    u64::from(row)
        .saturating_mul(page.grid().0.into())
        .saturating_add(column.into())
}

/// The tiles of the finer level that a tile is drawn from, along one axis, and where they lie.
///
/// OpenSlide draws a pixel more on either side, so that there is no seam where the tiles of both
/// levels end at the same place.
#[derive(Clone, Copy, Debug)]
struct Reach {
    first: i64,
    end: i64,
    /// What of the first tile lies before what is drawn, in pixels of the finer level.
    offset: f64,
    /// Pixels of the finer level for one that is drawn.
    scale: f64,
    finer_tile: f64,
}

impl Reach {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        reason = "OpenSlide's own casts (compute_region), which here saturate"
    )]
    fn new(index: u32, tile: u32, scale: f64, finer_tile: u32, finer_tiles: u32) -> Self {
        let (tile, finer_tile) = (f64::from(tile), f64::from(finer_tile.max(1)));
        let start = (f64::from(index) * tile - 1.0) / scale;
        let length = f64::from(((tile + 2.0) / scale).ceil() as i32);
        let first = (start / finer_tile) as i64;
        let end = ((start + length) / finer_tile).ceil() as i64;
        Self {
            first,
            end: end.min(finer_tiles.into()),
            offset: start - first as f64 * finer_tile,
            scale: 1.0 / scale,
            finer_tile,
        }
    }

    fn tiles(&self) -> impl DoubleEndedIterator<Item = u32> + use<> {
        let number = |index: i64| u32::try_from(index).unwrap_or(0);
        number(self.first)..number(self.end)
    }

    /// Where the pixels of the drawn tile lie in one of these.
    #[expect(clippy::cast_precision_loss, reason = "numbers of tiles: 32 bits")]
    fn axis(&self, tile: u32) -> Axis {
        let before = (i64::from(tile).saturating_sub(self.first)) as f64 * self.finer_tile;
        Axis {
            scale: self.scale,
            shift: self.scale - (before - self.offset),
        }
    }
}
