//! The first channel alone, as runs: the labels of a mask, for less than its pixels.

use wsi_core::{Rect, Runs};

use super::{PageReader, work};

impl PageReader {
    /// Reads the first sample of every pixel of a rectangle that is a chunk, or what of it lies on the
    /// page, if these are bytes that can be had at less cost than all pixels. A chunk that the file
    /// leaves out has `fill`. `None` also if it cannot be read.
    pub(crate) fn read_first_samples(&self, wanted: Rect, fill: u8) -> Option<Runs> {
        let chunk = self.page.chunk_size();
        let index = |at: i64, length: u32| u32::try_from(at.checked_div(length.into())?).ok();
        let column = index(wanted.origin.x, chunk.width)?;
        let row = index(wanted.origin.y, chunk.height)?;
        let (columns, rows) = self.page.grid();
        let is_one = column < columns && row < rows && self.page.chunk_rect(column, row) == wanted;
        if !is_one || self.is_borrowed(column, row).ok()? {
            return None;
        }
        work::with_scratch(|stored, scratch| {
            if !self.codec.gives_first_samples() {
                return None;
            }
            if !self.read_stored(column, row, 0, stored).ok()? {
                // Narrower rows would take more memory as runs than as labels.
                if wanted.size.width < NARROWEST {
                    return None;
                }
                let mut runs = Runs::new(wanted.size.width);
                runs.push(fill, wanted.size.area());
                return Some(runs);
            }
            let chunk = self.page.stored_size(column, row);
            self.check_expansion(chunk, stored.len()).ok()?;
            let runs = self.codec.first_samples(stored, chunk, scratch)?;
            Some(match chunk == wanted.size {
                true => runs,
                false => runs.cut(wanted.size),
            })
        })
    }
}

/// Labels in a row that take about as much memory as a run and the place where the row starts.
const NARROWEST: u32 = 16;
