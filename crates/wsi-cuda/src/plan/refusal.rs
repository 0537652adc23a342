//! Why a tile is not for the kernels.

use std::fmt;

/// Why a tile is decoded on the CPU instead. Whether it can be decoded at all, only that will tell.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// The headers break the rules, or are those of another process, depth, or several scans.
    Headers(wsi_jpeg::Error),
    /// The headers, or the shared tables, gave reason to warn.
    Warnings,
    /// The picture is not of the size of a tile.
    Size {
        /// Its width in pixels.
        width: u32,
        /// Its height in pixels.
        height: u32,
    },
    /// Neither gray, `YCbCr` nor RGB.
    Color,
    /// Sampling other than 4:4:4, 4:2:2, 4:4:0 and 4:2:0.
    Sampling,
    /// Quantisers of more than 8 bits.
    Quantisers,
    /// More than two pairs of Huffman tables.
    TablePairs,
    /// A segment ends in this marker instead of the one that is due, or in none.
    Marker(Option<u8>),
    /// A segment of more than 4 MiB.
    LongSegment,
    /// The tile is too large for 32-bit offsets.
    TooLarge,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Headers(error) => write!(f, "headers: {error}"),
            Self::Warnings => f.write_str("headers that give reason to warn"),
            Self::Size { width, height } => write!(f, "a picture of {width} x {height}"),
            Self::Color => f.write_str("neither gray, YCbCr nor RGB"),
            Self::Sampling => f.write_str("sampling that the kernels lack"),
            Self::Quantisers => f.write_str("quantisers of more than 8 bits"),
            Self::TablePairs => f.write_str("more than two pairs of Huffman tables"),
            Self::Marker(Some(marker)) => write!(f, "marker 0x{marker:02x} out of turn"),
            Self::Marker(None) => f.write_str("data end without a marker"),
            Self::LongSegment => f.write_str("a segment of more than 4 MiB"),
            Self::TooLarge => f.write_str("too large for the offsets of the kernels"),
        }
    }
}

impl std::error::Error for Refusal {}
