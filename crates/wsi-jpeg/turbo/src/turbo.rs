//! libjpeg-turbo through the raw functions of the `turbojpeg` crate.
//!
//! Raw, because the crate's own `decompress` reads the headers twice, which would be unfair in a
//! benchmark, and reports a warning as an error, which hides that there are pixels.

use std::ffi::{CStr, c_int};
use std::ptr;

use turbojpeg::raw;
use wsi_jpeg::{PixelFormat, Scale};

/// The version that `turbojpeg-sys` 1.2.0 brings along.
pub const VERSION: &str = "3.1.0";

/// How a decode ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// Without a complaint.
    Clean,
    /// With all pixels, and this first warning.
    Warned(String),
    /// Without a picture.
    Failed(String),
}

/// What a decode gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decoded {
    /// How it ended.
    pub ending: Ending,
    /// Columns.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// Rows top down, without gaps.
    pub pixels: Vec<u8>,
}

/// libjpeg-turbo's number of a pixel format, if it has it.
#[must_use]
pub fn format_number(format: PixelFormat) -> Option<c_int> {
    Some(match format {
        PixelFormat::Gray8 => raw::TJPF_TJPF_GRAY,
        PixelFormat::Rgb8 => raw::TJPF_TJPF_RGB,
        PixelFormat::Bgr8 => raw::TJPF_TJPF_BGR,
        PixelFormat::Rgba8 => raw::TJPF_TJPF_RGBA,
        PixelFormat::Bgra8 => raw::TJPF_TJPF_BGRA,
        PixelFormat::Cmyk8 => raw::TJPF_TJPF_CMYK,
        _ => return None,
    })
}

/// A reusable decompressor.
#[derive(Debug)]
pub struct Turbo {
    handle: raw::tjhandle,
}

// SAFETY: a handle holds no thread-local state; only the thread that owns it uses it.
unsafe impl Send for Turbo {}

impl Turbo {
    /// A decompressor with libjpeg-turbo's defaults: accurate integer DCT, fancy upsampling.
    ///
    /// # Panics
    /// If there is no memory for it.
    #[must_use]
    pub fn new() -> Self {
        // SAFETY: takes a number and returns a handle or null, which is checked.
        let handle = unsafe { raw::tj3Init(raw::TJINIT_TJINIT_DECOMPRESS as c_int) };
        assert!(!handle.is_null(), "libjpeg-turbo gives a decompressor");
        Self { handle }
    }

    /// Width and height of a picture.
    ///
    /// # Errors
    /// libjpeg-turbo's message if the headers are beyond use.
    pub fn size(&mut self, data: &[u8]) -> Result<(usize, usize), String> {
        // SAFETY: `data` is a readable slice of that length, the handle is alive.
        let code = unsafe { raw::tj3DecompressHeader(self.handle, data.as_ptr(), data.len() as _) };
        if code != 0 {
            // The size is now that of this picture, if it got so far, or that of the one before. A
            // fresh handle has none before.
            *self = Self::new();
            // SAFETY: as above.
            unsafe { raw::tj3DecompressHeader(self.handle, data.as_ptr(), data.len() as _) };
        }
        let width = self.get(raw::TJPARAM_TJPARAM_JPEGWIDTH);
        let height = self.get(raw::TJPARAM_TJPARAM_JPEGHEIGHT);
        if width < 1 || height < 1 {
            return Err(self.message());
        }
        Ok((width as usize, height as usize))
    }

    /// Decodes a picture by itself, unless it has more than `most` pixels.
    ///
    /// # Panics
    /// If libjpeg-turbo has no such format.
    pub fn decode(
        &mut self,
        data: &[u8],
        scale: Scale,
        format: PixelFormat,
        most: usize,
    ) -> Decoded {
        // A decompressor keeps the tables of the pictures before and lends them to one without.
        *self = Self::new();
        let failed = |message| Decoded {
            ending: Ending::Failed(message),
            width: 0,
            height: 0,
            pixels: Vec::new(),
        };
        let (width, height) = match self.size(data) {
            Ok(size) => size,
            Err(message) => return failed(message),
        };
        if width * height > most {
            return failed(format!("{width} x {height} are more than {most} pixels"));
        }
        self.set_scale(scale);
        let (width, height) = (
            scale.apply(width as u32) as usize,
            scale.apply(height as u32) as usize,
        );
        let pitch = width * format.bytes_per_pixel();
        let mut pixels = vec![0; pitch * height];
        let mut ending = self.decode_into(data, format, &mut pixels, pitch);
        if matches!(ending, Ending::Warned(_)) {
            // A fatal error behind a warning is reported as the warning. Then some pixels, the last
            // ones for sure, have not been written.
            let mut again = vec![0xFF; pitch * height];
            self.decode_into(data, format, &mut again, pitch);
            if again != pixels {
                ending = Ending::Failed(self.message());
            }
        }
        Decoded {
            ending,
            width,
            height,
            pixels,
        }
    }

    /// Sets the scale of the decodes to come.
    ///
    /// # Panics
    /// If libjpeg-turbo does not know it.
    pub fn set_scale(&mut self, scale: Scale) {
        let denom = match scale {
            Scale::Full => 1,
            Scale::Half => 2,
            Scale::Quarter => 4,
            Scale::Eighth => 8,
            other => panic!("no scale {other:?} here"),
        };
        let factor = raw::tjscalingfactor { num: 1, denom };
        // SAFETY: the handle is alive, the factor is passed by value.
        let code = unsafe { raw::tj3SetScalingFactor(self.handle, factor) };
        assert_eq!(code, 0, "{}", self.message());
    }

