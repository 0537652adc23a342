//! What a decode can end in: an [`Error`], or an [`Outcome`] with or without [`Warning`]s.
//!
//! libjpeg-turbo knows the same three endings. A fatal error gives no picture; a warning means
//! that the data are damaged but a picture was made of them, and this crate makes the same one.

use std::fmt;

/// Why a picture could not be decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The data break the rules of the format.
    Corrupt,
    /// The data may be right, but this crate lacks what they need.
    Unsupported,
    /// A declared size passes a bound of [`Limits`](crate::Limits).
    LimitExceeded,
    /// The call is wrong: rows too short, or a pixel format that does not fit the picture.
    InvalidArgument,
}

/// A failed parse or decode: its kind, where in the data, and a message.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::error_impl_error, reason = "the one error of the crate, as in `std::io`")]
pub struct Error {
    kind: ErrorKind,
    offset: Option<usize>,
    message: String,
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            offset: None,
            message: message.into(),
        }
    }

    pub(crate) fn corrupt(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Corrupt, message)
    }

    pub(crate) fn unsupported(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Unsupported, message)
    }

    pub(crate) fn limit(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::LimitExceeded, message)
    }

    pub(crate) fn argument(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::InvalidArgument, message)
    }

    /// Adds the byte offset, unless a deeper place named one already.
    pub(crate) fn at(mut self, offset: usize) -> Self {
        self.offset.get_or_insert(offset);
        self
    }

    /// Whose fault it is.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The byte of the data near which it was noticed, where known.
    #[must_use]
    pub fn offset(&self) -> Option<usize> {
        self.offset
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.offset {
            Some(offset) => write!(f, "{} (at byte {offset})", self.message),
            None => f.write_str(&self.message),
        }
    }
}

impl std::error::Error for Error {}

/// Damage that libjpeg-turbo works around, and so do we, with the same pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Warning {
    /// Bytes that belong to nothing were skipped before a marker.
    #[non_exhaustive]
    ExtraneousBytes {
        /// How many.
        count: usize,
        /// The marker code that follows them.
        marker: u8,
    },
    /// A Huffman code that the table does not define was read as symbol 0.
    BadHuffmanCode,
    /// A data segment ended too early: the rest of it is mid-gray, or unrefined.
    PrematureEndOfSegment,
    /// The data ended where more was needed.
    PrematureEndOfFile,
    /// All MCUs are there, but neither EOI nor any other marker follows them.
    MissingEndOfImage,
    /// Another marker stood where a restart marker was due.
    #[non_exhaustive]
    RestartMismatch {
        /// The number 0..=7 that was due.
        expected: u8,
        /// The marker code that was found.
        found: u8,
    },
    /// All MCUs are there, but what stands between them and the end of the image is no JPEG.
    CorruptTrailer,
    /// A sequential scan with spectral selection or successive approximation; both are ignored.
    NotSequential,
    /// A progressive scan that does not follow from those before it.
    #[non_exhaustive]
    InconsistentProgression {
        /// Index of the component in the frame.
        component: u8,
        /// Zigzag index of the coefficient.
        coefficient: u8,
    },
    /// A JFIF marker of a major version other than 1.
    #[non_exhaustive]
    UnknownJfifVersion {
        /// Major version.
        major: u8,
        /// Minor version.
        minor: u8,
    },
    /// An Adobe marker with an undefined transform: taken as `YCbCr` or YCCK.
    UnknownAdobeTransform(u8),
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::ExtraneousBytes { count, marker } => {
                write!(f, "{count} extraneous bytes before marker 0x{marker:02x}")
            }
            Self::BadHuffmanCode => f.write_str("undefined Huffman code"),
            Self::PrematureEndOfSegment => f.write_str("premature end of data segment"),
            Self::PrematureEndOfFile => f.write_str("premature end of data"),
            Self::MissingEndOfImage => f.write_str("no end-of-image marker"),
            Self::RestartMismatch { expected, found } => {
                write!(f, "found marker 0x{found:02x} instead of RST{expected}")
            }
            Self::CorruptTrailer => f.write_str("corrupt data behind the picture"),
            Self::NotSequential => f.write_str("progressive parameters in a sequential scan"),
            Self::InconsistentProgression {
                component,
                coefficient,
            } => write!(
                f,
                "inconsistent progression for component {component}, coefficient {coefficient}"
            ),
            Self::UnknownJfifVersion { major, minor } => {
                write!(f, "unknown JFIF version {major}.{minor:02}")
            }
            Self::UnknownAdobeTransform(transform) => {
                write!(f, "unknown Adobe colour transform {transform}")
            }
        }
    }
}

/// How a picture came out: clean, or patched up with warnings.
///
/// A reader of slides that follows `OpenSlide` treats any warning as a failed tile.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[must_use]
pub struct Outcome {
    warnings: Vec<Warning>,
    count: usize,
}

impl Outcome {
    /// Whether the data had no damage.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.count == 0
    }

    /// The first distinct warnings in the order they came up, at most 32.
    #[must_use]
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }

    /// How often anything was warned of, repetitions included.
    #[must_use]
    pub fn warning_count(&self) -> usize {
        self.count
    }

    pub(crate) fn warn(&mut self, warning: Warning) {
        self.count = self.count.saturating_add(1);
        if self.warnings.len() < MAX_WARNINGS && !self.warnings.contains(&warning) {
            self.warnings.push(warning);
        }
    }
}

/// Warnings kept by value; a damaged picture can raise one per block.
const MAX_WARNINGS: usize = 32;
