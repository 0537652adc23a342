//! What every part of `wsi` speaks: geometry, pixels, errors, limits, and the two seams.
//!
//! A backend implements [`Driver`] (recognise and open a file) and [`SlideSource`] (one open
//! slide). Whoever uses slides holds a [`Slide`]. This crate decodes nothing and opens nothing: the
//! backends do, and depend on it.
//!
//! | module | what it is |
//! |---|---|
//! | [`geometry`] | sizes, points, levels, regions in their two frames |
//! | [`pixels`] | pixel formats, borrowed and owned pictures, fill |
//! | [`driver`], [`source`] | the two seams |
//! | [`slide`] | [`Slide`]: conveniences written once over any source |
//! | [`conformance`] | the promises that every source keeps, as a suite that backends run |

#![forbid(unsafe_code)]

pub mod conformance;
pub mod driver;
pub mod error;
pub mod geometry;
pub mod limits;
pub mod pixels;
pub mod slide;
pub mod source;

pub use driver::{Damage, Driver, OpenOptions, Probe};
pub use error::{Error, ErrorKind, Result};
pub use geometry::{Level, Mpp, Origin, Plane, Point, Pyramid, Rect, Region, Size};
pub use limits::Limits;
pub use pixels::{Channels, Fill, Image, PixelFormat, PixelsMut, Run, Runs, SampleType};
pub use slide::Slide;
pub use source::{EncodedTiles, Properties, RegionRead, SlideInfo, SlideSource, TileLayout};
