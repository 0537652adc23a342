//! `cargo xtask bundled-mask`: the label mask of the bundled slide, from its pixels.
//!
//! Every step is integer arithmetic on the slide at a quarter of its width and height:
//!
//! 1. the mean of each 4x4 square; its saturation, `255 * (max - min) / max` of R, G, B; the mean
//!    of that over 3x3;
//! 2. tissue is what lies above Otsu's threshold of it;
//! 3. pieces of tissue below [`SMALLEST_PIECE`] pixels go, holes below [`SMALLEST_HOLE`] close;
//! 4. within tissue, the mean of `255 - R` over 15x15 is high where nuclei crowd and keratin is
//!    dense; what lies above Otsu's threshold of it is label 2, the rest label 1;
//! 5. steps like 3 smooth label 2.
//!
//! The result is level 1 of the mask. Level 0 has the size of the slide and repeats it, level 2
//! takes one pixel of each 4x4.

use std::path::{Path, PathBuf};

use crate::fixtures::texture::Texture;
use crate::fixtures::tiff_writer::{Layout, Samples, Size, TiffWriter};
use crate::fixtures::tile_codec;
use crate::workspace;

const TISSUE: u8 = 1;
const DENSE: u8 = 2;

const STEP: usize = 4;
const TILE: usize = 512;
/// 0.499 micrometres a pixel, as the slide says.
const PIXELS_PER_CENTIMETRE: u32 = 20_040;

const SMALLEST_PIECE: usize = 150;
const SMALLEST_HOLE: usize = 150;
const SMALLEST_DENSE: usize = 400;

/// Where the mask lies in the repository.
pub(crate) fn default_path() -> PathBuf {
    workspace::root().join("fixtures/CMU-1-Small-Region_mask.tiff")
}

/// Makes the mask of the bundled slide.
pub(crate) fn run(out: &Path) -> anyhow::Result<()> {
    let slide = Texture::read(&workspace::bundled_slide())?;
    let quarter = labels(&Plane::reduced(&slide));
    for label in 0..=DENSE {
        let count = quarter
            .samples
            .iter()
            .filter(|&&sample| sample == label)
            .count();
        println!(
            "label {label}: {:.1} %",
            100.0 * count as f64 / quarter.samples.len() as f64
        );
    }
    let levels = [
        quarter.sampled(slide.width, slide.height, |at| at / STEP),
        quarter.sampled(quarter.width, quarter.height, |at| at),
        quarter.sampled(
            quarter.width.div_ceil(STEP),
            quarter.height.div_ceil(STEP),
            |at| at * STEP + STEP / 2,
        ),
    ];
    write(out, &levels)?;
    println!("{}", out.display());
    Ok(())
}

/// One number a pixel.
#[derive(Debug)]
struct Plane<T> {
    width: usize,
    height: usize,
    samples: Vec<T>,
}

impl Plane<[u8; 3]> {
    /// The mean of each 4x4 square, or of what there is of it at the edges.
    fn reduced(slide: &Texture) -> Self {
        let (width, height) = (slide.width.div_ceil(STEP), slide.height.div_ceil(STEP));
        let mut samples = Vec::with_capacity(width * height);
        for y in 0..height {
            for x in 0..width {
                let mut sum = [0_u32; 3];
                let mut count = 0;
                for row in y * STEP..(y * STEP + STEP).min(slide.height) {
                    for column in x * STEP..(x * STEP + STEP).min(slide.width) {
                        let at = (row * slide.width + column) * 3;
                        for (sum, &sample) in sum.iter_mut().zip(&slide.pixels[at..at + 3]) {
                            *sum += u32::from(sample);
                        }
                        count += 1;
                    }
                }
                samples.push(sum.map(|sum| ((sum + count / 2) / count) as u8));
            }
        }
        Self {
            width,
            height,
            samples,
        }
    }
}

impl<T: Copy> Plane<T> {
    fn map<U>(&self, of: impl FnMut(T) -> U) -> Plane<U> {
        let samples = self.samples.iter().copied().map(of).collect();
        Plane {
            width: self.width,
            height: self.height,
            samples,
        }
    }

