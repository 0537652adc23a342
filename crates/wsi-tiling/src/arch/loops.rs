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

/// See [`super::ends_of_runs`].
#[inline(always)]
pub(super) fn ends_of_runs(row: &[u8], ends: &mut Vec<u32>) {
    let Some(rest) = row.get(1..) else {
        return;
    };
    let mut column = 0;
    // Blocks first: in nearly all of them, all bytes are as the ones before.
    let (befores, before) = row[..rest.len()].as_chunks::<64>();
    let (afters, after) = rest.as_chunks::<64>();
    for (before, after) in befores.iter().zip(afters) {
        let differ = before
            .iter()
            .zip(after)
            .map(|(before, after)| before ^ after);
        if differ.fold(0, |any, differs| any | differs) != 0 {
            let mut marks = 0;
            for (before, after) in before.as_chunks().0.iter().zip(after.as_chunks().0).rev() {
                marks = marks << 8 | marks_of_8(before, after);
            }
            while marks != 0 {
                ends.push(column + marks.trailing_zeros() + 1);
                marks &= marks - 1;
            }
        }
        column += 64;
    }
    for (before, after) in before.iter().zip(after) {
        column += 1;
        if before != after {
            ends.push(column);
        }
    }
    ends.push(column + 1);
}

/// A bit for each byte that differs, the first in the lowest.
#[inline(always)]
fn marks_of_8(before: &[u8; 8], after: &[u8; 8]) -> u64 {
    const LOW: u64 = 0x7F7F_7F7F_7F7F_7F7F;
    let differ = u64::from_le_bytes(*before) ^ u64::from_le_bytes(*after);
    let highest = ((differ & LOW).wrapping_add(LOW) | differ) & !LOW;
    // Bit 8 i of the marks comes to bit 56 + i.
    (highest >> 7).wrapping_mul(0x0102_0408_1020_4080) >> 56
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
