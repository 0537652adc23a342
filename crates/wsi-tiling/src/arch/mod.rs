//! What depends on the machine: loops for its processor; and memory that several threads fill.
//!
//! Each loop is a scalar one in [`loops`], written so that compilers make vectors of it, compiled once
//! for every processor and again for those with wide vectors. The versions differ in the
//! instructions that the compiler may use and in nothing else, so each is the other's twin. This is
//! the one place of the crate with `unsafe`.

#![allow(unsafe_code, reason = "calls that need a processor's features, disjoint parts of memory")]

mod canvas;
mod loops;

pub(crate) use canvas::{Canvas, Part};

/// Defines a function that runs a loop of [`loops`] with the widest vectors of this machine.
macro_rules! widest {
    ($(#[$doc:meta])* $name:ident($($argument:ident: $kind:ty),*) $(-> $result:ty)?) => {
        $(#[$doc])*
        pub(crate) fn $name($($argument: $kind),*) $(-> $result)? {
            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vbmi")]
                fn with_avx512($($argument: $kind),*) $(-> $result)? {
                    loops::$name($($argument),*)
                }
                #[target_feature(enable = "avx2")]
                fn with_avx2($($argument: $kind),*) $(-> $result)? {
                    loops::$name($($argument),*)
                }
                if is_x86_feature_detected!("avx512f")
                    && is_x86_feature_detected!("avx512bw")
                    && is_x86_feature_detected!("avx512vl")
                    && is_x86_feature_detected!("avx512vbmi")
                {
                    // SAFETY: the four features have just been seen.
                    return unsafe { with_avx512($($argument),*) };
                }
                if is_x86_feature_detected!("avx2") {
                    // SAFETY: the feature has just been seen.
                    return unsafe { with_avx2($($argument),*) };
                }
            }
            loops::$name($($argument),*)
        }
    };
}

widest! {
    /// How many bytes are not 0.
    count_above_zero(bytes: &[u8]) -> u64
}

widest! {
    /// The first byte of every three of `from`, as many as `to` holds.
    first_of_three(from: &[u8], to: &mut [u8])
}

widest! {
    /// Appends the column behind each run of equal bytes of a row, which has fewer than 2³² bytes.
    ends_of_runs(row: &[u8], ends: &mut Vec<u32>)
}

widest! {
    /// Channel `channel` of pixels of `channels` bytes, as `sample * scale + offset`.
    normalize(
        pixels: &[u8],
        channels: usize,
        channel: usize,
        scale: f32,
        offset: f32,
        to: &mut [f32]
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(length: u32) -> Vec<u8> {
        let hash = |i: u32| i.wrapping_mul(2_654_435_761) >> 24;
        (0..length)
            .map(|i| u8::try_from(hash(i)).unwrap_or(0) & 3)
            .collect()
    }

    #[test]
    fn counts_are_those_of_a_plain_loop() {
        for length in (0..600).chain([8159, 8160, 8161, 70_000]) {
            let bytes = bytes(length);
            let plain = bytes.iter().filter(|&&byte| byte != 0).count() as u64;
            assert_eq!(count_above_zero(&bytes), plain, "{length}");
            assert_eq!(loops::count_above_zero(&bytes), plain, "{length}");
        }
        assert_eq!(count_above_zero(&[255; 1000]), 1000);
    }

    #[test]
    fn runs_end_where_bytes_change() {
        for length in (0..300).chain([4000]) {
            for every in [1, 2, 7, 64, 5000] {
                let row: Vec<u8> = (0..length)
                    .map(|i: u32| u8::try_from(i / every % 256).unwrap_or(0))
                    .collect();
                let mut plain: Vec<u32> = (1..length).filter(|i| i % every == 0).collect();
                plain.extend((length > 0).then_some(length));
                let (mut found, mut twin) = (Vec::new(), Vec::new());
                ends_of_runs(&row, &mut found);
                loops::ends_of_runs(&row, &mut twin);
                assert_eq!(found, plain, "{length} {every}");
                assert_eq!(twin, plain, "{length} {every}");
            }
        }
    }

    #[test]
    fn channels_are_normalised_one_by_one() {
        for channels in [1, 3, 4] {
            let pixels = bytes(channels * 77);
            for channel in 0..channels as usize {
                let mut found = [0.0; 77];
                normalize(&pixels, channels as usize, channel, 0.1, -0.25, &mut found);
                let samples = pixels.iter().skip(channel).step_by(channels as usize);
                let plain: Vec<f32> = samples.map(|&v| f32::from(v) * 0.1 + -0.25).collect();
                assert_eq!(found[..], plain[..], "{channels}");
            }
        }
    }

    #[test]
    fn every_third_byte_is_taken() {
        for length in (0..300).chain([1000, 4097]) {
            let from = bytes(3 * length);
            let plain: Vec<u8> = from.iter().copied().step_by(3).collect();
            let mut taken = vec![9; length as usize + 5];
            first_of_three(&from, &mut taken);
            assert_eq!(taken[..length as usize], plain, "{length}");
            assert_eq!(taken[length as usize..], [9; 5], "{length}");
        }
    }
}
