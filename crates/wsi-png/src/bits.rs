//! Bits in the order of RFC 1951 3.1.1: the first in the lowest place.

/// Parts that [`Bits::add_all`] takes at most.
#[cfg(target_arch = "x86_64")]
pub(crate) const PARTS: usize = 64;

/// Bytes that `add_all` may write to.
const WINDOW: usize = 512 + 8;

/// Writes bits into memory that was made large enough, eight bytes at a time.
pub(crate) struct Bits<'o> {
    out: &'o mut [u8],
    at: usize,
    buffer: u64,
    count: u32,
}

impl<'o> Bits<'o> {
    /// Bytes that may be overwritten behind the last one that counts.
    pub(crate) const SLACK: usize = WINDOW;

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
        self.buffer |= bits.wrapping_shl(self.count);
        self.count += count;
    }

    /// Adds a code, given in the lower half, of the length in the upper.
    #[inline(always)]
    pub(crate) const fn add_entry(&mut self, entry: u32) {
        self.add((entry & 0xFFFF) as u64, entry >> 16);
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
        // At most seven bytes: there are 63 bits at most.
        self.buffer = self.buffer.wrapping_shr(bytes * 8);
        self.count -= bytes * 8;
    }

    /// Adds up to [`PARTS`] parts of up to 48 bits, given with their lengths, and writes the whole bytes.
    /// It has been flushed before.
    #[cfg(target_arch = "x86_64")]
    #[inline(always)]
    #[expect(clippy::cast_possible_truncation, reason = "lengths of at most 48")]
    pub(crate) fn add_all(&mut self, parts: &[u64], lengths: &[u64]) {
        let (mut buffer, mut count, mut at) = (self.buffer, self.count, 0_u32);
        let rest = self.out.get_mut(self.at..);
        let Some(window) = rest.and_then(|out| out.first_chunk_mut::<WINDOW>()) else {
            debug_assert!(false, "room for what is written, and slack");
            return;
        };
        for (part, length) in parts.iter().zip(lengths) {
            buffer |= part.wrapping_shl(count);
            count += *length as u32;
            // 64 parts of 48 bits end at byte 384.
            let from = (at & 511) as usize;
            window[from..from + 8].copy_from_slice(&buffer.to_le_bytes());
            at += count / 8;
            buffer = buffer.wrapping_shr(count & 56);
            count &= 7;
        }
        (self.buffer, self.count) = (buffer, count);
        self.at += at as usize;
    }

    /// Fills the last byte with zeros and gives the number of bytes written.
    pub(crate) fn finish(mut self) -> usize {
        self.count = self.count.next_multiple_of(8);
        self.flush();
        self.at
    }
}
