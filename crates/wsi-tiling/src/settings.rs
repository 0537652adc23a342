//! What a tiling job is asked to do.

use wsi_core::{Error, Pyramid, Result};

use crate::grid::Padding;

/// Which level of the slide is cut into tiles.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub enum LevelChoice {
    /// The middle one: the number of levels divided by 2, so level 1 of three and level 0 of one.
    #[default]
    Middle,
    /// The level of this index; 0 is the largest.
    Index(usize),
    /// The level whose pixels are nearest in size to this many micrometres, by ratio. Nothing is
    /// resampled: the report says which level it was and what its pixels measure.
    Mpp(f64),
}

impl LevelChoice {
    /// The index of the chosen level.
    ///
    /// # Errors
    /// `InvalidArgument` if there is no such level, or if a pixel size is asked for that is not a
    /// positive number, or of a slide that does not know its own.
    pub fn resolve(self, info: &wsi_core::SlideInfo) -> Result<usize> {
        let pyramid: &Pyramid = &info.pyramid;
        match self {
            Self::Middle => Ok(pyramid.len() / 2),
            Self::Index(index) => pyramid.level(index).map(|_| index),
            Self::Mpp(target) if !target.is_finite() || target <= 0.0 => Err(Error::invalid(
                format!("a target of {target} micrometres per pixel"),
            )),
            Self::Mpp(target) => match info.mpp {
                Some(mpp) => Ok(pyramid.nearest_level(target / mpp.mean())),
                None => Err(Error::invalid(format!(
                    "a target of {target} micrometres per pixel for a slide that does not say how \
                     large its pixels are"
                ))),
            },
        }
    }
}

/// Which part of the slide is cut into tiles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RegionChoice {
    /// The bounding box of the mask's foreground.
    Foreground {
        /// How far the region reaches beyond the box on each side, in pixels of the mask's lowest
        /// level. Default 64.
        margin: u32,
    },
    /// The whole level, from its first pixel: a plain grid.
    WholeLevel,
}

impl Default for RegionChoice {
    fn default() -> Self {
        Self::Foreground { margin: 64 }
    }
}

/// What a tiling job is asked to do: by default, the job that microsoft/hi-ml published
/// (`slide_image_loading`).
///
/// ```
/// use wsi_tiling::{LevelChoice, Settings};
/// let settings = Settings::default()
///     .with_level(LevelChoice::Mpp(0.5))
///     .with_tile_size(256)
///     .with_stride(128)
///     .with_min_occupancy(0.25);
/// assert_eq!(settings.stride(), 128);
/// assert_eq!(Settings::default().stride(), 224);
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Settings {
    /// The level that is cut. Default [`LevelChoice::Middle`].
    pub level: LevelChoice,
    /// Width and height of a tile in pixels of the level. Default 224.
    pub tile_size: u32,
    /// Pixels from one tile to the next, in both directions; smaller than the tile size, tiles
    /// overlap. Default: the tile size.
    pub stride: Option<u32>,
    /// The part of the slide that is cut. Default: the foreground and a margin of 64.
    pub region: RegionChoice,
    /// Where the region is padded to a whole number of tiles. Default [`Padding::Symmetric`].
    pub padding: Padding,
    /// A tile is kept if the share of its pixels that are foreground, padding included, is strictly
    /// greater. Default 0.05. A negative number keeps every tile.
    pub min_occupancy: f64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            level: LevelChoice::default(),
            tile_size: 224,
            stride: None,
            region: RegionChoice::default(),
            padding: Padding::default(),
            min_occupancy: 0.05,
        }
    }
}

impl Settings {
    /// Sets [`level`](Self::level).
    #[must_use]
    pub const fn with_level(mut self, level: LevelChoice) -> Self {
        self.level = level;
        self
    }

    /// Sets [`tile_size`](Self::tile_size).
    #[must_use]
    pub const fn with_tile_size(mut self, pixels: u32) -> Self {
        self.tile_size = pixels;
        self
    }

