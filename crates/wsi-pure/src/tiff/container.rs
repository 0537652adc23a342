//! The bytes of the file: ranges of them, checked, and numbers in the file's byte order.

#![warn(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use wsi_core::{Error, ErrorKind, Limits, Result};

use super::storage::ByteOrder;
use crate::io::ReadAt;

/// The bytes of the file and how to read numbers from them.
pub(super) struct Container {
    pub(super) io: Box<dyn ReadAt>,
    pub(super) order: ByteOrder,
    pub(super) big: bool,
    pub(super) limits: Limits,
}

impl Container {
    pub(super) const fn byte_order(&self) -> ByteOrder {
        self.order
    }

    pub(super) const fn limits(&self) -> &Limits {
        &self.limits
    }

    pub(super) fn size(&self) -> u64 {
        self.io.size()
    }

    /// Checks that `length` bytes at `offset` lie in the file.
    pub(super) fn check_range(&self, offset: u64, length: u64) -> Result<()> {
        let size = self.io.size();
        match offset.checked_add(length) {
            Some(end) if end <= size => Ok(()),
            _ => Err(Error::corrupt(format!(
                "{length} bytes at offset {offset} of a file of {size}"
            ))),
        }
    }

    /// Reads `length` bytes; nothing is allocated unless they lie in the file.
    pub(super) fn read(&self, offset: u64, length: u64) -> Result<Vec<u8>> {
        let mut buffer = Vec::new();
        self.read_into(offset, length, &mut buffer)?;
        Ok(buffer)
    }

    /// Replaces `buffer` with `length` bytes of the file.
    pub(super) fn read_into(&self, offset: u64, length: u64, buffer: &mut Vec<u8>) -> Result<()> {
        self.check_range(offset, length)?;
        let length = usize::try_from(length)
            .map_err(|_| Error::limit(format!("{length} bytes at once on this machine")))?;
        // What is there already is written over, and need not be cleared.
        buffer.resize(length, 0);
        self.io.read_exact_at(buffer, offset).map_err(|error| {
            Error::new(
                ErrorKind::Io,
                format!("cannot read {length} bytes at offset {offset}"),
            )
            .with_source(error)
        })
    }
}

impl ByteOrder {
    /// The number in the first 2 bytes; 0 if there are fewer.
    pub(super) fn u16(self, bytes: &[u8]) -> u16 {
        let bytes = bytes.first_chunk().copied().unwrap_or_default();
        match self {
            Self::Little => u16::from_le_bytes(bytes),
            Self::Big => u16::from_be_bytes(bytes),
        }
    }

    /// The number in the first 4 bytes; 0 if there are fewer.
    pub(super) fn u32(self, bytes: &[u8]) -> u32 {
        let bytes = bytes.first_chunk().copied().unwrap_or_default();
        match self {
            Self::Little => u32::from_le_bytes(bytes),
            Self::Big => u32::from_be_bytes(bytes),
        }
    }

    /// The number in the first 8 bytes; 0 if there are fewer.
    pub(super) fn u64(self, bytes: &[u8]) -> u64 {
        let bytes = bytes.first_chunk().copied().unwrap_or_default();
        match self {
            Self::Little => u64::from_le_bytes(bytes),
            Self::Big => u64::from_be_bytes(bytes),
        }
    }
}
