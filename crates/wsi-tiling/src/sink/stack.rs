//! Tiles side by side in one piece of memory, filled by many threads in any order.

use bytes::BytesMut;

use crate::room::Room;

/// Tiles of one size, by their numbers.
///
/// Each tile has a piece of memory of its own, which is lent to those who fill it. Side by side again,
/// the pieces are one vector without a byte having been copied, unless tiles are missing or the system
/// did not have so much room in one piece.
#[derive(Debug, Default)]
pub(super) struct Stack {
    room: Room,
    /// What is not lent of the memory of each tile so far.
    pieces: Vec<Option<BytesMut>>,
    /// All tiles, once they are complete.
    pub(super) joined: Vec<u8>,
}

impl Stack {
    /// A stack of up to `most` tiles of `tile` bytes.
    pub(super) fn new(tile: usize, most: usize) -> Self {
        Self {
            room: Room::new(tile, most),
            ..Self::default()
        }
    }

    /// Lends the memory of a tile; what it holds is unspecified.
    pub(super) fn take(&mut self, index: usize) -> BytesMut {
        while self.pieces.len() <= index {
            self.pieces.push(Some(self.room.take()));
        }
        let piece = self.pieces[index].take();
        debug_assert!(piece.is_some(), "a tile that comes once");
        piece.unwrap_or_default()
    }

    /// Takes it back, filled.
    pub(super) fn put(&mut self, index: usize, piece: BytesMut) {
        self.pieces[index] = Some(piece);
    }

    /// Puts the tiles of these numbers, which ascend, side by side.
    pub(super) fn join(&mut self, order: &[usize]) {
        let mut pieces = std::mem::take(&mut self.pieces);
        self.room = Room::default();
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

#[cfg(test)]
mod tests {
    use super::*;

    fn fill(stack: &mut Stack, index: usize) {
        let mut piece = stack.take(index);
        piece.fill(u8::try_from(index).unwrap());
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
