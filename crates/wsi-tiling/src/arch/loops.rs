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

/// See [`super::normalize`].
#[inline(always)]
pub(super) fn normalize(
    pixels: &[u8],
    channels: usize,
    channel: usize,
    scale: f32,
    offset: f32,
    to: &mut [f32],
) {
    // A constant distance lets compilers load vectors.
    match channels {
        3 => {
            for (to, pixel) in to.iter_mut().zip(pixels.as_chunks::<3>().0) {
                let sample = match channel {
                    0 => pixel[0],
                    1 => pixel[1],
                    _ => pixel[2],
                };
                *to = f32::from(sample) * scale + offset;
            }
        }
        _ => {
            let samples = pixels.iter().skip(channel).step_by(channels.max(1));
            for (to, &sample) in to.iter_mut().zip(samples) {
                *to = f32::from(sample) * scale + offset;
            }
        }
    }
}
