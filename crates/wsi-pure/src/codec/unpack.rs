//! Samples of any width to samples of whole bytes in the machine's order.
//!
//! Samples of 8, 16, 32 and 64 bits are in the file's byte order. All other widths are a stream of
//! bits from the most significant one of each byte on, whatever the file's byte order: TIFF 6.0
//! (`FillOrder`) puts it so for less than 8 bits, and tifffile reads the other widths so too (24 bits
//! of little-endian files among them, as image-tiff writes them). Floats of 24 bits are the
//! exception: three bytes in the file's order (Adobe's TIFF Technical Note 3).

use super::predictor::store;

/// Swaps the bytes of each sample of `bytes` bytes.
pub(super) fn swap_bytes(row: &mut [u8], bytes: usize) {
    match bytes {
        2 => reverse_each::<2>(row),
        4 => reverse_each::<4>(row),
        8 => reverse_each::<8>(row),
        _ => {}
    }
}

fn reverse_each<const N: usize>(row: &mut [u8]) {
    for sample in row.as_chunks_mut::<N>().0 {
        sample.reverse();
    }
}

/// Unpacks integers of `bits` bits (1 to 64) into samples of `bytes` bytes, as many as fit in `out`.
/// Samples that `packed` lacks are 0.
pub(super) fn integers(packed: &[u8], bits: u32, signed: bool, bytes: usize, out: &mut [u8]) {
    match (bits, signed) {
        (1, false) => within_a_byte::<8>(packed, out),
        (2, false) => within_a_byte::<4>(packed, out),
        (4, false) => within_a_byte::<2>(packed, out),
        _ => match bytes {
            1 => stream::<1>(packed, bits, signed, out),
            2 => stream::<2>(packed, bits, signed, out),
            4 => stream::<4>(packed, bits, signed, out),
            _ => stream::<8>(packed, bits, signed, out),
        },
    }
}

/// `N` samples in each byte, the first in its most significant bits.
fn within_a_byte<const N: usize>(packed: &[u8], out: &mut [u8]) {
    let bits = 8 / N;
    let mask = u8::MAX >> (8 - bits);
    let place = |index: usize| 8 - bits * (index + 1);
    let (whole, rest) = out.as_chunks_mut::<N>();
    for (samples, &byte) in whole.iter_mut().zip(packed) {
        for (index, sample) in samples.iter_mut().enumerate() {
            *sample = byte >> place(index) & mask;
        }
    }
    if let Some(&byte) = packed.get(whole.len()) {
        for (index, sample) in rest.iter_mut().enumerate() {
            *sample = byte >> place(index) & mask;
        }
    }
}

/// Samples that lie across bytes, to `B` bytes each.
fn stream<const B: usize>(packed: &[u8], bits: u32, signed: bool, out: &mut [u8]) {
    let bits = bits.clamp(1, 64);
    let mut bytes = packed.iter();
    let (mut window, mut count) = (0_u128, 0_u32);
    for sample in out.as_chunks_mut::<B>().0 {
        while count < bits {
            window = window << 8 | u128::from(bytes.next().copied().unwrap_or(0));
            count += 8;
        }
        count -= bits;
        // The wanted bits to the top of 64, then down again, with their sign or without.
        #[expect(
            clippy::cast_possible_truncation,
            reason = "older bits are shifted out on purpose"
        )]
        let top = ((window >> count) as u64) << (64 - bits);
        #[expect(
            clippy::cast_possible_wrap,
            clippy::cast_sign_loss,
            reason = "the shift of a signed number extends the sign"
        )]
        let value = match signed {
            true => ((top as i64) >> (64 - bits)) as u64,
            false => top >> (64 - bits),
        };
        store(sample, value);
    }
}

/// Floats of 24 bits, most significant byte first, to single precision: 1 bit of sign, 7 of exponent
/// (bias 63), 16 of mantissa.
pub(super) fn float24(packed: &[u8], out: &mut [u8]) {
    for (&[high, middle, low], sample) in packed
        .as_chunks::<3>()
        .0
        .iter()
        .zip(out.as_chunks_mut::<4>().0)
    {
        *sample = wider(u32::from_be_bytes([0, high, middle, low])).to_ne_bytes();
    }
}

