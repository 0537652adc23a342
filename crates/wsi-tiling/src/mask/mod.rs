//! Label masks: where they come from, what counts as foreground, and how they lie on a slide.
//!
//! Every mask is a [`Slide`] of labels: a file with a pyramid of its own, or a picture in memory.
//! A label is the first channel of a pixel (the published masks keep it in R) and is never
//! interpolated.

mod foreground;
mod memory;
mod otsu;

use std::path::Path;

use ndarray::Array2;
use wsi_core::{
    Error, ErrorKind, Image, Level, PixelFormat, Pyramid, Result, SampleType, Size, Slide,
};

pub use foreground::{Foreground, LabelSample, LabelType};

use memory::LabelSource;

/// Labels that say which parts of a slide matter.
///
/// ```
/// use ndarray::arr2;
/// use wsi_tiling::{LabelType, Mask};
/// let mask = Mask::from_array(&arr2(&[[0_u16, 300], [2, 0]]))?.with_labels([300]);
/// assert_eq!(mask.label_type(), LabelType::U16);
/// # Ok::<(), wsi_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Mask {
    slide: Slide,
    labels: LabelType,
    foreground: Foreground,
    description: String,
}

impl Mask {
    /// The labels of an open slide: its first channel, of 8, 16 or 32 unsigned bits.
    ///
    /// # Errors
    /// `Unsupported` if its samples are of another type.
    pub fn from_slide(slide: Slide) -> Result<Self> {
        let description = describe_file(slide.path());
        Self::new(slide, description)
    }

    /// The labels of a picture in a file, of any size with the slide's aspect ratio.
    ///
    /// Gray and colour are read as they are (colour: the first channel); the label of a PNG with a
    /// palette is the index.
    ///
    /// # Errors
    /// `Io` if it cannot be read, `Corrupt` or `Unsupported` if it is not a picture of a known
    /// kind, or one with losses (JPEG, whose labels are not what was drawn).
    pub fn from_image_file(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let image = memory::read_image(path).map_err(|error| error.at_path(path))?;
        let slide = Slide::new(Box::new(LabelSource::picture(image)?), path);
        let description = describe_file(path);
        Self::new(slide, description)
    }

    /// Labels in memory, one row of the array a row of pixels.
    ///
    /// # Errors
    /// `InvalidArgument` if the array is empty or has more than 2^32 rows or columns.
    pub fn from_array<L: LabelSample>(labels: &Array2<L>) -> Result<Self> {
        let side = |length: usize| {
            u32::try_from(length)
                .ok()
                .filter(|&length| length > 0)
                .ok_or_else(|| {
                    Error::invalid(format!("an array of shape {:?} as a mask", labels.shape()))
                })
        };
        let size = Size::new(side(labels.ncols())?, side(labels.nrows())?);
        let bytes: Vec<u8> = labels.iter().flat_map(|label| label.to_bytes()).collect();
        let description = format!(
            "array of {size} {}, checksum {:016x}",
            L::TYPE.name(),
            fnv1a(&bytes)
        );
        let image = Image::from_bytes(size, L::TYPE.pixel_format(), bytes)?;
        Self::new(
            Slide::new(Box::new(LabelSource::picture(image)?), "the mask array"),
            description,
        )
    }

    /// Everything is foreground, with label 1.
    ///
    /// # Errors
    /// None for a slide that is open.
    pub fn whole(slide: &Slide) -> Result<Self> {
        let source = LabelSource::ones(slide.pyramid().clone());
        Self::new(
            Slide::new(Box::new(source), slide.path()),
            "everything".to_owned(),
        )
    }

    /// Tissue found by Otsu's threshold: label 1 where the slide is darker than its background.
    ///
    /// The threshold is found on, and the mask has the size of, the smallest level of at least
    /// 1,024 pixels on its longer side (level 0 if none has; a picture of the slide of at most 4,096
    /// pixels if that level is larger). Gray is `(299 R + 587 G + 114 B + 500) / 1000`.
    ///
    /// # Errors
    /// What reading that level ran into. A slide of one gray everywhere is no error here: its mask
    /// has no foreground.
    pub fn otsu(slide: &Slide) -> Result<Self> {
        let found = otsu::find(slide)?;
        let description = format!(
            "Otsu's threshold, darker than gray {} of {}",
            found.threshold,
            found.labels.size()
        );
        Self::new(
            Slide::new(Box::new(LabelSource::picture(found.labels)?), slide.path()),
            description,
        )
    }

    /// Counts only these labels as foreground. Default: every label above 0.
    #[must_use]
    pub fn with_labels(mut self, labels: impl IntoIterator<Item = u32>) -> Self {
        self.foreground = Foreground::labels(labels);
        self
    }

    fn new(slide: Slide, description: String) -> Result<Self> {
        let format = slide.info().pixel_format;
        let labels = match format.sample {
            SampleType::U8 => LabelType::U8,
            SampleType::U16 => LabelType::U16,
            SampleType::U32 => LabelType::U32,
            other => {
                return Err(Error::unsupported(format!(
                    "a mask of {} samples (labels are unsigned, of 8, 16 or 32 bits)",
                    other.name()
                ))
                .at_path(slide.path()));
            }
        };
        Ok(Self {
            slide,
            labels,
            foreground: Foreground::default(),
            description,
        })
    }

    /// The type of a label.
    #[must_use]
    pub fn label_type(&self) -> LabelType {
        self.labels
    }

