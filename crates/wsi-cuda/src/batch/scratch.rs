//! Buffers that are kept from batch to batch.

use wsi_core::{Error, ErrorKind, Result};

use crate::executor::{Buffer, Executor};

/// What the kernels work in. Each buffer grows and stays.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    pub(super) stream: Slot,
    pub(super) segments: Slot,
    pub(super) tiles: Slot,
    pub(super) table_sets: Slot,
    pub(super) coefficients: Slot,
    pub(super) extents: Slot,
    pub(super) pixels: Slot,
    pub(super) status: Slot,
    pub(super) rectangles: Slot,
    pub(super) values: Slot,
}

impl Scratch {
    /// Frees all but the values.
    pub(super) fn release(&mut self) {
        let values = std::mem::take(&mut self.values);
        *self = Self {
            values,
            ..Self::default()
        };
    }

    /// Bytes that are held.
    pub(super) fn bytes(&self) -> u64 {
        let slots = [
            &self.stream,
            &self.segments,
            &self.tiles,
            &self.table_sets,
            &self.coefficients,
            &self.extents,
            &self.pixels,
            &self.status,
            &self.rectangles,
            &self.values,
        ];
        slots.iter().map(|slot| slot.bytes()).sum()
    }
}

/// A buffer that grows.
#[derive(Debug, Default)]
pub(super) struct Slot(Option<Buffer>);

impl Slot {
    fn bytes(&self) -> u64 {
        self.0.as_ref().map_or(0, |buffer| buffer.len() as u64)
    }

    /// Makes room for so many bytes; what was there is gone.
    pub(super) fn reserve(&mut self, executor: &dyn Executor, bytes: usize) -> Result<()> {
        if self.0.as_ref().is_none_or(|buffer| buffer.len() < bytes) {
            // The old one first: both may not fit.
            self.0 = None;
            self.0 = Some(executor.allocate(bytes.max(64))?);
        }
        Ok(())
    }

    /// Makes room for some bytes and uploads them.
    pub(super) fn fill(&mut self, executor: &dyn Executor, bytes: &[u8]) -> Result<()> {
        self.reserve(executor, bytes.len())?;
        executor.upload(bytes, self.buffer()?, 0)
    }

    /// The buffer.
    ///
    /// # Errors
    /// `Device` if no room was made.
    pub(super) fn buffer(&self) -> Result<&Buffer> {
        let missing = || Error::new(ErrorKind::Device, "a buffer that was not made");
        self.0.as_ref().ok_or_else(missing)
    }
}
