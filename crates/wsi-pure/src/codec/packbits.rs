//! PackBits (TIFF 6.0 section 9): runs and literals of bytes.

use wsi_core::Result;

use super::ends_early;

/// Decodes exactly `out.len()` bytes. A run or a literal that is longer than what is wanted is cut.
///
/// # Errors
/// `Corrupt` if the data ends early.
pub(super) fn decode(stored: &[u8], out: &mut [u8]) -> Result<()> {
    let wanted = out.len();
    let (mut rest, mut target) = (stored, out);
    while !target.is_empty() {
        let missing = || ends_early("PackBits", wanted - target.len(), wanted);
        let (&control, after) = rest.split_first().ok_or_else(missing)?;
        let step;
        (rest, step) = match control {
            literal @ 0..=127 => {
                let length = (usize::from(literal) + 1).min(target.len());
                let bytes = after.get(..length).ok_or_else(missing)?;
                target[..length].copy_from_slice(bytes);
                (&after[length..], length)
            }
            128 => (after, 0),
            run => {
                let length = (257 - usize::from(run)).min(target.len());
                let (&byte, after) = after.split_first().ok_or_else(missing)?;
                target[..length].fill(byte);
                (after, length)
            }
        };
        target = &mut target[step..];
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "small test data")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The example of Apple's technical note 1023, which TIFF 6.0 section 9 takes PackBits from.
    #[test]
    fn the_example_of_the_technical_note_is_decoded() {
        let stored = [
            0xFE, 0xAA, 0x02, 0x80, 0x00, 0x2A, 0xFD, 0xAA, 0x03, 0x80, 0x00, 0x2A, 0x22, 0xF7,
            0xAA,
        ];
        let expected = [
            0xAA, 0xAA, 0xAA, 0x80, 0x00, 0x2A, 0xAA, 0xAA, 0xAA, 0xAA, 0x80, 0x00, 0x2A, 0x22,
            0xAA, 0xAA, 0xAA, 0xAA, 0xAA, 0xAA, 0xAA, 0xAA, 0xAA, 0xAA,
        ];
        let mut out = [0; 24];
        decode(&stored, &mut out).unwrap();
        assert_eq!(out, expected);
    }

    #[test]
    fn data_that_ends_early_is_an_error() {
        for stored in [&[][..], &[0x81], &[5, 1, 2], &[0x80, 0x80], &[0xFF, 7]] {
            let error = decode(stored, &mut [0; 3]).unwrap_err();
            assert!(error.message().starts_with("PackBits data ends after"));
        }
    }

    proptest! {
        #[test]
        fn literals_and_runs_are_decoded(
            parts in prop::collection::vec((any::<bool>(), any::<u8>(), 2..=128_u8), 0..20),
        ) {
            let (mut stored, mut expected) = (Vec::new(), Vec::new());
            for (run, byte, length) in parts {
                if run {
                    stored.extend([(257 - u16::from(length)) as u8, byte, 128]);
                    expected.extend(vec![byte; length.into()]);
                } else {
                    let bytes = (0..length).map(|i| byte.wrapping_mul(i));
                    stored.push(length - 1);
                    stored.extend(bytes.clone());
                    expected.extend(bytes);
                }
            }
            let mut out = vec![0; expected.len()];
            decode(&stored, &mut out).unwrap();
            prop_assert_eq!(out, expected);
        }
    }
}
