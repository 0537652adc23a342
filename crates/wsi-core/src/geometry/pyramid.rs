//! The levels of a slide and how to choose one.

use super::Size;
use crate::error::{Error, Result};

/// One level of a pyramid. Level 0 is the largest.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Level {
    /// Width and height in this level's own pixels.
    pub size: Size,
    /// Level-0 pixels per pixel of this level; at least that of the level before.
    pub downsample: f64,
    /// Size of the stored tiles where the level is stored in tiles.
    pub tile_size: Option<Size>,
}

impl Level {
    /// A level of `size` at `downsample`, not stored in tiles.
    #[must_use]
    pub const fn new(size: Size, downsample: f64) -> Self {
        Self {
            size,
            downsample,
            tile_size: None,
        }
    }

    /// Says in what tiles it is stored.
    #[must_use]
    pub const fn with_tile_size(mut self, size: Size) -> Self {
        self.tile_size = Some(size);
        self
    }
}

/// The levels of a slide: at least one, downsamples finite, positive and never falling.
#[derive(Clone, Debug, PartialEq)]
pub struct Pyramid(Vec<Level>);

impl Pyramid {
    /// A pyramid of these levels, largest first.
    ///
    /// # Errors
    /// `Corrupt` if there is no level, or a downsample is not a positive number or is smaller than
    /// the one before (OpenSlide refuses such slides too).
    pub fn new(levels: Vec<Level>) -> Result<Self> {
        if levels.is_empty() {
            return Err(Error::corrupt("no levels"));
        }
        let mut before = 0.0_f64;
        for (index, level) in levels.iter().enumerate() {
            let downsample = level.downsample;
            if !downsample.is_finite() || downsample <= 0.0 || downsample < before {
                return Err(Error::corrupt(format!(
                    "downsample {downsample} after {before}: levels must not grow"
                ))
                .at_level(index));
            }
            before = downsample;
        }
        Ok(Self(levels))
    }

    /// A pyramid of levels of these sizes, largest first, with OpenSlide's downsamples.
    ///
    /// The downsample of a level is `(H0/H + W0/W) / 2` in `f64`, the height's ratio first
    /// (OpenSlide 4.0.1, `openslide.c`).
    ///
    /// # Errors
    /// `Corrupt` as [`new`](Self::new), or where a level has no pixel.
    ///
    /// ```
    /// # use wsi_core::{Pyramid, Size};
    /// let pyramid = Pyramid::from_sizes([Size::new(1000, 800), Size::new(250, 200)])?;
    /// assert_eq!(pyramid.levels()[1].downsample, 4.0);
    /// # Ok::<(), wsi_core::Error>(())
    /// ```
    pub fn from_sizes(sizes: impl IntoIterator<Item = Size>) -> Result<Self> {
        let sizes: Vec<Size> = sizes.into_iter().collect();
        if let Some(index) = sizes.iter().position(|size| size.is_empty()) {
            return Err(Error::corrupt("level without pixels").at_level(index));
        }
        let base = sizes.first().copied().unwrap_or_default();
        let levels = sizes
            .iter()
            .enumerate()
            .map(|(index, &size)| {
                let rows = f64::from(base.height) / f64::from(size.height);
                let columns = f64::from(base.width) / f64::from(size.width);
                Level::new(
                    size,
                    if index == 0 {
                        1.0
                    } else {
                        (rows + columns) / 2.0
                    },
                )
            })
            .collect();
        Self::new(levels)
    }

    /// The levels, largest first; never empty.
    #[must_use]
    pub fn levels(&self) -> &[Level] {
        &self.0
    }

    /// The number of levels; at least 1.
    #[expect(clippy::len_without_is_empty, reason = "a pyramid is never empty")]
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The level of this index.
    ///
    /// # Errors
    /// `InvalidArgument` if there is no such level.
    pub fn level(&self, index: usize) -> Result<&Level> {
        self.0.get(index).ok_or_else(|| {
            Error::invalid(format!(
                "level {index} of a slide with {} levels",
                self.0.len()
            ))
        })
    }

    /// The index of the smallest level.
    #[must_use]
    pub fn lowest(&self) -> usize {
        self.0.len() - 1
    }

    /// The smallest level that is still at least as detailed as `downsample`.
    ///
    /// OpenSlide's rule (`openslide_get_best_level_for_downsample`), without tolerance: 1.9999999
    /// gives level 0 where level 1 has downsample 2; NaN gives the last level.
    #[must_use]
    pub fn best_level_for_downsample(&self, downsample: f64) -> usize {
        let first_coarser = self
            .0
            .iter()
            .position(|level| downsample < level.downsample);
        first_coarser.map_or_else(|| self.lowest(), |index| index.saturating_sub(1))
    }

    /// The level whose downsample is nearest to `downsample` by ratio; the finer one where two
    /// are equally near.
    #[must_use]
    pub fn nearest_level(&self, downsample: f64) -> usize {
        let distance = |level: &Level| (level.downsample / downsample).ln().abs();
        let mut best = 0;
        for (index, level) in self.0.iter().enumerate() {
            if distance(level) < self.0.get(best).map_or(f64::INFINITY, distance) {
                best = index;
            }
        }
        best
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pyramid() -> Pyramid {
        let sizes = [(1600, 800), (800, 400), (400, 200)];
        Pyramid::from_sizes(sizes.map(Size::from)).unwrap()
    }

    #[test]
    fn best_level_has_no_tolerance() {
        let pyramid = pyramid();
        for (downsample, level) in [
            (0.5, 0),
            (1.0, 0),
            (1.999_999_9, 0),
            (2.0, 1),
            (3.99, 1),
            (4.0, 2),
            (99.0, 2),
        ] {
            assert_eq!(
                pyramid.best_level_for_downsample(downsample),
                level,
                "{downsample}"
            );
        }
        assert_eq!(pyramid.best_level_for_downsample(f64::NAN), 2);
    }

    #[test]
    fn nearest_level_is_by_ratio() {
        let pyramid = pyramid();
        for (downsample, level) in [(0.1, 0), (1.4, 0), (1.5, 1), (2.7, 1), (2.9, 2), (50.0, 2)] {
            assert_eq!(pyramid.nearest_level(downsample), level, "{downsample}");
        }
    }

    #[test]
    fn growing_levels_are_refused() {
        let sizes = [(400, 300), (250, 20), (130, 150)];
        assert!(Pyramid::from_sizes(sizes.map(Size::from)).is_err());
        assert!(Pyramid::from_sizes([]).is_err());
    }
}
