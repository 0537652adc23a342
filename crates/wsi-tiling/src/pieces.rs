//! Memory for tiles: pieces of one size, side by side.

use bytes::BytesMut;

/// Cuts pieces from memory that is set aside for many; of what nobody takes, nothing is ever touched.
#[derive(Debug, Default)]
pub(crate) struct Pieces {
    /// Bytes of a piece.
    bytes: usize,
    /// Pieces that may still be asked for.
    most: usize,
    /// What is not cut yet.
    rest: BytesMut,
}

impl Pieces {
    /// Room for `most` pieces of `bytes`, and for more when they are taken.
    pub(crate) fn new(bytes: usize, most: usize) -> Self {
        Self {
            bytes,
            most,
            rest: BytesMut::new(),
        }
    }

    /// The next piece: zeros.
    pub(crate) fn take(&mut self) -> BytesMut {
        if self.rest.len() < self.bytes {
            self.rest = room(self.bytes, self.most.max(1));
            wsi_pages::gather(&mut self.rest);
        }
        self.most = self.most.saturating_sub(1);
        self.rest.split_to(self.bytes)
    }
}

/// Memory for `count` pieces of `bytes`, or as many as take a quarter of what the system gives: where
/// addresses are limited, the rest of the program needs some, too.
fn room(bytes: usize, count: usize) -> BytesMut {
    let mut count = count;
    loop {
        let all = bytes.saturating_mul(count);
        let four_times = all.saturating_mul(4);
        if count <= 1 || Vec::<u8>::new().try_reserve_exact(four_times).is_ok() {
            return wsi_pages::zeroed_bytes(all.max(bytes));
        }
        count /= 2;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_stand_side_by_side_while_there_is_room() {
        let mut pieces = Pieces::new(5, 2);
        let mut first = pieces.take();
        let (second, third) = (pieces.take(), pieces.take());
        first.fill(1);
        first.unsplit(second);
        assert_eq!(first[..], [1, 1, 1, 1, 1, 0, 0, 0, 0, 0]);
        assert_eq!(third[..], [0; 5]);
        assert!(Pieces::default().take().is_empty());
    }
}
