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

/// What becomes of a stored tile whose data is damaged, but still gives pixels: JPEG with a code
/// that is not defined, a part left out, or no end.
///
/// A tile that gives no pixels, and one that the file ends in or before, is an error in any case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Damage {
    /// Reading it is an error, as with OpenSlide: doubtful pixels are never shown.
    ///
    /// Damage is found where it is looked for. A read of part of a tile need not decode the rest of
    /// it, so damage further down in the tile may stay unnoticed, and so may damage that only shows
    /// further down than the read goes. A read of a tile from its first row to its last one and from
    /// its first column to its last one always finds it.
    #[default]
    Refuse,
    /// Its pixels are shown, as libjpeg-turbo gives them; what is missing is mostly gray.
    Show,
}

/// How to open a slide.
///
/// ```
/// # use wsi_core::{Damage, Limits, OpenOptions};
/// let options = OpenOptions::default()
///     .with_backend("pure")
///     .with_damage(Damage::Show)
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
    /// What becomes of damaged tiles. Default: [`Damage::Refuse`].
    pub damage: Damage,
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

    /// Sets [`damage`](Self::damage).
    #[must_use]
    pub fn with_damage(mut self, damage: Damage) -> Self {
        self.damage = damage;
        self
    }
}
