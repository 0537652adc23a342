//! Pixels as OpenSlide 4.0.1 paints them: cairo's operator SATURATE, pixman's arithmetic, to the byte.
//!
//! OpenSlide paints stored tiles onto a transparent picture of 8-bit samples multiplied with alpha:
//! tiles of the bottom row first, within a row the rightmost first (`read_tiles`). What is painted
//! is sampled in single precision and rounded to 8 bits, tile after tile. Two reads paint so: of
//! regions that start between pixels ([`between`]), and of tiles drawn from a finer level
//! ([`scaled`]).

pub(crate) mod between;
pub(crate) mod scaled;

/// Steps of a pixel in which pixman places a picture.
const STEPS: f64 = 65536.0;

/// Paints a sample of each channel over a pixel: SATURATE adds as much as the alpha that is there
/// leaves room for (pixman's `combine_saturate_u_float`).
fn saturate(pixel: &mut [u8; 4], painted: [f32; 4]) {
    let room = 1.0 - to_unit(pixel[3]);
    let factor = match painted[3] < f32::MIN_POSITIVE {
        true => 1.0,
        false => (room / painted[3]).clamp(0.0, 1.0),
    };
    for (sample, painted) in pixel.iter_mut().zip(painted) {
        *sample = to_byte(painted * factor + to_unit(*sample));
    }
}

/// pixman's `unorm_to_float`.
#[inline(always)]
fn to_unit(sample: u8) -> f32 {
    f32::from(sample) * (1.0 / 255.0)
}

/// pixman's `float_to_unorm`: 256 steps of which the last is a point, rounded down.
///
/// `value` is at least 0. A cast, as it has to think of all numbers, would keep compilers from taking
/// many samples at once. So the fraction is first rounded away, as it does not fit behind 2²³, and 1 is
/// taken off where that went up.
#[inline(always)]
#[expect(
    clippy::cast_sign_loss,
    clippy::cast_possible_truncation,
    reason = "0 to 256, brought to 255"
)]
#[expect(clippy::cast_possible_wrap, clippy::cast_precision_loss, reason = "9 bits")]
fn to_byte(value: f32) -> u8 {
    const NO_FRACTION: f32 = 8_388_608.0;
    let value = value.min(1.0) * 256.0;
    let nearest = ((value + NO_FRACTION).to_bits() & 0x1FF) as i32;
    let steps = nearest.wrapping_sub(i32::from(nearest as f32 > value));
    steps.wrapping_sub(steps >> 8) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_rounded_down() {
        for step in 0..=256_u16 {
            let exact = f32::from(step) / 256.0;
            let below = f32::from_bits(exact.to_bits().saturating_sub(1));
            let expected = |step: u16| u8::try_from(step - (step >> 8)).unwrap();
            assert_eq!(to_byte(exact), expected(step));
            assert_eq!(to_byte(below), expected(step.saturating_sub(1)));
        }
        assert_eq!(to_byte(1.000_000_1), 255);
    }

    #[test]
    fn what_is_full_takes_no_more() {
        let mut pixel = [10, 20, 30, 255];
        saturate(&mut pixel, [1.0; 4]);
        assert_eq!(pixel, [10, 20, 30, 255]);
        saturate(&mut pixel, [0.0; 4]);
        assert_eq!(pixel, [10, 20, 30, 255]);
        let mut pixel = [0; 4];
        saturate(&mut pixel, [0.5, 0.25, 0.0, 0.5]);
        assert_eq!(pixel, [128, 64, 0, 128]);
    }
}
