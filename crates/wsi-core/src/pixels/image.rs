//! An owned picture.

use super::{PixelFormat, PixelsMut, SampleType};
use crate::error::{Error, Result};
use crate::geometry::Size;

/// An owned picture: rows of pixels without gaps.
#[derive(Clone, PartialEq, Eq)]
pub struct Image {
    size: Size,
    format: PixelFormat,
    data: Vec<u8>,
}

impl Image {
    /// A picture of zeros.
    ///
    /// # Errors
    /// `LimitExceeded` if it has more bytes than this machine can address or allocate.
    pub fn zeroed(size: Size, format: PixelFormat) -> Result<Self> {
        let pixel = format.bytes_per_pixel() as u64;
        let too_large = || Error::limit(format!("a picture of {size} pixels of {format}"));
        let bytes = size.area().checked_mul(pixel).ok_or_else(too_large)?;
        let bytes = usize::try_from(bytes)
            .ok()
            .filter(|&bytes| isize::try_from(bytes).is_ok())
            .ok_or_else(too_large)?;
        Ok(Self {
            size,
            format,
            data: wsi_pages::zeroed(bytes),
        })
    }

    /// A picture of these bytes: rows top down, samples side by side in the machine's byte order.
    ///
    /// # Errors
    /// `InvalidArgument` if `data` is not exactly the picture's size.
    pub fn from_bytes(size: Size, format: PixelFormat, data: Vec<u8>) -> Result<Self> {
        let bytes = size.area().checked_mul(format.bytes_per_pixel() as u64);
        if bytes != Some(data.len() as u64) {
            return Err(Error::invalid(format!(
                "{} bytes for {size} pixels of {format}",
                data.len()
            )));
        }
        Ok(Self { size, format, data })
    }

    /// Width and height in pixels.
    #[must_use]
    pub fn size(&self) -> Size {
        self.size
    }

    /// The format of a pixel.
    #[must_use]
    pub fn format(&self) -> PixelFormat {
        self.format
    }

    /// All pixels, row by row, samples in the machine's byte order.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.data
    }

    /// All pixels, given away.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.data
    }

    /// Row `y`, top down.
    ///
    /// # Panics
    /// If there is no row `y`.
    #[must_use]
    pub fn row(&self, y: u32) -> &[u8] {
        assert!(y < self.size.height, "row {y} of {}", self.size.height);
        let row_bytes = self.size.width as usize * self.format.bytes_per_pixel();
        let start = y as usize * row_bytes;
        &self.data[start..start + row_bytes]
    }

    /// The picture, to write into.
    #[must_use]
    pub fn pixels_mut(&mut self) -> PixelsMut<'_> {
        PixelsMut::of_image(&mut self.data, self.size, self.format)
    }

    /// All samples, row by row, side by side; `None` if they are of another type.
    ///
    /// ```
    /// # use wsi_core::{Image, PixelFormat, Size};
    /// let image = Image::zeroed(Size::new(2, 1), PixelFormat::GRAY16)?;
    /// assert_eq!(image.samples::<u16>(), Some(vec![0, 0]));
    /// assert_eq!(image.samples::<u8>(), None);
    /// # Ok::<(), wsi_core::Error>(())
    /// ```
    #[must_use]
    pub fn samples<T: Sample>(&self) -> Option<Vec<T>> {
        (self.format.sample == T::TYPE).then(|| {
            self.data
                .chunks_exact(size_of::<T>())
                .map(T::read_ne)
                .collect()
        })
    }
}

impl std::fmt::Debug for Image {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Image")
            .field("size", &self.size)
            .field("format", &self.format)
            .finish_non_exhaustive()
    }
}

mod sealed {
    #[expect(unnameable_types, reason = "seals `Sample`")]
    pub trait Sealed {}
}

/// A Rust type that holds one sample.
pub trait Sample: sealed::Sealed + Copy {
    /// The sample type that it holds.
    const TYPE: SampleType;

    #[doc(hidden)]
    fn read_ne(bytes: &[u8]) -> Self;
}

macro_rules! samples {
    ($($rust:ty: $kind:ident),*) => {$(
        impl sealed::Sealed for $rust {}
        impl Sample for $rust {
            const TYPE: SampleType = SampleType::$kind;

            fn read_ne(bytes: &[u8]) -> Self {
                Self::from_ne_bytes(bytes.try_into().expect("a chunk of one sample"))
            }
        }
    )*};
}

samples!(u8: U8, i8: I8, u16: U16, i16: I16, u32: U32, i32: I32, u64: U64, i64: I64, f32: F32, f64: F64);
