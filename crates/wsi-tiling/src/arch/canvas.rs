//! Memory that several threads fill at once, each a part of its own.

use std::ops::Range;
use std::sync::Arc;

use bytes::BytesMut;

/// Rows of bytes in one piece of memory, cut into parts.
///
/// While there are parts, nobody sees the memory but each part its own; whoever wants it back has to
/// wait until all of them are gone.
pub(crate) struct Canvas {
    memory: BytesMut,
    start: *mut u8,
    row_bytes: usize,
}

// SAFETY: the pointer leads into `memory`, which goes where the canvas goes.
unsafe impl Send for Canvas {}
// SAFETY: through a shared canvas the memory is reached by its parts alone, which are disjoint and
// each in one hand.
unsafe impl Sync for Canvas {}

/// A rectangle of a canvas, in the hands of who fills it.
pub(crate) struct Part {
    canvas: Arc<Canvas>,
    /// Of bytes.
    columns: Range<usize>,
    rows: Range<usize>,
}

impl Canvas {
    /// Cuts memory, whose rows are `row_bytes` long, at these columns of bytes and these rows. The
    /// parts come row by row; what lies before the first cut and behind the last is in none.
    ///
    /// # Panics
    /// If the cuts do not ascend, or do not lie in the memory.
    pub(crate) fn cut(
        mut memory: BytesMut,
        row_bytes: usize,
        columns: &[usize],
        rows: &[usize],
    ) -> (Arc<Self>, Vec<Part>) {
        let last = |cuts: &[usize]| cuts.last().copied().unwrap_or(0);
        let end = last(rows).checked_mul(row_bytes);
        assert!(
            columns.is_sorted() && rows.is_sorted(),
            "parts lie side by side"
        );
        assert!(
            last(columns) <= row_bytes && end.is_some_and(|end| end <= memory.len()),
            "parts lie in the memory"
        );
        let canvas = Arc::new(Self {
            start: memory.as_mut_ptr(),
            memory,
            row_bytes,
        });
        let part = |rows: &[usize], columns: &[usize]| Part {
            canvas: Arc::clone(&canvas),
            columns: columns[0]..columns[1],
            rows: rows[0]..rows[1],
        };
        let parts = rows
            .windows(2)
            .flat_map(|rows| columns.windows(2).map(move |columns| part(rows, columns)))
            .collect();
        (canvas, parts)
    }

    /// The memory, if all parts are gone.
    pub(crate) fn into_memory(self: Arc<Self>) -> Option<BytesMut> {
        Arc::into_inner(self).map(|canvas| canvas.memory)
    }
}

impl Part {
    /// The rows of the part.
    pub(crate) fn rows_mut(&mut self) -> Vec<&mut [u8]> {
        let (start, row_bytes) = (self.canvas.start, self.canvas.row_bytes);
        let length = self.columns.len();
        let row = |row: usize| {
            // SAFETY: `cut` has checked that the row, from its first column to its last, lies in the
            // memory, which the canvas keeps and lends to nobody else. No other part has these bytes:
            // parts differ in rows or in columns. And they are lent for as long as this part is.
            unsafe {
                let first = start.add(row * row_bytes + self.columns.start);
                std::slice::from_raw_parts_mut(first, length)
            }
        };
        self.rows.clone().map(row).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_filled_at_once_are_the_whole() {
        let memory = BytesMut::zeroed(6 * 9);
        let (canvas, parts) = Canvas::cut(memory, 9, &[1, 4, 4, 9], &[0, 2, 5]);
        assert_eq!(parts.len(), 6);
        std::thread::scope(|scope| {
            for (mut part, value) in parts.into_iter().zip(1..) {
                scope.spawn(move || part.rows_mut().into_iter().for_each(|row| row.fill(value)));
            }
        });
        let memory = canvas.into_memory().expect("no parts are left");
        let top = [0, 1, 1, 1, 3, 3, 3, 3, 3];
        let bottom = [0, 4, 4, 4, 6, 6, 6, 6, 6];
        let expected = [top, top, bottom, bottom, bottom, [0; 9]].concat();
        assert_eq!(memory[..], expected);
    }

    #[test]
    fn memory_is_not_given_back_before_its_parts() {
        let (canvas, parts) = Canvas::cut(BytesMut::zeroed(4), 2, &[0, 1, 2], &[0, 2]);
        let another = Arc::clone(&canvas);
        drop(canvas);
        assert!(another.into_memory().is_none());
        drop(parts);
        let (canvas, parts) = Canvas::cut(BytesMut::zeroed(4), 2, &[], &[0, 2]);
        assert!(parts.is_empty());
        assert!(canvas.into_memory().is_some());
    }

    #[test]
    #[should_panic(expected = "parts lie in the memory")]
    fn parts_outside_are_refused() {
        drop(Canvas::cut(BytesMut::zeroed(9), 5, &[0, 5], &[0, 2]));
    }

    #[test]
    #[should_panic(expected = "parts lie side by side")]
    fn parts_that_overlap_are_refused() {
        drop(Canvas::cut(BytesMut::zeroed(9), 3, &[0, 3, 2], &[0, 2]));
    }
}
