//! Predictors (tag 317): undoing differences along a row.
//!
//! Horizontal differences are those of TIFF 6.0 section 14, of samples in the machine's byte order,
//! for floats of their bits; the floating point predictor is that of Adobe's TIFF Technical Note 3.

/// Undoes horizontal differences in a row of samples of `bytes` bytes (1, 2, 4 or 8) in the
/// machine's order, `samples` to a pixel. Sums wrap at `bits` bits.
pub(super) fn undo_horizontal(row: &mut [u8], samples: usize, bytes: usize, bits: u32) {
    match (bytes, samples) {
        (1, 1) if bits == 8 => running_sum::<1>(row),
        (1, 3) if bits == 8 => running_sum::<3>(row),
        (1, 4) if bits == 8 => running_sum::<4>(row),
        (1, _) => sums::<1>(row, samples, bits),
        (2, _) => sums::<2>(row, samples, bits),
        (4, _) => sums::<4>(row, samples, bits),
        _ => sums::<8>(row, samples, bits),
    }
}

/// Sums of bytes, `N` to a pixel.
fn running_sum<const N: usize>(row: &mut [u8]) {
    let mut sum = [0_u8; N];
    for pixel in row.as_chunks_mut::<N>().0 {
        for (sum, value) in sum.iter_mut().zip(&mut *pixel) {
            *sum = sum.wrapping_add(*value);
            *value = *sum;
        }
    }
}

/// Sums of samples of `B` bytes.
fn sums<const B: usize>(row: &mut [u8], samples: usize, bits: u32) {
    let mask = u64::MAX >> (64 - bits.clamp(1, 64));
    let values = row.as_chunks_mut::<B>().0;
    for index in samples..values.len() {
        let sum = load(values[index - samples]).wrapping_add(load(values[index])) & mask;
        store(&mut values[index], sum);
    }
}

/// Undoes the floating point predictor: `row` has the planes of a row's bytes, most significant
/// first, as differences; `out` takes the samples of `bytes` bytes in the machine's order, or, of
/// 3 bytes, most significant first. `row` is left summed.
pub(super) fn undo_floating_point(row: &mut [u8], samples: usize, bytes: usize, out: &mut [u8]) {
    for index in samples..row.len() {
        row[index] = row[index].wrapping_add(row[index - samples]);
    }
    let count = row.len() / bytes.max(1);
    if count == 0 {
        return;
    }
    for (plane, values) in row.chunks_exact(count).enumerate() {
        let place = match bytes {
            3 => plane,
            _ if cfg!(target_endian = "big") => plane,
            _ => bytes - 1 - plane,
        };
        for (sample, &value) in out.chunks_exact_mut(bytes).zip(values) {
            sample[place] = value;
        }
    }
}

/// A sample of `B` bytes in the machine's order.
pub(super) fn load<const B: usize>(bytes: [u8; B]) -> u64 {
    let mut wide = [0; 8];
    if cfg!(target_endian = "big") {
        wide[8 - B..].copy_from_slice(&bytes);
    } else {
        wide[..B].copy_from_slice(&bytes);
    }
    u64::from_ne_bytes(wide)
}

/// Stores the low bytes of a value in the machine's order.
pub(super) fn store<const B: usize>(bytes: &mut [u8; B], value: u64) {
    let wide = value.to_ne_bytes();
    if cfg!(target_endian = "big") {
        bytes.copy_from_slice(&wide[8 - B..]);
    } else {
        bytes.copy_from_slice(&wide[..B]);
    }
}

#[cfg(test)]
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "small test data")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn sums_wrap_at_the_width_of_a_sample() {
        let mut row = [250, 1, 10, 2, 3, 255];
        undo_horizontal(&mut row, 2, 1, 8);
        assert_eq!(row, [250, 1, 4, 3, 7, 2]);
        let mut row: Vec<u8> = [4000_u16, 100, 3]
            .iter()
            .flat_map(|v| v.to_ne_bytes())
            .collect();
        undo_horizontal(&mut row, 1, 2, 12);
        let expected: Vec<u8> = [4000_u16, 4, 7]
            .iter()
            .flat_map(|v| v.to_ne_bytes())
            .collect();
        assert_eq!(row, expected);
    }

    /// The two floats 1.0 and 2.0 are 3F800000 and 40000000: planes 3F 40, 80 00, 00 00, 00 00.
    #[test]
    fn planes_of_bytes_become_floats() {
        let mut row = [0x3F, 0x01, 0x40, 0x80, 0, 0, 0, 0];
        let mut out = [0; 8];
        undo_floating_point(&mut row, 1, 4, &mut out);
        let expected = [1.0_f32.to_ne_bytes(), 2.0_f32.to_ne_bytes()].concat();
        assert_eq!(out, *expected);
    }

    fn differences<const B: usize>(row: &[u8], samples: usize) -> Vec<u8> {
        let values: Vec<u64> = row.as_chunks::<B>().0.iter().map(|&v| load(v)).collect();
        let before = std::iter::repeat_n(0, samples).chain(values.iter().copied());
        let mut out = vec![0; row.len()];
        for ((slot, value), before) in out
            .as_chunks_mut::<B>()
            .0
            .iter_mut()
            .zip(&values)
            .zip(before)
        {
            store(slot, value.wrapping_sub(before));
        }
        out
    }

    proptest! {
        #[test]
        fn sums_undo_differences(
            row in prop::collection::vec(any::<u8>(), 0..200),
            samples in 1..6_usize,
            power in 0..4_u32,
        ) {
            let bytes = 1 << power;
            let row = &row[..row.len() / (bytes * samples) * bytes * samples];
            let mut stored = match bytes {
                1 => differences::<1>(row, samples),
                2 => differences::<2>(row, samples),
                4 => differences::<4>(row, samples),
                _ => differences::<8>(row, samples),
            };
            undo_horizontal(&mut stored, samples, bytes, 8 * bytes as u32);
            prop_assert_eq!(stored, row);
        }

        #[test]
        fn floating_point_is_undone(
            values in prop::collection::vec(any::<u64>(), 0..40),
            samples in 1..4_usize,
            bytes in prop::sample::select(vec![2_usize, 3, 4, 8]),
        ) {
            let values = &values[..values.len() / samples * samples];
            // As the technical note says it: the bytes of all samples by significance, then
            // differences over the whole row.
            let planes: Vec<u8> = (0..bytes)
                .flat_map(|plane| values.iter().map(move |v| v.to_be_bytes()[8 - bytes + plane]))
                .collect();
            let mut stored = differences::<1>(&planes, samples);
            let mut out = vec![0; stored.len()];
            undo_floating_point(&mut stored, samples, bytes, &mut out);
            let expected: Vec<u8> = values
                .iter()
                .flat_map(|v| {
                    let mut sample = v.to_be_bytes()[8 - bytes..].to_vec();
                    if bytes != 3 && cfg!(target_endian = "little") {
                        sample.reverse();
                    }
                    sample
                })
                .collect();
            prop_assert_eq!(out, expected);
        }
    }
}
