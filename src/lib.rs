//! Open whole-slide images, read any region of any level, cut them into training tiles.
//!
//! ```no_run
//! use wsi::tiling::{Mask, PngFolder, TilingJob};
//! use wsi::{PixelFormat, Region};
//!
//! # fn main() -> wsi::Result<()> {
//! let slide = wsi::open("slide.svs")?;
//! let region = Region::level0(1, (10_240, 12_288), (512, 512));
//! let pixels = slide.read_region_as(&region, PixelFormat::RGB8)?;
//! println!("{} {}, first byte {}", pixels.size(), pixels.format(), pixels.as_bytes()[0]);
//!
//! let mask = Mask::from_slide(wsi::open("slide_mask.tiff")?)?;
//! let report = TilingJob::new(&slide).with_mask(mask).run(&mut PngFolder::new("tiles"))?;
//! println!("{} of {} tiles kept", report.tiles.len(), report.tiles_total);
//! # Ok(())
//! # }
//! ```
//!
//! # Layers
//!
//! | feature | crate | what it adds |
//! |---|---|---|
//! | always | [`wsi_core`] | geometry, pixels, errors, limits, [`Slide`] |
//! | `pure` (default) | [`wsi_pure`] | reading slides and TIFF files in pure Rust |
//! | `openslide` | `wsi_openslide` | the OpenSlide library, loaded at run time, for what `pure` does not read |
//! | `cuda` | `wsi_cuda` | stored JPEG tiles decoded on a GPU in batches, straight into tensors |
//! | `png` (default) | [`wsi_png`] | writing PNG |
//! | `tiling` (default) | [`wsi_tiling`] | masks, tile selection, writing tiles |
//!
//! # What is read
//!
//! | format | backend `pure` |
//! |---|---|
//! | Aperio SVS | levels, associated images, properties; JPEG 2000 tiles not yet |
//! | generic tiled TIFF and BigTIFF pyramids | yes |
//! | any other TIFF: strips, planes, 1 to 64 bits, floats | as its pages |
//! | other vendors' TIFF (Philips, Leica, Ventana, Hamamatsu NDPI …) | as its pages, for now |
//! | DICOM, MIRAX, CZI, VMS | not yet |

#![forbid(unsafe_code)]

use std::path::Path;
use std::sync::Arc;

pub use wsi_core::*;
#[cfg(feature = "cuda")]
pub use wsi_cuda as cuda;
#[cfg(feature = "openslide")]
pub use wsi_openslide as openslide;
#[cfg(feature = "png")]
pub use wsi_png as png;
#[cfg(feature = "pure")]
pub use wsi_pure as pure;
#[cfg(feature = "tiling")]
pub use wsi_tiling as tiling;

/// Opens a slide with whichever backend knows it.
///
/// # Errors
/// As [`open_with`].
pub fn open(path: impl AsRef<Path>) -> Result<Slide> {
    open_with(path, &OpenOptions::default())
}

/// Opens a slide with [`default_drivers`], or with the one that `options` names.
///
/// The drivers of one call are that call's own: slides opened by different calls share no cache.
/// To share one, keep the drivers and use [`Slide::open_with`].
///
/// # Errors
/// `Io` if the file cannot be read; `NotRecognised` if no backend reads it, with each one's reason;
/// `Corrupt`, `Unsupported` or `LimitExceeded` by what is in it; `InvalidArgument` if there is no
/// backend of that name. With the path.
pub fn open_with(path: impl AsRef<Path>, options: &OpenOptions) -> Result<Slide> {
    Slide::open_with(&default_drivers(), path, options)
}

/// The backends of this build, in the order in which they are asked: `pure` first, then `openslide`
/// for what `pure` does not read or shows as pages only.
#[must_use]
pub fn default_drivers() -> Vec<Arc<dyn Driver>> {
    vec![
        #[cfg(feature = "pure")]
        Arc::new(wsi_pure::PureDriver::new()),
        #[cfg(feature = "openslide")]
        Arc::new(wsi_openslide::OpenSlideDriver::new()),
    ]
}

/// Compiles the examples of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
#[derive(Debug)]
pub struct Readme;
