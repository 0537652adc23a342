//! Memory for pixels, to be used again.

use std::sync::{Arc, Mutex, PoisonError};

/// Memory that goes back to its shelf when it is dropped, so that pages are touched once a run
/// and not once a cell.
#[derive(Debug)]
pub(crate) struct Buffer<'m> {
    memory: Memory<'m>,
    /// How much of it is used.
    bytes: usize,
    shelf: Arc<Shelf<'m>>,
}

/// Buffers that wait to be used again.
#[derive(Debug, Default)]
pub(crate) struct Shelf<'m>(Mutex<Vec<Memory<'m>>>);

#[derive(Debug)]
enum Memory<'m> {
    Lent(&'m mut [u8]),
    Owned(Vec<u8>),
}

impl<'m> Shelf<'m> {
    /// A shelf that first lends out pieces of `bytes` of this memory, from its start on.
    pub(crate) fn of_pieces(memory: &'m mut [u8], bytes: usize) -> Self {
        let pieces = memory.chunks_exact_mut(bytes.max(1)).rev();
        Self(Mutex::new(pieces.map(Memory::Lent).collect()))
    }

    /// A buffer of this many bytes of unspecified content.
    pub(crate) fn take(self: &Arc<Self>, bytes: usize) -> Buffer<'m> {
        let next = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut memory = match next {
            Some(Memory::Lent(piece)) if piece.len() < bytes => Memory::Owned(Vec::new()),
            Some(memory) => memory,
            None => Memory::Owned(wsi_pages::zeroed(bytes)),
        };
        if let Memory::Owned(memory) = &mut memory {
            memory.resize(bytes, 0);
        }
        Buffer {
            memory,
            bytes,
            shelf: Arc::clone(self),
        }
    }
}

impl Buffer<'_> {
    pub(crate) fn as_slice(&self) -> &[u8] {
        match &self.memory {
            Memory::Lent(memory) => &memory[..self.bytes],
            Memory::Owned(memory) => &memory[..self.bytes],
        }
    }

    pub(crate) fn as_mut_slice(&mut self) -> &mut [u8] {
        match &mut self.memory {
            Memory::Lent(memory) => &mut memory[..self.bytes],
            Memory::Owned(memory) => &mut memory[..self.bytes],
        }
    }
}

impl Drop for Buffer<'_> {
    fn drop(&mut self) {
        let memory = std::mem::replace(&mut self.memory, Memory::Owned(Vec::new()));
        self.shelf
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(memory);
    }
}
