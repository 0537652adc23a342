//! The driver: recognises and opens what OpenSlide does.

use std::ffi::CString;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use wsi_core::{Driver, Error, ErrorKind, OpenOptions, Probe, Result, SlideSource};

use crate::ffi::{Api, Cache};
use crate::library;
use crate::source::OpenSlideSource;

/// Opens slides with the OpenSlide library: the backend `openslide`.
///
/// The library is looked for when the first file is probed or opened: the file given to
/// [`with_library`](Self::with_library), or else the one that the environment variable
/// `WSI_OPENSLIDE_LIBRARY` names, or else the system's `libopenslide`.
#[derive(Debug, Default)]
pub struct OpenSlideDriver {
    library: Option<PathBuf>,
    cache_bytes: Option<usize>,
    cache: OnceLock<Option<Arc<Cache>>>,
}

impl OpenSlideDriver {
    /// A driver of the library that the environment or the system names, with OpenSlide's own
    /// cache (32 MiB a slide).
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Loads this library file and no other.
    ///
    /// It has to be OpenSlide, 3.4 or later, for this machine: whatever else is loaded runs its
    /// initialisers.
    #[must_use]
    pub fn with_library(mut self, path: impl Into<PathBuf>) -> Self {
        self.library = Some(path.into());
        self
    }

    /// Lets the slides of this driver share one cache of this many bytes of decoded tiles. It
    /// takes OpenSlide 4.0; with earlier versions each slide keeps its own of 32 MiB.
    #[must_use]
    pub fn with_cache_bytes(mut self, bytes: usize) -> Self {
        self.cache_bytes = Some(bytes);
        self
    }

    /// The version of the library, as `4.0.1`.
    ///
    /// # Errors
    /// `BackendUnavailable` if there is no library, saying how to install it.
    pub fn version(&self) -> Result<&'static str> {
        self.api().map(Api::version)
    }

    fn api(&self) -> Result<&'static Api> {
        library::find(self.library.as_deref())
    }

    fn cache(&self, api: &'static Api) -> Option<Arc<Cache>> {
        let bytes = self.cache_bytes?;
        self.cache
            .get_or_init(|| api.new_cache(bytes).map(Arc::new))
            .clone()
    }
}

impl std::fmt::Debug for Cache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cache").finish_non_exhaustive()
    }
}

impl Driver for OpenSlideDriver {
    fn name(&self) -> &'static str {
        "openslide"
    }

    fn probe(&self, path: &Path) -> Result<Probe> {
        let api = self.api()?;
        let name = c_path(path)?;
        // OpenSlide says the same of a file that is not there and of one that it does not know.
        readable(path)?;
        Ok(match api.detect_vendor(&name) {
            Some(vendor) => Probe::Yes {
                format: vendor_name(&vendor),
            },
            None => Probe::No {
                reason: format!("OpenSlide {} does not recognise it", api.version()),
            },
        })
    }

    fn open(&self, path: &Path, options: &OpenOptions) -> Result<Box<dyn SlideSource>> {
        let open = || {
            let api = self.api()?;
            let name = c_path(path)?;
            readable(path)?;
            OpenSlideSource::open(api, name, self.cache(api), &options.limits)
        };
        match open() {
            Ok(source) => Ok(Box::new(source)),
            Err(error) => Err(error.at_path(path)),
        }
    }
}

fn readable(path: &Path) -> Result<()> {
    match std::fs::metadata(path) {
        Ok(_) => Ok(()),
        Err(error) => Err(Error::new(ErrorKind::Io, "cannot open")
            .with_source(error)
            .at_path(path)),
    }
}

/// The path as OpenSlide takes it, without loss: its bytes on Unix, UTF-8 elsewhere.
fn c_path(path: &Path) -> Result<CString> {
    #[cfg(unix)]
    let bytes = Some(std::os::unix::ffi::OsStrExt::as_bytes(path.as_os_str()));
    #[cfg(not(unix))]
    let bytes = path.to_str().map(str::as_bytes);
    bytes
        .and_then(|bytes| CString::new(bytes).ok())
        .ok_or_else(|| {
            Error::invalid(
                "OpenSlide takes no path with a NUL, nor (on Windows) one that is not Unicode",
            )
            .at_path(path)
        })
}

/// The vendors of OpenSlide 4.0.1.
const VENDORS: &[&str] = &[
    "aperio",
    "argos",
    "dicom",
    "generic-tiff",
    "hamamatsu",
    "huron",
    "leica",
    "mirax",
    "philips",
    "sakura",
    "synthetic",
    "trestle",
    "ventana",
    "zeiss",
];

/// The vendor's name for as long as the process lives; `openslide` for one that came later.
pub(crate) fn vendor_name(vendor: &str) -> &'static str {
    VENDORS
        .iter()
        .find(|known| **known == vendor)
        .copied()
        .unwrap_or("openslide")
}
