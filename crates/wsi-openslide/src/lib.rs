//! The OpenSlide library behind the traits of `wsi-core`: the backend `openslide`.
//!
//! The library is loaded when the first file is asked for, so this crate builds and runs where there
//! is none; [`OpenSlideDriver`] then answers [`BackendUnavailable`](wsi_core::ErrorKind), and says
//! how to install it. Versions 3.4 and 4.0 work; colour profiles and shared caches need 4.0.
//!
//! ```no_run
//! use wsi_core::{Driver, OpenOptions, Region, Slide};
//! use wsi_openslide::OpenSlideDriver;
//!
//! let driver = OpenSlideDriver::new();
//! println!("OpenSlide {}", driver.version()?);
//! let source = driver.open("slide.mrxs".as_ref(), &OpenOptions::default())?;
//! let slide = Slide::new(source, "slide.mrxs");
//! let image = slide.read_region(&Region::level0(0, (0, 0), (512, 512)))?;
//! # Ok::<(), wsi_core::Error>(())
//! ```
//!
//! | module | what it is |
//! |---|---|
//! | `library` | which file the library is, and loading it once |
//! | `driver` | recognises and opens files |
//! | `source` | one open slide; opened anew after an error |
//! | `ffi` | all of the unsafe code: bindings, and the safe handle around them |
//!
//! To link OpenSlide when building instead, set `RUSTFLAGS="--cfg wsi_openslide_link"`: the crate
//! `openslide-sys` then finds it by pkg-config.

#![deny(unsafe_code)]

mod driver;
mod ffi;
mod library;
mod source;

pub use driver::OpenSlideDriver;
