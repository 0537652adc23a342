//! The one error of the workspace: whose fault it is, and where it happened.
//!
//! An [`Error`] is one word wide. Its [`kind`](Error::kind) tells a caller what to do (reject the
//! file, report a gap, fix the call); path, level and tile are added on the way up, each once.

use std::error::Error as StdError;
use std::fmt;
use std::path::{Path, PathBuf};

/// The result of everything that can fail here.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Whose fault an [`Error`] is, and so what a caller can do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The operating system refused or failed: file missing, no permission, disk full.
    Io,
    /// No driver knows this kind of file.
    NotRecognised,
    /// The file breaks its own format.
    Corrupt,
    /// The file is right and this library cannot read it (yet).
    Unsupported,
    /// The file asks for more than [`Limits`](crate::Limits) allow.
    LimitExceeded,
    /// The call is wrong: a level that does not exist, a buffer of another size.
    InvalidArgument,
    /// A backend cannot run here: its library or device is missing.
    BackendUnavailable,
    /// A device (GPU) reported a failure.
    Device,
}

impl ErrorKind {
    /// The kind in words, as messages use it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Io => "input/output error",
            Self::NotRecognised => "not recognised",
            Self::Corrupt => "corrupt",
            Self::Unsupported => "unsupported",
            Self::LimitExceeded => "limit exceeded",
            Self::InvalidArgument => "invalid argument",
            Self::BackendUnavailable => "backend unavailable",
            Self::Device => "device error",
        }
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What went wrong, whose fault it is, and where.
///
/// It prints as `CMU-1.svs: level 2, tile (5, 9): corrupt: JPEG data ends early`, naming what is
/// known; the cause, if another error, follows by [`source`](StdError::source).
#[expect(clippy::error_impl_error, reason = "one error for all, named as std names its own")]
pub struct Error(Box<Inner>);

struct Inner {
    kind: ErrorKind,
    message: String,
    path: Option<PathBuf>,
    level: Option<usize>,
    tile: Option<(u64, u64)>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl Error {
    /// An error of `kind`, with a message in lower case, without a full stop, that names the
    /// value and its bound.
    #[must_use]
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self(Box::new(Inner {
            kind,
            message: message.into(),
            path: None,
            level: None,
            tile: None,
            source: None,
        }))
    }

    /// The file breaks its own format: [`ErrorKind::Corrupt`].
    #[must_use]
    pub fn corrupt(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Corrupt, message)
    }

    /// The file is right and we lack it: [`ErrorKind::Unsupported`].
    #[must_use]
    pub fn unsupported(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Unsupported, message)
    }

    /// The call is wrong: [`ErrorKind::InvalidArgument`].
    #[must_use]
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::InvalidArgument, message)
    }

    /// A size passes a bound: [`ErrorKind::LimitExceeded`].
    #[must_use]
    pub fn limit(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::LimitExceeded, message)
    }

    /// Says which file it was, unless that is known already.
    #[must_use]
    pub fn at_path(mut self, path: impl AsRef<Path>) -> Self {
        self.0.path.get_or_insert_with(|| path.as_ref().to_owned());
        self
    }

    /// Says which level it was, unless that is known already.
    #[must_use]
    pub fn at_level(mut self, level: usize) -> Self {
        self.0.level.get_or_insert(level);
        self
    }

    /// Says which stored tile it was (column, row), unless that is known already.
    #[must_use]
    pub fn at_tile(mut self, column: u64, row: u64) -> Self {
        self.0.tile.get_or_insert((column, row));
        self
    }

    /// Keeps the error that caused this one.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// Whose fault it is.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The message alone, without kind and place.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The file, where known.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        self.0.path.as_deref()
    }

    /// The level, where known.
    #[must_use]
    pub fn level(&self) -> Option<usize> {
        self.0.level
    }

    /// Column and row of the stored tile, where known.
    #[must_use]
    pub fn tile(&self) -> Option<(u64, u64)> {
        self.0.tile
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = &*self.0;
        if let Some(path) = &inner.path {
            write!(f, "{}: ", path.display())?;
        }
        match (inner.level, inner.tile) {
            (Some(level), Some((x, y))) => write!(f, "level {level}, tile ({x}, {y}): ")?,
            (Some(level), None) => write!(f, "level {level}: ")?,
            (None, Some((x, y))) => write!(f, "tile ({x}, {y}): ")?,
            (None, None) => {}
        }
        write!(f, "{}: {}", inner.kind, inner.message)?;
        if let Some(source) = &inner.source {
            write!(f, ": {source}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("kind", &self.0.kind)
            .field("message", &self.0.message)
            .field("path", &self.0.path)
            .field("level", &self.0.level)
            .field("tile", &self.0.tile)
            .field("source", &self.0.source)
            .finish()
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0
            .source
            .as_deref()
            .map(|source| source as &(dyn StdError + 'static))
    }
}

impl From<std::io::Error> for Error {
    fn from(error: std::io::Error) -> Self {
        Self::new(ErrorKind::Io, "cannot read or write").with_source(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn message_names_file_level_tile_and_kind() {
        let error = Error::corrupt("JPEG data ends early")
            .at_tile(5, 9)
            .at_level(2)
            .at_path("CMU-1.svs")
            .at_path("another.svs");
        assert_eq!(
            error.to_string(),
            "CMU-1.svs: level 2, tile (5, 9): corrupt: JPEG data ends early"
        );
    }

    #[test]
    fn error_is_one_word() {
        assert_eq!(size_of::<Error>(), size_of::<usize>());
    }
}
