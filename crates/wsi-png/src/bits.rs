//! Bits in the order of RFC 1951 3.1.1: the first in the lowest place.

/// Writes bits into memory that was made large enough, eight bytes at a time.
pub(crate) struct Bits<'o> {
    out: &'o mut [u8],
    at: usize,
    buffer: u64,
    count: u32,
}

impl<'o> Bits<'o> {
    /// Bytes that are overwritten behind the last one that counts.
    pub(crate) const SLACK: usize = 8;

    pub(crate) const fn new(out: &'o mut [u8]) -> Self {
        Self {
            out,
            at: 0,
            buffer: 0,
            count: 0,
        }
    }

    /// Adds the lowest `count` bits of `bits`, whose others are 0. Between two calls of
    /// [`flush`](Self::flush), 56 at most.
    #[inline(always)]
    pub(crate) const fn add(&mut self, bits: u64, count: u32) {
        self.buffer |= bits << self.count;
        self.count += count;
    }

    /// Writes the whole bytes.
    #[inline(always)]
    pub(crate) fn flush(&mut self) {
        if let Some(out) = self
            .out
            .get_mut(self.at..)
            .and_then(|out| out.first_chunk_mut::<8>())
        {
            *out = self.buffer.to_le_bytes();
        }
        let bytes = self.count / 8;
        self.at += bytes as usize;
        self.buffer = self.buffer.checked_shr(bytes * 8).unwrap_or(0);
        self.count -= bytes * 8;
    }

    /// Fills the last byte with zeros and gives the number of bytes written.
    pub(crate) fn finish(mut self) -> usize {
        self.count = self.count.next_multiple_of(8);
        self.flush();
        self.at
    }
}
