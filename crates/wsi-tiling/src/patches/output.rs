//! What a batch holds: bytes, or normalised numbers.

use wsi_core::{Error, PixelFormat, Result};

use crate::arch;

/// The kind of pixels that a batch holds.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum PatchOutput {
    /// `[N, H, W, C]`, samples of 8 bits as read.
    U8,
    /// `[N, C, H, W]`, numbers: `sample * scale + offset` in 32 bits, where `scale` is
    /// `1 / (255 * std)` and `offset` is `-mean / std` of the sample's channel, each rounded once
    /// from 64 bits: what `(sample / 255 - mean) / std` is but for the last bit.
    Normalized {
        /// One for each channel, of samples between 0 and 1.
        mean: Vec<f64>,
        /// One for each channel.
        std: Vec<f64>,
    },
}

impl PatchOutput {
    /// Normalised with the means and deviations of `ImageNet`'s training pictures, which most
    /// pretrained models expect.
    #[must_use]
    pub fn imagenet() -> Self {
        Self::Normalized {
            mean: vec![0.485, 0.456, 0.406],
            std: vec![0.229, 0.224, 0.225],
        }
    }
}

/// Scale and offset of each channel.
pub(super) struct Normalizer(Vec<(f32, f32)>);

impl Normalizer {
    /// `None` where samples stay bytes.
    ///
    /// # Errors
    /// `InvalidArgument` if there are not as many means and deviations as channels, or a deviation
    /// is 0.
    pub(super) fn new(output: &PatchOutput, format: PixelFormat) -> Result<Option<Self>> {
        let PatchOutput::Normalized { mean, std } = output else {
            return Ok(None);
        };
        let channels = usize::from(format.channels.count());
        if mean.len() != channels || std.len() != channels {
            return Err(Error::invalid(format!(
                "{} means and {} deviations for patches of {channels} channels",
                mean.len(),
                std.len()
            )));
        }
        let of = |(mean, std): (&f64, &f64)| {
            #[expect(clippy::cast_possible_truncation, reason = "rounded once, as promised")]
            let factors = ((1.0 / (255.0 * std)) as f32, (-mean / std) as f32);
            factors
        };
        let factors: Vec<(f32, f32)> = mean.iter().zip(std).map(of).collect();
        match factors.iter().all(|(a, b)| a.is_finite() && b.is_finite()) {
            true => Ok(Some(Self(factors))),
            false => Err(Error::invalid("a deviation of 0")),
        }
    }

    /// One patch: pixels, channel after channel.
    pub(super) fn convert(&self, pixels: &[u8], out: &mut [f32]) {
        let area = pixels.len() / self.0.len();
        for (channel, (out, &(scale, offset))) in
            out.chunks_exact_mut(area).zip(&self.0).enumerate()
        {
            arch::normalize(pixels, self.0.len(), channel, scale, offset, out);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_those_of_the_formula() {
        let output = PatchOutput::imagenet();
        let normalizer = Normalizer::new(&output, PixelFormat::RGB8)
            .unwrap()
            .unwrap();
        let pixels: Vec<u8> = (0..=255).flat_map(|v| [v, 255 - v, v / 2]).collect();
        let mut out = vec![0.0; pixels.len()];
        normalizer.convert(&pixels, &mut out);
        for (index, &sample) in pixels.iter().enumerate() {
            let (mean, std) = [(0.485, 0.229), (0.456, 0.224), (0.406, 0.225)][index % 3];
            let exact = (f64::from(sample) / 255.0 - mean) / std;
            let found = f64::from(out[index % 3 * 256 + index / 3]);
            assert!(
                (found - exact).abs() < 1e-6,
                "{sample}: {found} and {exact}"
            );
        }
    }

    #[test]
    fn outputs_that_do_not_fit_are_refused() {
        let three = PatchOutput::imagenet();
        assert!(Normalizer::new(&three, PixelFormat::GRAY8).is_err());
        let zero = PatchOutput::Normalized {
            mean: vec![0.5],
            std: vec![0.0],
        };
        assert!(Normalizer::new(&zero, PixelFormat::GRAY8).is_err());
        assert!(
            Normalizer::new(&PatchOutput::U8, PixelFormat::GRAY8)
                .unwrap()
                .is_none()
        );
    }
}