    /// Sets [`stride`](Self::stride).
    #[must_use]
    pub const fn with_stride(mut self, pixels: u32) -> Self {
        self.stride = Some(pixels);
        self
    }

    /// Sets [`region`](Self::region).
    #[must_use]
    pub const fn with_region(mut self, region: RegionChoice) -> Self {
        self.region = region;
        self
    }

    /// Sets the margin around the foreground, in pixels of the mask's lowest level.
    #[must_use]
    pub const fn with_margin(self, margin: u32) -> Self {
        self.with_region(RegionChoice::Foreground { margin })
    }

    /// Sets [`padding`](Self::padding).
    #[must_use]
    pub const fn with_padding(mut self, padding: Padding) -> Self {
        self.padding = padding;
        self
    }

    /// Sets [`min_occupancy`](Self::min_occupancy).
    #[must_use]
    pub const fn with_min_occupancy(mut self, share: f64) -> Self {
        self.min_occupancy = share;
        self
    }

    /// Pixels from one tile to the next.
    #[must_use]
    pub fn stride(&self) -> u32 {
        self.stride.unwrap_or(self.tile_size)
    }

    /// Whether a job can be run with these settings.
    ///
    /// # Errors
    /// `InvalidArgument` for a tile size or stride of 0, a tile of more than
    /// [`MAX_TILE_SIZE`] pixels a side, or an occupancy that is not a number of at most 1.
    pub fn check(&self) -> Result<()> {
        if !(1..=MAX_TILE_SIZE).contains(&self.tile_size) {
            return Err(Error::invalid(format!(
                "a tile size of {} (1 to {MAX_TILE_SIZE} is possible)",
                self.tile_size
            )));
        }
        if self.stride() == 0 {
            return Err(Error::invalid("a stride of 0 pixels between tiles"));
        }
        if !self.min_occupancy.is_finite() || self.min_occupancy > 1.0 {
            return Err(Error::invalid(format!(
                "an occupancy of {} (a share of the tile, at most 1)",
                self.min_occupancy
            )));
        }
        Ok(())
    }
}

/// The largest tile side that a job accepts, in pixels.
pub const MAX_TILE_SIZE: u32 = 16_384;

#[cfg(test)]
mod tests {
    use super::*;
    use wsi_core::{Mpp, PixelFormat, Size, SlideInfo};

    fn info() -> SlideInfo {
        let sizes = [(1600, 800), (400, 200), (100, 50)];
        let pyramid = Pyramid::from_sizes(sizes.map(Size::from)).unwrap();
        SlideInfo::new("test", pyramid, PixelFormat::RGB8)
    }

    #[test]
    fn middle_is_half_the_number_of_levels() {
        assert_eq!(LevelChoice::Middle.resolve(&info()).unwrap(), 1);
        assert!(LevelChoice::Index(3).resolve(&info()).is_err());
    }

    #[test]
    fn target_mpp_takes_the_nearest_level_or_says_that_it_cannot() {
        let mut info = info();
        assert!(LevelChoice::Mpp(1.0).resolve(&info).is_err());
        info.mpp = Some(Mpp { x: 0.25, y: 0.25 });
        for (target, level) in [(0.1, 0), (0.4, 0), (0.6, 1), (1.0, 1), (9.0, 2)] {
            assert_eq!(LevelChoice::Mpp(target).resolve(&info).unwrap(), level);
        }
        assert!(LevelChoice::Mpp(f64::NAN).resolve(&info).is_err());
    }

    #[test]
    fn settings_that_mean_nothing_are_refused() {
        let good = Settings::default();
        assert!(good.check().is_ok());
        assert!(good.clone().with_tile_size(0).check().is_err());
        assert!(good.clone().with_tile_size(20_000).check().is_err());
        assert!(good.clone().with_stride(0).check().is_err());
        assert!(good.clone().with_min_occupancy(f64::NAN).check().is_err());
        assert!(good.with_min_occupancy(1.5).check().is_err());
    }
}