    /// Decodes at the scale set last, in one pass over the headers: libjpeg-turbo at its best.
    ///
    /// # Panics
    /// If libjpeg-turbo has no such format, or if `pixels` is too small for the picture. The size
    /// is that of the last [`size`](Self::size) or decode of this handle, so a picture of another
    /// size must go through `size` before.
    pub fn decode_into(
        &mut self,
        data: &[u8],
        format: PixelFormat,
        pixels: &mut [u8],
        pitch: usize,
    ) -> Ending {
        let number = format_number(format).expect("a format that libjpeg-turbo has");
        // SAFETY: `data` and `pixels` are slices of these lengths, the handle is alive. Callers of
        // this crate pass `pixels` made for the size that `size` found in the same data.
        let code = unsafe {
            raw::tj3Decompress8(
                self.handle,
                data.as_ptr(),
                data.len() as _,
                pixels.as_mut_ptr(),
                pitch as c_int,
                number,
            )
        };
        // SAFETY: the handle is alive.
        let warning =
            unsafe { raw::tj3GetErrorCode(self.handle) } == raw::TJERR_TJERR_WARNING as c_int;
        match (code, warning) {
            (0, _) => Ending::Clean,
            (_, true) => Ending::Warned(self.message()),
            (_, false) => Ending::Failed(self.message()),
        }
    }

    fn get(&self, parameter: raw::TJPARAM) -> c_int {
        // SAFETY: the handle is alive; an unknown parameter gives -1.
        unsafe { raw::tj3Get(self.handle, parameter as c_int) }
    }

    fn message(&self) -> String {
        // SAFETY: the string belongs to the handle, ends in a zero byte, and is copied at once.
        let text = unsafe { CStr::from_ptr(raw::tj3GetErrorStr(self.handle)) };
        text.to_string_lossy().into_owned()
    }
}

impl Default for Turbo {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Turbo {
    fn drop(&mut self) {
        // SAFETY: the handle is alive and nobody uses it afterwards.
        unsafe { raw::tj3Destroy(self.handle) };
    }
}

/// What libjpeg-turbo encodes with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Encoding {
    /// 1 to 100.
    pub quality: u8,
    /// Largest sampling factors, across and down; chroma has 1 and 1.
    pub sampling: (u8, u8),
    /// MCUs between restart markers, 0 for none.
    pub restart: u16,
    /// Huffman tables made for this picture.
    pub optimised: bool,
    /// Progressive.
    pub progressive: bool,
}

/// The sampling factors that libjpeg-turbo's encoder has.
pub const TURBO_SAMPLINGS: [(u8, u8); 6] = [(1, 1), (2, 1), (2, 2), (1, 2), (4, 1), (1, 4)];

impl Encoding {
    /// Encodes gray (1 channel), RGB to `YCbCr` (3) or CMYK to YCCK (4).
    ///
    /// # Panics
    /// If libjpeg-turbo cannot encode it, or `pixels` is too short.
    #[must_use]
    pub fn encode(self, pixels: &[u8], width: usize, height: usize, channels: usize) -> Vec<u8> {
        assert!(pixels.len() >= width * height * channels);
        let (format, gray) = match channels {
            1 => (raw::TJPF_TJPF_GRAY, true),
            3 => (raw::TJPF_TJPF_RGB, false),
            4 => (raw::TJPF_TJPF_CMYK, false),
            other => panic!("no pictures of {other} channels"),
        };
        let subsampling = match self.sampling {
            _ if gray => raw::TJSAMP_TJSAMP_GRAY,
            (1, 1) => raw::TJSAMP_TJSAMP_444,
            (2, 1) => raw::TJSAMP_TJSAMP_422,
            (2, 2) => raw::TJSAMP_TJSAMP_420,
            (1, 2) => raw::TJSAMP_TJSAMP_440,
            (4, 1) => raw::TJSAMP_TJSAMP_411,
            (1, 4) => raw::TJSAMP_TJSAMP_441,
            other => panic!("libjpeg-turbo does not encode sampling {other:?}"),
        };
        let parameters = [
            (raw::TJPARAM_TJPARAM_QUALITY, c_int::from(self.quality)),
            (raw::TJPARAM_TJPARAM_SUBSAMP, subsampling),
            (
                raw::TJPARAM_TJPARAM_RESTARTBLOCKS,
                c_int::from(self.restart),
            ),
            (raw::TJPARAM_TJPARAM_OPTIMIZE, c_int::from(self.optimised)),
            (
                raw::TJPARAM_TJPARAM_PROGRESSIVE,
                c_int::from(self.progressive),
            ),
        ];
        let mut buffer = ptr::null_mut();
        let mut length = 0;
        // SAFETY: the handle is used between its making and its destruction; `pixels` has the
        // checked length; with a null buffer the library allocates one, which is copied and freed.
        unsafe {
            let handle = raw::tj3Init(raw::TJINIT_TJINIT_COMPRESS as c_int);
            assert!(!handle.is_null(), "libjpeg-turbo gives a compressor");
            for (parameter, value) in parameters {
                assert_eq!(
                    raw::tj3Set(handle, parameter as c_int, value),
                    0,
                    "{self:?}"
                );
            }
            let code = raw::tj3Compress8(
                handle,
                pixels.as_ptr(),
                width as c_int,
                0,
                height as c_int,
                format,
                &raw mut buffer,
                &raw mut length,
            );
            assert_eq!(code, 0, "{self:?}");
            let stream = std::slice::from_raw_parts(buffer, length as usize).to_vec();
            raw::tj3Free(buffer.cast());
            raw::tj3Destroy(handle);
            stream
        }
    }
}
