//! The pixels of tiles: each stored tile is read once, into all tiles that it touches.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use rayon::Scope;
use wsi_core::{PixelFormat, PixelsMut, Plane, Rect, Region, RegionRead, Result, Slide};

use super::cells::{Cell, CellPixels};
use super::tiles::Work;
use super::{PIXEL, Run, pixels_of};
use crate::arch::Part;

/// The part of a tile that lies in one cell.
pub(super) struct Piece<'s, 'm> {
    /// In level pixels.
    pub(super) rect: Rect,
    /// Which of the pieces of its tile.
    pub(super) number: usize,
    pub(super) work: Arc<Work<'s, 'm>>,
}

/// A cell that is to be read, and what is wanted of it.
pub(super) struct Wanted<'s, 'm> {
    /// In level pixels.
    pub(super) cell: Rect,
    pub(super) pieces: Vec<Piece<'s, 'm>>,
}

/// A piece that is being read.
struct Filling<'w, 's, 'm> {
    piece: &'w Piece<'s, 'm>,
    part: Part,
}

impl<'m> Run<'m> {
    /// Reads cells together; a tile that has all its pieces then is made.
    pub(super) fn load_images<'s>(&'s self, scope: &Scope<'s>, wanted: Vec<Wanted<'s, 'm>>)
    where
        'm: 's,
    {
        if self.stopped.load(Ordering::Relaxed) {
            return;
        }
        self.job.clock.read.time(|| self.read_images(&wanted));
        for Piece { work, .. } in wanted.into_iter().flat_map(|wanted| wanted.pieces) {
            if work.missing.fetch_sub(1, Ordering::AcqRel) == 1 {
                scope.spawn(move |_| self.make(&work));
            }
        }
    }

    fn read_images(&self, wanted: &[Wanted<'_, '_>]) {
        let mut filling: Vec<Vec<_>> = Vec::with_capacity(wanted.len());
        for Wanted { pieces, .. } in wanted {
            let part = |piece: &Piece<'_, '_>| self.part_of(&piece.work, piece.number);
            let fill = |piece| Filling {
                piece,
                part: part(piece),
            };
            filling.push(pieces.iter().map(fill).collect());
        }
        match self.in_parts {
            true => self.read_pieces(&mut filling),
            false => self.read_cells(wanted, &mut filling),
        }
    }

    /// Reads each piece to its place; the source finds those that lie in one stored tile.
    fn read_pieces(&self, filling: &mut [Vec<Filling<'_, '_, '_>>]) {
        let mut works = Vec::new();
        let mut reads = Vec::new();
        for Filling { piece, part } in filling.iter_mut().flatten() {
            let width = piece.rect.size.width;
            match PixelsMut::from_rows(part.rows_mut(), width, PixelFormat::RGB8) {
                Ok(out) => {
                    works.push(&piece.work);
                    reads.push(self.read_of(piece.rect, out));
                }
                Err(_) => piece.work.has_failed(),
            }
        }
        let results = self.job.slide.read_regions(reads);
        for (work, result) in works.into_iter().zip(results) {
            if result.is_err() {
                work.has_failed();
            }
        }
    }

    /// Reads whole cells, and copies the pieces from them.
    fn read_cells(&self, wanted: &[Wanted<'_, '_>], filling: &mut [Vec<Filling<'_, '_, '_>>]) {
        let take =
            |wanted: &Wanted<'_, '_>| self.image_shelf.take(pixels_of(wanted.cell.size) * PIXEL);
        let mut buffers: Vec<_> = wanted.iter().map(take).collect();
        let reads = wanted.iter().zip(&mut buffers).map(|(wanted, buffer)| {
            let out =
                PixelsMut::packed(buffer.as_mut_slice(), wanted.cell.size, PixelFormat::RGB8)?;
            Ok(self.read_of(wanted.cell, out))
        });
        let results = match reads.collect::<Result<_>>() {
            Ok(reads) => self.job.slide.read_regions(reads),
            Err(_) => Vec::new(),
        };
        let mut results = results.into_iter();
        for ((wanted, filling), buffer) in wanted.iter().zip(filling).zip(buffers) {
            let is_there = matches!(results.next(), Some(Ok(())));
            let cell = Cell {
                rect: wanted.cell,
                pixels: CellPixels::Rows(buffer),
            };
            for Filling { piece, part } in filling {
                if !is_there {
                    piece.work.has_failed();
                    continue;
                }
                let rows = cell.rows_in(piece.rect, PIXEL);
                for (out, row) in part.rows_mut().into_iter().zip(rows) {
                    out.copy_from_slice(row);
                }
            }
        }
    }

    fn read_of<'b>(&self, rect: Rect, out: PixelsMut<'b>) -> RegionRead<'b> {
        let region = Region::at_level(self.job.roi.level, rect.origin, rect.size);
        RegionRead { region, out }
    }
}

/// Whether a part of a stored tile costs less to read than the whole: with JPEG alone.
pub(super) fn decodes_parts(slide: &Slide, level: usize) -> bool {
    let layout = slide
        .encoded_tiles()
        .map(|tiles| tiles.layout(level, Plane::default()));
    layout.is_some_and(|layout| layout.is_ok_and(|layout| layout.compression == "jpeg"))
}
