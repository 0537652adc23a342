//! Tiles side by side in one piece of memory, filled by many threads in any order.

use bytes::BytesMut;

/// Tiles of one size, by their numbers.
///
/// Memory is set aside for all tiles that may come, and cut into pieces of one tile each; a piece is
/// lent to the thread that fills it. Of what no tile comes for, nothing is ever touched. Side by side
/// again, the pieces are one vector without a byte having been copied, unless tiles are missing or the
/// system did not have so much room in one piece.
#[derive(Debug, Default)]
pub(super) struct Stack {
    tile: usize,
    /// Pieces that are cut, and not lent.
    pieces: Vec<Option<BytesMut>>,
    /// What is not cut yet.
    rest: BytesMut,
    /// Tiles that there may be.
    most: usize,
    /// All tiles, once they are complete.
    pub(super) joined: Vec<u8>,
}

impl Stack {
    /// A stack of up to `most` tiles of `tile` bytes.
    pub(super) fn new(tile: usize, most: usize) -> Self {
        Self {
            tile,
            rest: room(tile, most),
            most,
            ..Self::default()
        }
    }

    /// Lends the empty memory of a tile.
    pub(super) fn take(&mut self, index: usize) -> BytesMut {
        if self.pieces.is_empty() {
            wsi_pages::gather(&mut self.rest);
        }
        while self.pieces.len() <= index {
            if self.rest.capacity() < self.tile {
                let cut = self.pieces.len();
                self.rest = room(self.tile, self.most.saturating_sub(cut).max(1));
            }
            let behind = self.rest.split_off(self.tile);
            let piece = std::mem::replace(&mut self.rest, behind);
            self.pieces.push(Some(piece));
        }
        let piece = self.pieces[index].take().unwrap_or_default();
        debug_assert!(piece.is_empty(), "a tile that comes once");
        piece
    }

    /// Takes it back, filled.
    pub(super) fn put(&mut self, index: usize, piece: BytesMut) {
        self.pieces[index] = Some(piece);
    }

    /// Puts the tiles of these numbers, which ascend, side by side.
    pub(super) fn join(&mut self, order: &[usize]) {
        let mut pieces = std::mem::take(&mut self.pieces);
        self.rest = BytesMut::new();
        let wanted = order
            .iter()
            .filter_map(|&index| pieces.get_mut(index)?.take());
        let mut all = BytesMut::new();
        for piece in wanted {
            all.unsplit(piece);
        }
        // Nobody else may hold the memory, or it would be copied.
        drop(pieces);
        self.joined = all.into();
        self.joined.shrink_to_fit();
    }
}

/// Memory for `count` tiles of `tile` bytes, or as many as take a quarter of what the system gives:
/// where addresses are limited, the rest of the program needs some, too.
fn room(tile: usize, count: usize) -> BytesMut {
    let mut count = count;
    loop {
        let bytes = tile.saturating_mul(count);
        let four_times = bytes.saturating_mul(4);
        if count <= 1 || Vec::<u8>::new().try_reserve_exact(four_times).is_ok() {
            return wsi_pages::with_capacity(bytes.max(tile));
        }
        count /= 2;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fill(stack: &mut Stack, index: usize) {
        let mut piece = stack.take(index);
        piece.extend_from_slice(&[u8::try_from(index).unwrap(); 5]);
        stack.put(index, piece);
    }

    #[test]
    fn tiles_that_came_in_any_order_stand_in_theirs() {
        let mut stack = Stack::new(5, 100);
        for index in [3, 0, 1, 4, 2] {
            fill(&mut stack, index);
        }
        stack.join(&[0, 1, 2, 3, 4]);
        let wanted: Vec<u8> = (0..5).flat_map(|index| [index; 5]).collect();
        assert_eq!(stack.joined, wanted);
    }

    #[test]
    fn missing_tiles_leave_no_gap() {
        let mut stack = Stack::new(5, 10);
        for index in [0, 2, 5, 6] {
            fill(&mut stack, index);
        }
        stack.join(&[0, 2, 6]);
        let wanted: Vec<u8> = [0, 2, 6].into_iter().flat_map(|index| [index; 5]).collect();
        assert_eq!(stack.joined, wanted);
        stack.join(&[]);
        assert!(stack.joined.is_empty());
    }

    #[test]
    fn more_tiles_than_were_foreseen_find_room() {
        let mut stack = Stack::new(5, 2);
        for index in 0..9 {
            fill(&mut stack, index);
        }
        stack.join(&(0..9).collect::<Vec<_>>());
        assert_eq!(stack.joined.len(), 45);
        assert!((0..9).all(|index| usize::from(stack.joined[5 * index]) == index));
    }
}
