//! Bounds on what a file may make the reader do. They are always on.

/// Bounds on what a file may ask for, checked before anything is allocated.
///
/// The defaults fit real slides of ten million tiles. Sizes that a file declares are also checked
/// against the length of the file itself.
///
/// ```
/// let limits = wsi_core::Limits::default().with_max_tile_bytes(16 << 20);
/// assert_eq!(limits.max_tile_bytes, 16 << 20);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Directories (pages, levels, associated images) in one file. Default 65,536.
    pub max_directories: usize,
    /// Bytes of one directory entry's values, tile offset arrays apart. Default 64 MiB.
    pub max_tag_bytes: u64,
    /// Stored tiles of one level. Default 2^26 (67 million).
    pub max_tiles: u64,
    /// Bytes of one decoded tile or strip. Default 256 MiB.
    pub max_tile_bytes: u64,
    /// Bytes of an image that the reader allocates whole (associated images, `read_level`).
    /// Default 4 GiB.
    pub max_image_bytes: u64,
    /// Samples per pixel. Default 4,096.
    pub max_samples_per_pixel: u16,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_directories: 65_536,
            max_tag_bytes: 64 << 20,
            max_tiles: 1 << 26,
            max_tile_bytes: 256 << 20,
            max_image_bytes: 4 << 30,
            max_samples_per_pixel: 4_096,
        }
    }
}

impl Limits {
    /// Sets [`max_directories`](Self::max_directories).
    #[must_use]
    pub fn with_max_directories(mut self, count: usize) -> Self {
        self.max_directories = count;
        self
    }

    /// Sets [`max_tag_bytes`](Self::max_tag_bytes).
    #[must_use]
    pub fn with_max_tag_bytes(mut self, bytes: u64) -> Self {
        self.max_tag_bytes = bytes;
        self
    }

    /// Sets [`max_tiles`](Self::max_tiles).
    #[must_use]
    pub fn with_max_tiles(mut self, tiles: u64) -> Self {
        self.max_tiles = tiles;
        self
    }

    /// Sets [`max_tile_bytes`](Self::max_tile_bytes).
    #[must_use]
    pub fn with_max_tile_bytes(mut self, bytes: u64) -> Self {
        self.max_tile_bytes = bytes;
        self
    }

    /// Sets [`max_image_bytes`](Self::max_image_bytes).
    #[must_use]
    pub fn with_max_image_bytes(mut self, bytes: u64) -> Self {
        self.max_image_bytes = bytes;
        self
    }

    /// Sets [`max_samples_per_pixel`](Self::max_samples_per_pixel).
    #[must_use]
    pub fn with_max_samples_per_pixel(mut self, samples: u16) -> Self {
        self.max_samples_per_pixel = samples;
        self
    }
}
