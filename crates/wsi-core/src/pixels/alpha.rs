//! Colour that is multiplied with its alpha, as OpenSlide returns it, to straight colour.

/// A sample without the alpha that it was multiplied with: `255 * sample / alpha` rounded down, at
/// most 255, and 0 where alpha is 0 (openslide-python, `_convert.c`).
///
/// ```
/// # use wsi_core::pixels::straight;
/// assert_eq!(straight(50, 100), 127);
/// assert_eq!(straight(50, 255), 50);
/// assert_eq!(straight(0, 0), 0);
/// ```
#[must_use]
#[expect(clippy::cast_possible_truncation, reason = "at most 255")]
pub const fn straight(sample: u8, alpha: u8) -> u8 {
    match (sample as u32 * 255).checked_div(alpha as u32) {
        Some(value) if value > 255 => 255,
        Some(value) => value as u8,
        None => 0,
    }
}

/// A sample that was multiplied with its alpha, laid over a background:
/// `sample + background * (255 - alpha) / 255`, the product rounded to the nearest, at most 255.
///
/// ```
/// # use wsi_core::pixels::over;
/// assert_eq!(over(50, 255, 200), 50);
/// assert_eq!(over(50, 128, 255), 177);
/// assert_eq!(over(0, 0, 200), 200);
/// ```
#[must_use]
#[expect(clippy::cast_possible_truncation, reason = "at most 255")]
pub const fn over(sample: u8, alpha: u8, background: u8) -> u8 {
    let behind = (background as u32 * (255 - alpha as u32) + 127) / 255;
    sample.saturating_add(behind as u8)
}
