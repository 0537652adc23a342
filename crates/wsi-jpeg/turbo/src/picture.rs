//! Pictures to encode: flat, gradients, noise, stripes, and something like stained tissue.

use crate::random::Random;

/// What a picture shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// One colour.
    Flat,
    /// Colour changing evenly.
    Gradient,
    /// Every sample for itself, over the full range.
    Noise,
    /// Hard edges between black and white, which ring in a coarse quantiser.
    Stripes,
    /// Dark blobs on a pale ground, and some noise.
    Tissue,
}

impl Subject {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Flat,
        Self::Gradient,
        Self::Noise,
        Self::Stripes,
        Self::Tissue,
    ];

    /// Paints interleaved samples, rows top down.
    #[must_use]
    pub fn paint(self, width: usize, height: usize, channels: usize, seed: u64) -> Vec<u8> {
        let mut random = Random::new(seed);
        let mut samples = Vec::with_capacity(width * height * channels);
        match self {
            Self::Flat => {
                let color: Vec<u8> = (0..channels).map(|_| random.bits() as u8).collect();
                for _ in 0..width * height {
                    samples.extend_from_slice(&color);
                }
            }
            Self::Gradient => {
                let slopes: Vec<[usize; 3]> = (0..channels)
                    .map(|_| [random.below(256), random.below(5), random.below(5)])
                    .collect();
                for y in 0..height {
                    for x in 0..width {
                        for [start, across, down] in &slopes {
                            // A triangle wave, so that there is no edge where it turns.
                            let value = (start + x * across + y * down) % 512;
                            samples.push(value.min(511 - value) as u8);
                        }
                    }
                }
            }
            Self::Noise => {
                samples.extend((0..width * height * channels).map(|_| random.bits() as u8));
            }
            Self::Stripes => {
                let (across, down) = (random.between(1, 20), random.between(1, 20));
                for y in 0..height {
                    for x in 0..width {
                        let dark = (x / across + y / down) % 2 == 0;
                        for channel in 0..channels {
                            samples.push(if dark == (channel % 2 == 0) { 0 } else { 255 });
                        }
                    }
                }
            }
            Self::Tissue => tissue(width, height, channels, &mut random, &mut samples),
        }
        samples
    }
}

fn tissue(
    width: usize,
    height: usize,
    channels: usize,
    random: &mut Random,
    samples: &mut Vec<u8>,
) {
    const GROUND: [i64; 4] = [238, 225, 235, 20];
    const STAIN: [i64; 4] = [110, 60, 140, 200];
    let count = width * height / 600 + 1;
    let blobs: Vec<[i64; 3]> = (0..count.min(300))
        .map(|_| {
            let radius = random.between(3, 14) as i64;
            [
                random.below(width) as i64,
                random.below(height) as i64,
                radius * radius,
            ]
        })
        .collect();
    let noise = random.between(1, 24);
    for y in 0..height as i64 {
        // Blobs that reach this row.
        let near: Vec<[i64; 3]> = blobs
            .iter()
            .filter(|[_, cy, r2]| (y - cy) * (y - cy) < *r2)
            .copied()
            .collect();
        for x in 0..width as i64 {
            let dark = near
                .iter()
                .map(|[cx, cy, r2]| {
                    let d2 = (x - cx) * (x - cx) + (y - cy) * (y - cy);
                    (256 * (r2 - d2) / r2).max(0)
                })
                .max()
                .unwrap_or(0);
            for channel in 0..channels {
                let (ground, stain) = (GROUND[channel % 4], STAIN[channel % 4]);
                let grain = random.below(noise) as i64 - noise as i64 / 2;
                let value = ground + (stain - ground) * dark / 256 + grain;
                samples.push(value.clamp(0, 255) as u8);
            }
        }
    }
}
