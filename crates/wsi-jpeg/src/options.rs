//! What a caller chooses: tables, colour, pixel format, scale, limits.

use crate::scale::Scale;
use crate::tables::Tables;
use crate::window::Window;

/// What the components of a picture mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ColorModel {
    /// One component.
    Gray,
    /// Luminance and two colour differences (JFIF).
    YCbCr,
    /// Red, green, blue as they are.
    Rgb,
    /// Four inks as they are; Adobe stores them inverted, which is not undone.
    Cmyk,
    /// CMY as inverted `YCbCr`, and K.
    Ycck,
    /// Anything else: only planes can be had.
    Unknown,
}

impl ColorModel {
    /// How many components the model has, if it says.
    #[must_use]
    pub(crate) fn components(self) -> Option<usize> {
        match self {
            Self::Gray => Some(1),
            Self::YCbCr | Self::Rgb => Some(3),
            Self::Cmyk | Self::Ycck => Some(4),
            Self::Unknown => None,
        }
    }
}

/// How decoded pixels lie in memory.
///
/// The formats of 16 bits hold samples of 9 to 16 bits as native-endian `u16`, not stretched to
/// the full range; those of 8 bits hold samples of up to 8 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PixelFormat {
    /// One byte: gray, or the luminance of a colour picture.
    Gray8,
    /// Red, green, blue; a gray picture is repeated.
    Rgb8,
    /// Blue, green, red.
    Bgr8,
    /// Red, green, blue, 255.
    Rgba8,
    /// Blue, green, red, 255: `OpenSlide`'s order in memory on little-endian machines.
    Bgra8,
    /// Cyan, magenta, yellow, key as stored (usually inverted by Adobe); from CMYK or YCCK.
    Cmyk8,
    /// Components one after the other, without conversion, upsampled to the size of the picture:
    /// row `y` of component `c` is row `c * height + y` of the output.
    Planes8,
    /// Like [`Gray8`](Self::Gray8), two bytes a sample.
    Gray16,
    /// Like [`Rgb8`](Self::Rgb8), two bytes a sample.
    Rgb16,
    /// Like [`Cmyk8`](Self::Cmyk8), two bytes a sample.
    Cmyk16,
    /// Like [`Planes8`](Self::Planes8), two bytes a sample.
    Planes16,
}

impl PixelFormat {
    /// Bytes from one pixel to the next in a row.
    ///
    /// # Example
    /// ```
    /// use wsi_jpeg::PixelFormat;
    ///
    /// assert_eq!(PixelFormat::Bgra8.bytes_per_pixel(), 4);
    /// assert_eq!(PixelFormat::Rgb16.bytes_per_pixel(), 6);
    /// ```
    #[must_use]
    pub fn bytes_per_pixel(self) -> usize {
        match self {
            Self::Gray8 | Self::Planes8 => 1,
            Self::Gray16 | Self::Planes16 => 2,
            Self::Rgb8 | Self::Bgr8 => 3,
            Self::Rgba8 | Self::Bgra8 | Self::Cmyk8 => 4,
            Self::Rgb16 => 6,
            Self::Cmyk16 => 8,
        }
    }

    /// Whether samples take two bytes.
    #[must_use]
    pub fn is_wide(self) -> bool {
        matches!(
            self,
            Self::Gray16 | Self::Rgb16 | Self::Cmyk16 | Self::Planes16
        )
    }

    pub(crate) fn is_planar(self) -> bool {
        matches!(self, Self::Planes8 | Self::Planes16)
    }
}

/// Bounds on what data may ask for. They are always on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Pixels of a picture at full size. Default 2^30.
    pub max_pixels: u64,
    /// Bytes of working memory: coefficients and planes. Default 1 GiB.
    ///
    /// A single-scan picture needs a few rows, a progressive one about 2 bytes per sample, a
    /// lossless one its samples.
    pub max_memory: u64,
    /// Scans of a picture. Default 256; real pictures have up to about a dozen.
    pub max_scans: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_pixels: 1 << 30,
            max_memory: 1 << 30,
            max_scans: 256,
        }
    }
}

impl Limits {
    /// Sets the largest number of pixels.
    #[must_use]
    pub fn with_max_pixels(mut self, pixels: u64) -> Self {
        self.max_pixels = pixels;
        self
    }

    /// Sets the largest working memory in bytes.
    #[must_use]
    pub fn with_max_memory(mut self, bytes: u64) -> Self {
        self.max_memory = bytes;
        self
    }

    /// Sets the largest number of scans.
    #[must_use]
    pub fn with_max_scans(mut self, scans: usize) -> Self {
        self.max_scans = scans;
        self
    }
}

/// How to decode one picture.
///
/// # Example
/// ```
/// use wsi_jpeg::{ColorModel, Options, PixelFormat, Scale};
///
/// // A tile of a TIFF whose photometric tag says RGB, at half size.
/// let options = Options::new(PixelFormat::Rgb8)
///     .with_color(Some(ColorModel::Rgb))
///     .with_scale(Scale::Half);
/// assert_eq!(options.format(), PixelFormat::Rgb8);
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Options<'t> {
    pub(crate) format: PixelFormat,
    pub(crate) tables: Option<&'t Tables>,
    pub(crate) color: Option<ColorModel>,
    pub(crate) scale: Scale,
    pub(crate) limits: Limits,
    pub(crate) window: Option<Window>,
}

impl<'t> Options<'t> {
    /// Decodes to this format, at full size, with the picture's own tables and colour marks.
    #[must_use]
    pub fn new(format: PixelFormat) -> Self {
        Self {
            format,
            tables: None,
            color: None,
            scale: Scale::Full,
            limits: Limits::default(),
            window: None,
        }
    }

    /// Tables in force before the picture's own. Default: none.
    #[must_use]
    pub fn with_tables(mut self, tables: Option<&'t Tables>) -> Self {
        self.tables = tables;
        self
    }

    /// What the components mean, whatever the picture says. Default: `None`, ask the picture.
    ///
    /// A TIFF's photometric tag beats JFIF and Adobe marks in its tiles: Aperio's RGB tiles have
    /// neither mark, and without the tag they would be taken for `YCbCr`.
    #[must_use]
    pub fn with_color(mut self, color: Option<ColorModel>) -> Self {
        self.color = color;
        self
    }

    /// The scale. Default: full size. Lossless pictures ignore it.
    #[must_use]
    pub fn with_scale(mut self, scale: Scale) -> Self {
        self.scale = scale;
        self
    }

    /// The limits. Default: [`Limits::default`].
    #[must_use]
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// The part that is wanted: the output then has the window's size. Default: `None`, all of it.
    ///
    /// Its pixels are those of a full decode. Data behind the last row that the window needs are
    /// not looked at, so damage there stays unnoticed.
    #[must_use]
    pub fn with_window(mut self, window: Option<Window>) -> Self {
        self.window = window;
        self
    }

    /// The window that was chosen.
    #[must_use]
    pub fn window(&self) -> Option<Window> {
        self.window
    }

    /// The pixel format that was chosen.
    #[must_use]
    pub fn format(&self) -> PixelFormat {
        self.format
    }
}
