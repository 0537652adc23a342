//! The row index: where the rows of MCUs of a picture start in its data.

use crate::markers::Source;

/// Where the rows of MCUs of one picture start, noted by a decode for later ones.
///
/// Entropy-coded data can only be read from the start, unless somebody has noted where to go on.
/// [`Decoder::decode_indexed`](crate::Decoder::decode_indexed) starts at the nearest row that the
/// index knows and notes the rows it passes. An index belongs to the data it was made of; with
/// other data of another length it is not used, and with other data of the same length the pixels
/// are nonsense, though nothing worse happens. It takes 16 bytes for each row of MCUs.
///
/// # Example
/// ```
/// use wsi_jpeg::RowIndex;
///
/// let index = RowIndex::new();
/// assert_eq!(index.rows(), 0);
/// ```
#[derive(Debug, Clone, Default)]
pub struct RowIndex {
    /// Length of the data, and offset behind the scan header.
    pub(crate) key: (usize, usize),
    /// By row of MCUs, the first one left out: it starts behind the scan header.
    pub(crate) starts: Vec<RowStart>,
}

/// Where one row of MCUs starts.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct RowStart {
    /// Byte in the data, stuffing included.
    pub(crate) byte: u32,
    /// DC predictions.
    pub(crate) predictors: [i16; 4],
    /// MCUs to the next restart marker.
    pub(crate) left: u16,
    /// Bits of the byte that belong to the row before.
    pub(crate) bit: u8,
    /// Number of the next restart marker.
    pub(crate) expected: u8,
}

impl RowIndex {
    /// An index that knows nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Forgets what it knows if that is about other data than those behind `source`'s headers.
    pub(crate) fn keep_for(&mut self, source: &Source<'_>) {
        let key = (source.data().len(), source.position());
        if self.key != key {
            *self = Self::default();
            self.key = key;
        }
    }

    /// The last row of MCUs up to `row` that it knows, and where that starts; `None` for the first.
    pub(crate) fn nearest(&self, row: usize) -> Option<(usize, RowStart)> {
        let row = row.min(self.starts.len());
        Some((row, *self.starts.get(row.checked_sub(1)?)?))
    }

    /// How many rows of MCUs it knows, beside the first.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.starts.len()
    }
}
