//! The driver: recognises TIFF files, opens slides, owns the tile cache that they share.

use std::path::Path;
use std::sync::Arc;

use wsi_core::{Damage, Driver, Error, ErrorKind, Limits, OpenOptions, Probe, Result, SlideSource};

use crate::cache::TileCache;
use crate::io::{DiskFile, ReadAt};
use crate::source::TiffSlide;
use crate::tiff::TiffFile;
use crate::vendor::{self, PAGES};

/// Bytes of decoded tiles that a driver keeps unless told otherwise.
const CACHE_BYTES: usize = 64 << 20;

/// Opens slides without any library: the backend `pure`.
///
/// The slides that a driver opened share its cache of decoded tiles.
#[derive(Debug)]
pub struct PureDriver {
    cache: Arc<TileCache>,
}

impl Default for PureDriver {
    fn default() -> Self {
        Self::new()
    }
}

impl PureDriver {
    /// A driver with a cache of 64 MiB.
    #[must_use]
    pub fn new() -> Self {
        Self::with_cache_bytes(CACHE_BYTES)
    }

    /// A driver whose cache holds at most `bytes` of decoded pixels; 0 keeps nothing.
    #[must_use]
    pub fn with_cache_bytes(bytes: usize) -> Self {
        Self {
            cache: Arc::new(TileCache::new(bytes)),
        }
    }

    /// Opens a slide from whatever can be read at positions, as memory.
    ///
    /// # Errors
    /// As [`Driver::open`], without a path.
    pub fn open_source(
        &self,
        source: Box<dyn ReadAt>,
        options: &OpenOptions,
    ) -> Result<Box<dyn SlideSource>> {
        let file = Arc::new(TiffFile::from_source(source, &options.limits)?);
        let vendor = vendor::recognise(&file);
        let slide = match vendor.layout {
            Some(layout) => {
                let layout = layout(&file)?;
                TiffSlide::new(file, vendor.name, layout, options.damage, &self.cache)?
            }
            None => self.open_pages(file, vendor.name, options.damage)?,
        };
        Ok(Box::new(slide))
    }

    /// Opens a file of a vendor whose layout is not known yet as its pages.
    fn open_pages(&self, file: Arc<TiffFile>, vendor: &str, damage: Damage) -> Result<TiffSlide> {
        let mut layout = vendor::pages_layout(&file)?;
        layout.caveats.push(format!(
            "a {vendor} slide shown as the pages of its TIFF file: its own levels are not read yet"
        ));
        TiffSlide::new(file, PAGES.name, layout, damage, &self.cache)
    }
}

impl Driver for PureDriver {
    fn name(&self) -> &'static str {
        "pure"
    }

    fn probe(&self, path: &Path) -> Result<Probe> {
        let io = |error| {
            Error::new(ErrorKind::Io, "cannot open")
                .with_source(error)
                .at_path(path)
        };
        let source = DiskFile::open(path).map_err(io)?;
        match TiffFile::from_source(Box::new(source), &Limits::default()) {
            Ok(file) => {
                let vendor = vendor::recognise(&file);
                Ok(match vendor.layout {
                    Some(_) => Probe::Yes {
                        format: vendor.name,
                    },
                    None => Probe::Fallback { format: PAGES.name },
                })
            }
            Err(error) if error.kind() == ErrorKind::NotRecognised => Ok(Probe::No {
                reason: error.message().to_owned(),
            }),
            Err(error) if error.kind() == ErrorKind::Io => Err(error.at_path(path)),
            // It is a TIFF file; opening it says what is wrong with it.
            Err(_) => Ok(Probe::Fallback { format: PAGES.name }),
        }
    }

    fn open(&self, path: &Path, options: &OpenOptions) -> Result<Box<dyn SlideSource>> {
        DiskFile::open(path)
            .map_err(|error| Error::new(ErrorKind::Io, "cannot open").with_source(error))
            .and_then(|file| self.open_source(Box::new(file), options))
            .map_err(|error| error.at_path(path))
    }
}
