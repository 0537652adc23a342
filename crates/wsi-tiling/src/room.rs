//! Memory for tiles: as much for each, side by side.

use bytes::BytesMut;

/// Memory that is set aside for many tiles and given out tile by tile; of what nobody takes, nothing is
/// ever touched.
#[derive(Debug, Default)]
pub(crate) struct Room {
    /// Bytes of a tile.
    bytes: usize,
    /// Tiles that may still come.
    most: usize,
    /// What is not given out yet.
    rest: BytesMut,
}

impl Room {
    /// Room for `most` tiles of `bytes`, and for more when they come.
    pub(crate) fn new(bytes: usize, most: usize) -> Self {
        Self {
            bytes,
            most,
            rest: BytesMut::new(),
        }
    }

    /// The memory of the next tile: zeros.
    pub(crate) fn take(&mut self) -> BytesMut {
        if self.rest.len() < self.bytes {
            self.rest = set_aside(self.bytes, self.most.max(1));
            wsi_pages::gather(&mut self.rest);
        }
        self.most = self.most.saturating_sub(1);
        self.rest.split_to(self.bytes)
    }
}

/// Memory for `count` tiles of `bytes`, or as many as take a quarter of what the system gives: where
/// addresses are limited, the rest of the program needs some, too.
fn set_aside(bytes: usize, count: usize) -> BytesMut {
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
    fn tiles_stand_side_by_side_while_there_is_room() {
        let mut room = Room::new(5, 2);
        let mut first = room.take();
        let (second, third) = (room.take(), room.take());
        first.fill(1);
        first.unsplit(second);
        assert_eq!(first[..], [1, 1, 1, 1, 1, 0, 0, 0, 0, 0]);
        assert_eq!(third[..], [0; 5]);
        assert!(Room::default().take().is_empty());
    }
}
