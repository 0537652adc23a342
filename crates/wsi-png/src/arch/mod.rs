//! The two loops that take the time, for the processor at hand: looking for runs, writing codes.
//!
//! This is the one place of the crate with `unsafe`. What the loops give does not depend on the
//! processor: their plain versions, in [`crate::runs`] and [`crate::deflate`], are the oracle.

#![allow(unsafe_code, reason = "calls that need a processor's features, vector loads")]

#[cfg(target_arch = "x86_64")]
mod avx512;

use crate::bits::Bits;
use crate::deflate::{self, Codes};
use crate::runs::{self, Counts, Piece};

/// Which versions of the loops this machine can run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Kernels(Set);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Set {
    Plain,
    #[cfg(target_arch = "x86_64")]
    Avx512,
}

impl Kernels {
    /// The portable ones.
    pub(crate) const PLAIN: Self = Self(Set::Plain);

    /// The fastest.
    pub(crate) fn detect() -> Self {
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512vbmi")
            && is_x86_feature_detected!("bmi2")
        {
            return Self(Set::Avx512);
        }
        Self::PLAIN
    }

    /// See [`runs::find`].
    pub(crate) fn find(self, data: &[u8], pieces: &mut Vec<Piece>) -> Counts {
        match self.0 {
            Set::Plain => runs::find(data, pieces, |_, at| at),
            // SAFETY: `detect` alone makes this set, and has seen the features.
            #[cfg(target_arch = "x86_64")]
            Set::Avx512 => unsafe { avx512::find(data, pieces) },
        }
    }

    /// See [`deflate::write_pieces`].
    pub(crate) fn write(self, data: &[u8], pieces: &[Piece], codes: &Codes, out: &mut Bits<'_>) {
        match self.0 {
            Set::Plain => deflate::write_pieces(data, pieces, codes, out, deflate::literals),
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Set::Avx512 => unsafe { avx512::write(data, pieces, codes, out) },
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn deflated(data: &[u8], kernels: Kernels) -> (Vec<u8>, Vec<Piece>) {
        let (mut out, mut pieces) = (vec![7; 3], Vec::new());
        deflate::append(data, true, &mut out, &mut pieces, kernels);
        (out, pieces)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(500))]

        /// Noise of so many bits, between runs.
        #[test]
        fn all_kernels_give_the_same(
            parts in prop::collection::vec((0..9_u32, any::<u32>(), 1..700_usize), 1..40),
        ) {
            let data: Vec<u8> = parts
                .iter()
                .flat_map(|&(bits, seed, length)| {
                    let mut state = seed | 1;
                    std::iter::repeat_with(move || {
                        state = state.wrapping_mul(747_796_405).wrapping_add(2_891_336_453);
                        (state >> 9).to_le_bytes()[1] & (0xFF_u8.checked_shr(8 - bits).unwrap_or(0))
                    })
                    .take(length)
                })
                .collect();
            let best = deflated(&data, Kernels::detect());
            prop_assert_eq!(best, deflated(&data, Kernels::PLAIN));
        }
    }

    /// The longest codes, of twelve bits, in every place.
    #[test]
    fn steep_counts_give_the_same() {
        let mut data = Vec::new();
        for (symbol, times) in (0_u8..=255).zip((0..16).flat_map(|_| 0..16)) {
            for repeat in 0..1_usize << times {
                data.push(symbol);
                if repeat % 3 > 0 {
                    data.push(symbol ^ 0x55);
                }
            }
        }
        for start in 0..70 {
            let data = &data[start..];
            assert_eq!(
                deflated(data, Kernels::detect()),
                deflated(data, Kernels::PLAIN)
            );
        }
    }
}