    /// A plane of another size whose pixels are found here by `place`, column and row alike.
    fn sampled(&self, width: usize, height: usize, place: impl Fn(usize) -> usize) -> Self {
        let mut samples = Vec::with_capacity(width * height);
        for y in 0..height {
            for x in 0..width {
                let column = place(x).min(self.width - 1);
                let row = place(y).min(self.height - 1);
                samples.push(self.samples[row * self.width + column]);
            }
        }
        Self {
            width,
            height,
            samples,
        }
    }
}

impl Plane<u8> {
    /// The mean over a square of `2 * reach + 1`, or of what there is of it at the edges.
    fn smoothed(&self, reach: usize) -> Self {
        let mut samples = Vec::with_capacity(self.samples.len());
        for y in 0..self.height {
            let rows = y.saturating_sub(reach)..(y + reach + 1).min(self.height);
            for x in 0..self.width {
                let columns = x.saturating_sub(reach)..(x + reach + 1).min(self.width);
                let count = (rows.len() * columns.len()) as u32;
                let mut sum = 0;
                for row in rows.clone() {
                    let line = &self.samples[row * self.width..][..self.width];
                    sum += line[columns.clone()]
                        .iter()
                        .copied()
                        .map(u32::from)
                        .sum::<u32>();
                }
                samples.push(((sum + count / 2) / count) as u8);
            }
        }
        Self {
            width: self.width,
            height: self.height,
            samples,
        }
    }
}

impl Plane<bool> {
    /// Turns pieces of `value` with fewer than `smallest` pixels into the other value. Pixels are
    /// joined by their sides.
    fn without_small(mut self, value: bool, smallest: usize) -> Self {
        let mut seen = vec![false; self.samples.len()];
        let mut piece = Vec::new();
        for start in 0..self.samples.len() {
            if seen[start] || self.samples[start] != value {
                continue;
            }
            piece.clear();
            piece.push(start);
            seen[start] = true;
            let mut next = 0;
            while let Some(&at) = piece.get(next) {
                next += 1;
                for beside in self.beside(at).into_iter().flatten() {
                    if !seen[beside] && self.samples[beside] == value {
                        seen[beside] = true;
                        piece.push(beside);
                    }
                }
            }
            if piece.len() < smallest {
                for &at in &piece {
                    self.samples[at] = !value;
                }
            }
        }
        self
    }

    fn beside(&self, at: usize) -> [Option<usize>; 4] {
        let (x, y) = (at % self.width, at / self.width);
        [
            (x > 0).then(|| at - 1),
            (x + 1 < self.width).then(|| at + 1),
            (y > 0).then(|| at - self.width),
            (y + 1 < self.height).then(|| at + self.width),
        ]
    }
}

/// The label of each pixel of the reduced slide.
fn labels(slide: &Plane<[u8; 3]>) -> Plane<u8> {
    let saturation = slide.map(saturation).smoothed(1);
    let threshold = otsu(saturation.samples.iter().copied());
    println!("saturation above {threshold} of 255 is tissue");
    let tissue = saturation
        .map(|saturation| saturation > threshold)
        .without_small(true, SMALLEST_PIECE)
        .without_small(false, SMALLEST_HOLE);

    let darkness = slide.map(|[red, _, _]| 255 - red).smoothed(7);
    let within = darkness.samples.iter().zip(&tissue.samples);
    let threshold = otsu(
        within
            .filter(|&(_, &tissue)| tissue)
            .map(|(&darkness, _)| darkness),
    );
    println!("255 - red above {threshold} is dense tissue");
    let dense = darkness
        .map(|darkness| darkness > threshold)
        .without_small(true, SMALLEST_DENSE)
        .without_small(false, SMALLEST_DENSE);

    let samples = tissue
        .samples
        .iter()
        .zip(&dense.samples)
        .map(|pixel| match pixel {
            (false, _) => 0,
            (true, false) => TISSUE,
            (true, true) => DENSE,
        });
    Plane {
        width: slide.width,
        height: slide.height,
        samples: samples.collect(),
    }
}

