//! The first seam: recognising files and opening them.

use std::path::Path;

use crate::error::Result;
use crate::limits::Limits;
use crate::source::SlideSource;

/// Recognises files and opens them. A backend is one driver; what its slides share (a tile cache,
/// a loaded library) belongs to it, not to a global.
pub trait Driver: Send + Sync {
    /// The backend's name, as `pure` or `openslide`.
    fn name(&self) -> &'static str;

    /// Whether this driver can open `path`. Reads little and decodes nothing.
    ///
    /// # Errors
    /// `Io` if the file cannot be read; `BackendUnavailable` if this driver cannot run here. A file
    /// of another kind is no error but [`Probe::No`].
    fn probe(&self, path: &Path) -> Result<Probe>;

    /// Opens `path`.
    ///
    /// # Errors
    /// By kind as [`ErrorKind`](crate::ErrorKind) says, with the path.
    fn open(&self, path: &Path, options: &OpenOptions) -> Result<Box<dyn SlideSource>>;
}

/// What a driver says of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Probe {
    /// It is this kind of slide.
    Yes {
        /// The format's name, as in [`SlideInfo::format`](crate::SlideInfo::format).
        format: &'static str,
    },
    /// The driver can show what is in the file, but another driver may know it better: a TIFF of
    /// a vendor whose layout this driver has not learnt opens as its pages.
    Fallback {
        /// The format's name, as in [`SlideInfo::format`](crate::SlideInfo::format).
        format: &'static str,
    },
    /// It is not for this driver.
    No {
        /// Why not, for the message when every driver says no.
        reason: String,
    },
}

/// How to open a slide.
///
/// ```
/// # use wsi_core::{Limits, OpenOptions};
/// let options = OpenOptions::default()
///     .with_backend("pure")
///     .with_limits(Limits::default().with_max_tile_bytes(64 << 20));
/// # assert_eq!(options.backend.as_deref(), Some("pure"));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct OpenOptions {
    /// Ask this driver alone, by its name. Default: every driver, in order.
    pub backend: Option<String>,
    /// Bounds on what the file may ask for.
    pub limits: Limits,
}

impl OpenOptions {
    /// Sets [`backend`](Self::backend).
    #[must_use]
    pub fn with_backend(mut self, name: impl Into<String>) -> Self {
        self.backend = Some(name.into());
        self
    }

    /// Sets [`limits`](Self::limits).
    #[must_use]
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }
}
