//! Cuts a rectangle along the grid of chunks.

use wsi_core::{PixelsMut, Rect};

use crate::tiff::Page;

/// The part of one chunk that a read wants, and where it goes.
#[derive(Debug)]
pub(super) struct Cell<'a> {
    pub(super) place: Place,
    /// As large as the part.
    pub(super) out: PixelsMut<'a>,
}

/// Part of a chunk.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) column: u32,
    pub(super) row: u32,
    /// In pixels of the chunk.
    pub(super) crop: Rect,
}

impl Place {
    /// Which chunk, in the order of the file.
    pub(super) const fn chunk(&self) -> (u32, u32) {
        (self.row, self.column)
    }
}

/// A run of pixels along one axis that lies in one chunk.
pub(super) struct Span {
    pub(super) chunk: u32,
    start: u32,
    length: u32,
}

/// Cuts a rectangle inside of the page into its cells, row by row.
pub(super) fn cut<'a>(page: &Page, inside: Rect, out: PixelsMut<'a>) -> Vec<Cell<'a>> {
    let chunk = page.chunk_size();
    let columns = axis(inside.origin.x, inside.size.width, chunk.width);
    let rows = axis(inside.origin.y, inside.size.height, chunk.height);
    let lengths = |spans: &[Span]| spans.iter().map(|span| span.length).collect::<Vec<_>>();
    let cells = out.split(&lengths(&columns), &lengths(&rows));
    let places = rows
        .iter()
        .flat_map(|row| columns.iter().map(move |column| (column, row)));
    places
        .zip(cells)
        .map(|((column, row), out)| Cell {
            place: Place {
                column: column.chunk,
                row: row.chunk,
                crop: Rect::new(
                    (i64::from(column.start), i64::from(row.start)),
                    (column.length, row.length),
                ),
            },
            out,
        })
        .collect()
}

/// Cuts `length` pixels from `start` on into spans of chunks. Both lie inside of the page.
pub(super) fn axis(start: i64, length: u32, chunk: u32) -> Vec<Span> {
    let start = u32::try_from(start).unwrap_or(0);
    let end = start.saturating_add(length);
    let span = |index: u32| {
        let chunk_start = index.saturating_mul(chunk);
        let from = start.max(chunk_start);
        let to = end.min(chunk_start.saturating_add(chunk));
        Span {
            chunk: index,
            start: from - chunk_start,
            length: to - from,
        }
    };
    (start / chunk..end.div_ceil(chunk)).map(span).collect()
}
