//! Batches, and the iterator that gives them.

use std::sync::Arc;

use ndarray::Array4;
use rayon::ThreadPool;
use wsi_core::Result;

use super::PatchReader;
use super::output::Normalizer;
use super::work::Work;

/// Patches that were read together.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Batch {
    /// Which patches, by their numbers in the places that the reader was made with.
    pub indices: Vec<usize>,
    /// Their pixels.
    pub pixels: BatchPixels,
}

/// The pixels of a batch of N patches.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum BatchPixels {
    /// `[N, H, W, C]`.
    U8(Array4<u8>),
    /// `[N, C, H, W]`.
    F32(Array4<f32>),
}

/// Batches in order, as an iterator that waits for the next.
///
/// A batch with a patch that cannot be read is an error that names it; the batches behind it come
/// all the same.
pub struct Batches {
    work: Arc<Work>,
    pool: ThreadPool,
}

impl Batches {
    pub(super) fn start(reader: &PatchReader) -> Result<Self> {
        let normalizer = Normalizer::new(&reader.output, reader.patches.format)?;
        let pool = reader.pool()?;
        let work = Work::start(reader, normalizer, &pool);
        Ok(Self { work, pool })
    }

    /// Gives a batch back, so that a later one takes its memory instead of new memory.
    pub fn reuse(&self, batch: Batch) {
        self.work.give_back(batch.pixels);
    }
}

impl Iterator for Batches {
    type Item = Result<Batch>;

    fn next(&mut self) -> Option<Self::Item> {
        self.work.take(&self.pool)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.work.left();
        (left, Some(left))
    }
}

impl ExactSizeIterator for Batches {}

impl Drop for Batches {
    fn drop(&mut self) {
        self.work.stop();
    }
}

impl std::fmt::Debug for Batches {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Batches")
            .field("left", &self.work.left())
            .finish_non_exhaustive()
    }
}