    /// What counts as foreground.
    #[must_use]
    pub fn foreground(&self) -> &Foreground {
        &self.foreground
    }

    /// Where the labels come from, in words; a file by its name and length.
    #[must_use]
    pub fn description(&self) -> &str {
        &self.description
    }

    /// The labels as a slide.
    #[must_use]
    pub fn slide(&self) -> &Slide {
        &self.slide
    }

    /// Whether the mask fits on a slide whose level 0 is of this size: their aspect ratios are the
    /// same, up to one pixel of the smaller of the two.
    ///
    /// # Errors
    /// `InvalidArgument` if it does not, with both sizes.
    pub fn check_fits(&self, slide: Size) -> Result<()> {
        let mask = self.size();
        let (small, large) = if mask.width < slide.width {
            (mask, slide)
        } else {
            (slide, mask)
        };
        // small.width / small.height = large.width / large.height, within one pixel of either side
        let across = u64::from(small.width) * u64::from(large.height);
        let down = u64::from(small.height) * u64::from(large.width);
        if across.abs_diff(down) <= u64::from(large.width.max(large.height)) {
            return Ok(());
        }
        Err(Error::invalid(format!(
            "a mask of {mask} pixels does not fit on a slide of {slide}: another aspect ratio"
        ))
        .at_path(self.slide.path()))
    }

    /// Level-0 pixels of a slide of this size per pixel of a level of the mask: the mask's own
    /// downsample where both level 0 are of one size, and that times the mean of the ratios of
    /// their heights and widths where they are not.
    #[must_use]
    pub fn downsample_on(&self, slide: Size, level: &Level) -> f64 {
        let mask = self.size();
        if mask == slide {
            return level.downsample;
        }
        let rows = f64::from(slide.height) / f64::from(mask.height);
        let columns = f64::from(slide.width) / f64::from(mask.width);
        level.downsample * ((rows + columns) / 2.0)
    }

    /// The mask level from which tiles of a slide level are labelled: the one of the same size,
    /// pixel for pixel, or else the one whose pixels are nearest in size, by ratio, the finer one
    /// where two are equally near.
    ///
    /// Where sizes differ, a pixel takes the label under its centre: column `x` of a slide level of
    /// width `w` takes column `(2 x + 1) * m / (2 w)`, rounded down, of a mask level of width `m`;
    /// rows alike.
    #[must_use]
    pub fn level_for(&self, slide: &Pyramid, on: &Level) -> usize {
        let levels = self.slide.pyramid().levels();
        if let Some(same) = levels.iter().position(|level| level.size == on.size) {
            return same;
        }
        let slide_size = slide.levels().first().map_or(on.size, |level| level.size);
        let distance = |level: &Level| {
            (self.downsample_on(slide_size, level) / on.downsample)
                .ln()
                .abs()
        };
        let mut best = (0, f64::INFINITY);
        for (index, level) in levels.iter().enumerate() {
            if distance(level) < best.1 {
                best = (index, distance(level));
            }
        }
        best.0
    }

    fn size(&self) -> Size {
        self.slide
            .pyramid()
            .levels()
            .first()
            .map_or(Size::new(0, 0), |level| level.size)
    }

    /// The format in which the mask's slide is read: its own.
    pub(crate) fn pixel_format(&self) -> PixelFormat {
        self.slide.info().pixel_format
    }

    /// That nothing is foreground.
    pub(crate) fn empty_error(&self) -> Error {
        Error::new(
            ErrorKind::InvalidArgument,
            format!(
                "the mask is empty: no foreground ({}) in {}",
                self.foreground, self.description
            ),
        )
        .at_path(self.slide.path())
    }
}

/// A file by its name and, where it exists, its length.
pub(crate) fn describe_file(path: &Path) -> String {
    let name = path
        .file_name()
        .unwrap_or(path.as_os_str())
        .to_string_lossy();
    match std::fs::metadata(path) {
        Ok(metadata) => format!("{name}, {} bytes", metadata.len()),
        Err(_) => name.into_owned(),
    }
}

/// FNV-1a of 64 bits: tells arrays apart in settings files, nothing more.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xCBF2_9CE4_8422_2325, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::Array2;

    fn mask(width: usize, height: usize) -> Mask {
        Mask::from_array(&Array2::<u8>::zeros((height, width))).unwrap()
    }

    #[test]
    fn another_aspect_ratio_is_refused_and_rounding_is_not() {
        for (width, height) in [(1000, 800), (250, 200), (63, 50), (62, 50), (2000, 1600)] {
            assert!(mask(width, height).check_fits(Size::new(1000, 800)).is_ok());
        }
        for (width, height) in [(800, 1000), (250, 210), (1000, 810), (60, 50)] {
            let error = mask(width, height)
                .check_fits(Size::new(1000, 800))
                .unwrap_err();
            assert!(error.to_string().contains("1000 x 800"), "{error}");
        }
    }

    #[test]
    fn a_smaller_mask_is_scaled_to_the_slide() {
        let mask = mask(250, 200);
        let level = mask.slide().pyramid().levels()[0].clone();
        assert_eq!(mask.downsample_on(Size::new(1000, 800), &level), 4.0);
    }

    #[test]
    fn empty_arrays_are_refused() {
        assert!(Mask::from_array(&Array2::<u8>::zeros((0, 4))).is_err());
    }
}
