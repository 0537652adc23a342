//! The promises that every source keeps, written once and run against every backend.
//!
//! [`check`] reads levels of a slide whole and then holds every other way of reading to them. It
//! knows nothing of the right pixels: that is for tests with an outside oracle.

mod null;
mod promises;

pub use null::{NullDriver, NullSource, pixel};

use crate::slide::Slide;

/// A promise that a slide did not keep.
#[derive(Debug)]
#[non_exhaustive]
pub struct Broken {
    /// The promise, in words.
    pub promise: &'static str,
    /// What happened instead.
    pub what: String,
}

impl std::fmt::Display for Broken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "broken promise: {}: {}", self.promise, self.what)
    }
}

impl std::error::Error for Broken {}

/// What happened instead, on its way into [`Broken`].
type What = Box<dyn std::error::Error + Send + Sync>;
type Outcome = Result<(), What>;
type Promise = (&'static str, fn(&Slide) -> Outcome);

/// Every promise, in the order in which they are checked.
const PROMISES: &[Promise] = &[
    (
        "any region is a crop of its level",
        promises::regions_are_crops,
    ),
    (
        "the parts of a region are the region",
        promises::parts_are_the_whole,
    ),
    (
        "regions read together are those read alone",
        promises::regions_can_be_read_together,
    ),
    (
        "a first channel read alone is that of the pixels",
        promises::first_channels_are_those_of_pixels,
    ),
    ("what lies outside is filled", promises::outside_is_filled),
    (
        "bytes between rows are not touched",
        promises::strides_are_kept,
    ),
    (
        "a level-0 origin on a pixel reads from that pixel",
        promises::frames_agree,
    ),
    (
        "regions without pixels are read",
        promises::empty_regions_are_read,
    ),
    (
        "wrong calls are refused and do no harm",
        promises::wrong_calls_are_refused,
    ),
    (
        "sixteen threads read what one reads",
        promises::threads_agree,
    ),
    ("RGBA is RGB with alpha", promises::alpha_is_added),
    (
        "associated images are as announced",
        promises::associated_images_are_as_announced,
    ),
    (
        "properties agree with the levels",
        promises::properties_agree,
    ),
];

/// Checks that a slide keeps every promise.
///
/// Levels of more than 16 million pixels are left out, so that a check takes seconds.
///
/// # Errors
/// The first promise that was broken, with the place.
///
/// ```
/// use wsi_core::conformance::{self, NullSource};
/// use wsi_core::{PixelFormat, Pyramid, Size, Slide};
/// let pyramid = Pyramid::from_sizes([Size::new(300, 200), Size::new(75, 50)])?;
/// let source = NullSource::new(pyramid, PixelFormat::RGB8)?;
/// conformance::check(&Slide::new(Box::new(source), "computed"))?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn check(slide: &Slide) -> Result<(), Broken> {
    for &(promise, keeps) in PROMISES {
        keeps(slide).map_err(|what| Broken {
            promise,
            what: what.to_string(),
        })?;
    }
    Ok(())
}

/// The next state of splitmix64 (Steele, Lea, Flood 2014): a well-mixed function of the last.
fn next_random(state: u64) -> u64 {
    let mut z = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// Random numbers from a seed, the same everywhere.
struct Random(u64);

impl Random {
    /// A number in `0..bound`; 0 where the bound is 0.
    fn below(&mut self, bound: u32) -> u32 {
        self.0 = next_random(self.0);
        u32::try_from(self.0 % u64::from(bound.max(1))).unwrap_or(0)
    }

    /// A number in `low..high`.
    fn between(&mut self, low: i64, high: i64) -> i64 {
        low + i64::from(self.below(u32::try_from(high - low).unwrap_or(u32::MAX)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::driver::OpenOptions;
    use crate::geometry::{Pyramid, Size};
    use crate::pixels::PixelFormat;
    use std::sync::Arc;

    #[test]
    fn the_null_source_keeps_every_promise() {
        for format in [PixelFormat::GRAY8, PixelFormat::RGB8, PixelFormat::GRAY_F32] {
            let sizes = [(301, 203), (150, 101), (37, 25)].map(Size::from);
            let source = NullSource::new(Pyramid::from_sizes(sizes).unwrap(), format).unwrap();
            check(&Slide::new(Box::new(source.with_planes(2)), "null")).unwrap();
        }
    }

    #[test]
    fn the_null_driver_opens_what_it_claims() {
        let drivers: [Arc<dyn crate::Driver>; 1] = [Arc::new(NullDriver)];
        let options = OpenOptions::default();
        assert!(Slide::open_with(&drivers, "null", &options).is_ok());
        let error = Slide::open_with(&drivers, "other", &options).unwrap_err();
        let message = "other: not recognised: no backend reads this file (null: not named `null`)";
        assert_eq!(error.to_string(), message);
        let error = Slide::open_with(&drivers, "null", &options.with_backend("x")).unwrap_err();
        assert_eq!(
            error.to_string(),
            "null: invalid argument: no backend `x` here (there is: null)"
        );
    }
}