/// The bits of a 24-bit float as those of single precision. Every value has one; payloads of NaN are
/// not kept.
fn wider(bits: u32) -> u32 {
    const QUIET_NAN: u32 = 0x7FC0_0000;
    let sign = (bits & 0x80_0000) << 8;
    let exponent = bits >> 16 & 0x7F;
    let mantissa = bits & 0xFFFF;
    let magnitude = match (exponent, mantissa) {
        (0, 0) => 0,
        (0, _) => {
            // Below the smallest normal number: mantissa * 2^-78.
            let shift = mantissa.leading_zeros() - 15;
            let mantissa = mantissa << shift & 0xFFFF;
            (127 - 62 - shift) << 23 | mantissa << 7
        }
        (0x7F, 0) => 0xFF << 23,
        (0x7F, _) => return QUIET_NAN | sign,
        _ => (exponent + 127 - 63) << 23 | mantissa << 7,
    };
    sign | magnitude
}

#[cfg(test)]
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "small test data")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_first_sample_is_in_the_most_significant_bits() {
        let mut out = [0; 11];
        integers(&[0b1010_0110, 0b1100_0000], 1, false, 1, &mut out);
        assert_eq!(out, [1, 0, 1, 0, 0, 1, 1, 0, 1, 1, 0]);
        let mut out = [0; 4];
        integers(&[0x12, 0x3F, 0xF0], 12, true, 2, &mut out);
        assert_eq!(
            out,
            *[0x123_i16.to_ne_bytes(), (-16_i16).to_ne_bytes()].concat()
        );
    }

    /// Values from the definition: (-1)^s * 2^(e-63) * (1 + m/65536).
    #[test]
    fn floats_of_24_bits_keep_their_value() {
        let cases = [
            (0x3F_0000, 1.0),
            (0xBF_8000, -1.5),
            (0x00_0000, 0.0),
            (0x00_8000, 2.0_f32.powi(-63)),
            (0x00_0001, 2.0_f32.powi(-78)),
            (0x00_0003, 3.0 * 2.0_f32.powi(-78)),
            (0x01_0000, 2.0_f32.powi(-62)),
            (0x7E_FFFF, 2.0_f32.powi(63) * (2.0 - 2.0_f32.powi(-16))),
            (0x7F_0000, f32::INFINITY),
            (0xFF_0000, f32::NEG_INFINITY),
        ];
        for (bits, value) in cases {
            assert_eq!(f32::from_bits(wider(bits)), value, "{bits:06X}");
        }
        assert!(f32::from_bits(wider(0x7F_1234)).is_nan());
    }

    proptest! {
        #[test]
        fn bits_are_unpacked_as_text_would_be(
            packed in prop::collection::vec(any::<u8>(), 0..80),
            bits in 1..=64_u32,
            signed in any::<bool>(),
        ) {
            let bytes = match bits { 1..=8 => 1, 9..=16 => 2, 17..=32 => 4, _ => 8 };
            let text: String = packed.iter().map(|byte| format!("{byte:08b}")).collect();
            let expected: Vec<u8> = text
                .as_bytes()
                .chunks_exact(bits as usize)
                .flat_map(|digits| {
                    let digits = std::str::from_utf8(digits).unwrap();
                    let value = i128::from_str_radix(digits, 2).unwrap();
                    let negative = signed && digits.starts_with('1');
                    let value = if negative { value - (1_i128 << bits) } else { value };
                    match bytes {
                        1 => (value as u8).to_ne_bytes().to_vec(),
                        2 => (value as u16).to_ne_bytes().to_vec(),
                        4 => (value as u32).to_ne_bytes().to_vec(),
                        _ => (value as u64).to_ne_bytes().to_vec(),
                    }
                })
                .collect();
            let mut out = vec![0; expected.len()];
            integers(&packed, bits, signed, bytes, &mut out);
            prop_assert_eq!(out, expected);
        }
    }
}