fn saturation(rgb: [u8; 3]) -> u8 {
    let [red, green, blue] = rgb;
    let most = red.max(green).max(blue);
    let least = red.min(green).min(blue);
    (u32::from(most - least) * 255)
        .checked_div(u32::from(most))
        .unwrap_or(0) as u8
}

/// The threshold that splits the values into the two classes of greatest variance between them
/// (Otsu 1979); the higher class lies strictly above it. The first of equals is taken.
fn otsu(values: impl Iterator<Item = u8>) -> u8 {
    let mut counts = [0_u64; 256];
    for value in values {
        counts[usize::from(value)] += 1;
    }
    let total: u64 = counts.iter().sum();
    let sum: u64 = counts
        .iter()
        .zip(0..)
        .map(|(&count, value)| count * value)
        .sum();
    let (mut below, mut sum_below) = (0, 0);
    let (mut best, mut threshold) = (0, 0);
    for (value, &count) in (0..=u8::MAX).zip(&counts) {
        below += count;
        sum_below += count * u64::from(value);
        let above = total - below;
        if below == 0 || above == 0 {
            continue;
        }
        // below * above * (mean above - mean below)^2, times total^0, in integers: the means differ
        // by (sum * below - sum_below * total) / (below * above).
        let difference = u128::from(sum * below - sum_below * total);
        let between = difference * difference / u128::from(below * above);
        if between > best {
            (best, threshold) = (between, value);
        }
    }
    threshold
}

fn write(out: &Path, levels: &[Plane<u8>]) -> anyhow::Result<()> {
    let sizes = levels.iter().map(|level| {
        Ok(Size {
            width: u32::try_from(level.width)?,
            height: u32::try_from(level.height)?,
        })
    });
    let layout = Layout {
        levels: sizes.collect::<anyhow::Result<_>>()?,
        tile: TILE as u32,
        samples: Samples::LzwGray,
        pixels_per_centimetre: PIXELS_PER_CENTIMETRE,
        description: None,
    };
    let mut writer = TiffWriter::create(out, layout)?;
    for (number, level) in levels.iter().enumerate() {
        for top in (0..level.height).step_by(TILE) {
            for left in (0..level.width).step_by(TILE) {
                writer.push(number, &tile_codec::lzw(&cut(level, left, top))?)?;
            }
        }
    }
    writer.finish()
}

/// A tile of a plane, 0 beyond its edges.
fn cut(plane: &Plane<u8>, left: usize, top: usize) -> Vec<u8> {
    let mut tile = vec![0; TILE * TILE];
    let columns = TILE.min(plane.width - left);
    for (y, row) in tile
        .chunks_exact_mut(TILE)
        .enumerate()
        .take(plane.height - top)
    {
        let from = (top + y) * plane.width + left;
        row[..columns].copy_from_slice(&plane.samples[from..from + columns]);
    }
    tile
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn the_mask_in_the_tree_is_what_the_command_makes() {
        let folder = tempfile::tempdir().unwrap();
        let made = folder.path().join("mask.tiff");
        run(&made).unwrap();
        assert!(fs::read(made).unwrap() == fs::read(default_path()).unwrap());
    }

    #[test]
    fn otsu_splits_two_heaps_between_them() {
        let values = [10, 11, 12, 11, 200, 201, 199];
        assert_eq!(otsu(values.into_iter()), 12);
    }

    #[test]
    fn small_pieces_and_small_holes_go() {
        let plane = Plane {
            width: 4,
            height: 3,
            samples: [1, 0, 0, 1, 0, 0, 1, 1, 0, 0, 1, 1]
                .map(|sample| sample == 1)
                .to_vec(),
        };
        let cleaned = plane.without_small(true, 2).without_small(false, 2);
        let expected = [0, 0, 0, 1, 0, 0, 1, 1, 0, 0, 1, 1].map(|sample| sample == 1);
        assert_eq!(cleaned.samples, expected);
    }
}
