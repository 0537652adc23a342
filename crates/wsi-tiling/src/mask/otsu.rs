//! Otsu's threshold: N. Otsu, "A threshold selection method from gray-level histograms", IEEE
//! Trans. Syst. Man Cybern. 9(1), 1979.

use wsi_core::{Image, PixelFormat, Result, Size, Slide};

/// Labels 1 where the picture is at most as bright as `threshold`, 0 elsewhere.
pub(super) struct Tissue {
    pub(super) threshold: u8,
    pub(super) labels: Image,
}

pub(super) fn find(slide: &Slide) -> Result<Tissue> {
    let picture = read(slide)?;
    let gray: Vec<u8> = picture.as_bytes().chunks_exact(3).map(gray).collect();
    let mut histogram = [0_u64; 256];
    for &level in &gray {
        histogram[usize::from(level)] += 1;
    }
    let threshold = threshold(&histogram);
    let labels = gray
        .into_iter()
        .map(|level| u8::from(threshold.is_some_and(|threshold| level <= threshold)))
        .collect();
    Ok(Tissue {
        threshold: threshold.unwrap_or(0),
        labels: Image::from_bytes(picture.size(), PixelFormat::GRAY8, labels)?,
    })
}

fn read(slide: &Slide) -> Result<Image> {
    let longer = |size: Size| size.width.max(size.height);
    let levels = slide.pyramid().levels();
    let level = levels
        .iter()
        .rposition(|level| longer(level.size) >= SMALLEST)
        .unwrap_or(0);
    match levels.get(level) {
        Some(level) if longer(level.size) > LARGEST => slide.thumbnail((LARGEST, LARGEST)),
        _ => slide.read_level(level, PixelFormat::RGB8),
    }
}

/// Luma of ITU-R BT.601, in integers.
fn gray(pixel: &[u8]) -> u8 {
    let sum: u32 = pixel
        .iter()
        .zip([299, 587, 114])
        .map(|(&sample, weight)| u32::from(sample) * weight)
        .sum();
    u8::try_from((sum + 500) / 1000).unwrap_or(u8::MAX)
}

/// The gray level that parts the histogram into two classes of the largest variance between them
/// (the lowest such level), counting it to the darker one. `None` if there is one level only.
#[expect(clippy::cast_precision_loss, reason = "pictures have fewer than 2^53 pixels")]
fn threshold(histogram: &[u64; 256]) -> Option<u8> {
    let total: u64 = histogram.iter().sum();
    let moment: u64 = (0_u64..)
        .zip(histogram)
        .map(|(level, &count)| level * count)
        .sum();
    let (mut count, mut sum) = (0_u64, 0_u64);
    let mut best: Option<(u8, f64)> = None;
    for (level, &here) in (0_u8..=255).zip(histogram) {
        count += here;
        sum += u64::from(level) * here;
        if count == 0 || count == total {
            continue;
        }
        let (dark, bright) = (count as f64, (total - count) as f64);
        let difference = sum as f64 / dark - (moment - sum) as f64 / bright;
        let variance = dark * bright * difference * difference;
        if best.is_none_or(|(_, highest)| variance > highest) {
            best = Some((level, variance));
        }
    }
    best.map(|(level, _)| level)
}

/// Longer side of the smallest level that shows tissue well enough, in pixels.
const SMALLEST: u32 = 1024;

/// Longer side of the largest picture that is read whole, in pixels.
const LARGEST: u32 = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_hills_are_parted_between_them() {
        let mut histogram = [0; 256];
        for (level, count) in [(40, 10), (50, 30), (60, 10), (230, 100), (240, 300)] {
            histogram[level] = count;
        }
        let found = threshold(&histogram).unwrap();
        assert!((60..230).contains(&found), "{found}");
    }

    #[test]
    fn one_gray_everywhere_has_no_threshold() {
        let mut histogram = [0; 256];
        histogram[255] = 1000;
        assert_eq!(threshold(&histogram), None);
        assert_eq!(threshold(&[0; 256]), None);
    }
}
