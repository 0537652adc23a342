//! The loops themselves: no branches that data decide, slices of known lengths.

/// See [`super::count_above_zero`].
#[inline(always)]
pub(super) fn count_above_zero(bytes: &[u8]) -> u64 {
    // A block's count fits in a byte. Checked sums would keep compilers from using vectors.
    let (blocks, rest) = bytes.as_chunks::<224>();
    let count = |block: &[u8]| {
        let marks = block.iter().map(|&byte| u8::from(byte != 0));
        u64::from(marks.fold(0, u8::wrapping_add))
    };
    let whole: u64 = blocks.iter().map(|block| count(block)).sum();
    whole + count(rest)
}

/// See [`super::first_of_three`].
#[inline(always)]
pub(super) fn first_of_three(from: &[u8], to: &mut [u8]) {
    for (to, [first, _, _]) in to.iter_mut().zip(from.as_chunks::<3>().0) {
        *to = *first;
    }
}
