//! Pixel formats, borrowed and owned pictures, and what fills the space outside of a slide.
//!
//! A picture in memory is rows of pixels, top down; a pixel is its samples side by side; a sample
//! is in the machine's own byte order. Rows may lie further apart than they are long:
//!
//! ```text
//! data: |-- row 0: width x bytes per pixel --|..padding..|-- row 1 --|..padding..|-- row 2 --|
//!       |<-------------- stride ----------------------->|
//! ```

mod alpha;
mod format;
mod image;
mod runs;
mod view;

pub use alpha::{FromPremultiplied, over, straight};
pub use format::{Channels, PixelFormat, SampleType};
pub use image::{Image, Sample};
pub use runs::{Run, Runs};
pub use view::PixelsMut;

/// What a read puts where the slide has no pixels: outside of the level, or in a tile that the
/// file leaves out. A tile that cannot be decoded is an error, never a fill.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Fill {
    /// Transparent for RGBA, white for RGB, 0 for everything else (labels above all).
    #[default]
    Default,
    /// Red, green, blue, alpha, 0..=255. Gray formats take the first; samples of more than 8 bits
    /// are scaled to their full range (floats to 0..=1).
    Color([u8; 4]),
}

impl Fill {
    /// The bytes of one pixel of `format`.
    #[must_use]
    pub fn pixel(self, format: PixelFormat) -> Vec<u8> {
        let color = match (self, format.channels) {
            (Self::Color(color), _) => color,
            (Self::Default, Channels::Rgb) => [255; 4],
            (Self::Default, _) => [0; 4],
        };
        (0..usize::from(format.channels.count()))
            .flat_map(|channel| {
                let value = match format.channels {
                    Channels::GrayAlpha if channel == 1 => color[3],
                    _ => color.get(channel).copied().unwrap_or(0),
                };
                format.sample.scale_u8(value)
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn default_fill_is_white_transparent_or_zero() {
        assert_eq!(Fill::Default.pixel(PixelFormat::RGB8), [255; 3]);
        assert_eq!(Fill::Default.pixel(PixelFormat::RGBA8), [0; 4]);
        assert_eq!(Fill::Default.pixel(PixelFormat::GRAY8), [0]);
        assert_eq!(Fill::Default.pixel(PixelFormat::RGB16), [255; 6]);
    }

    #[test]
    fn colour_fill_is_scaled_to_the_samples() {
        let fill = Fill::Color([1, 2, 255, 0]);
        assert_eq!(fill.pixel(PixelFormat::RGB8), [1, 2, 255]);
        let wide: Vec<u8> = [257_u16, 514, 65535]
            .iter()
            .flat_map(|v| v.to_ne_bytes())
            .collect();
        assert_eq!(fill.pixel(PixelFormat::RGB16), wide);
        assert_eq!(
            Fill::Color([255; 4]).pixel(PixelFormat::GRAY_F32),
            1.0_f32.to_ne_bytes()
        );
    }
}
