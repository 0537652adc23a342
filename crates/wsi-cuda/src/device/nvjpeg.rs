//! nvJPEG, NVIDIA's decoder, to compare with: its library is loaded at run time, if it is there.
//!
//! Only what a comparison needs: batches of streams of one size to bytes, channels side by side. The
//! functions and numbers are those of `nvjpeg.h` of CUDA 11 to 13.

use std::ffi::{OsStr, OsString, c_int, c_uint, c_void};
use std::ptr;

use libloading::Library;
use wsi_core::{Error, ErrorKind, Result, Size};

use super::cuda::CudaExecutor;
use crate::executor::{Buffer, Executor};

/// Names a library file, before the system's names are tried.
const VARIABLE: &str = "WSI_NVJPEG_LIBRARY";
/// Names by which the system's loader finds it, the newest first.
const NAMES: &[&str] = &[
    "libnvjpeg.so.13",
    "libnvjpeg.so.12",
    "libnvjpeg.so.11",
    "libnvjpeg.so",
];

/// Which of nvJPEG's ways to decode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NvJpegBackend {
    /// What nvJPEG chooses.
    Default,
    /// Huffman codes on the CPU, the rest on the GPU.
    Hybrid,
    /// All on the GPU's cores.
    Gpu,
    /// The decoder in the hardware that some devices have.
    Hardware,
}

impl NvJpegBackend {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Default, Self::Hybrid, Self::Gpu, Self::Hardware];

    fn code(self) -> c_int {
        match self {
            Self::Default => 0,
            Self::Hybrid => 1,
            Self::Gpu => 2,
            Self::Hardware => 3,
        }
    }
}

/// `NVJPEG_FLAGS_UPSAMPLING_WITH_INTERPOLATION`: as libjpeg's "fancy" upsampling, not repeated samples.
const INTERPOLATE: c_uint = 1 << 5;
/// `NVJPEG_OUTPUT_RGBI`.
const INTERLEAVED: c_int = 5;

/// `nvjpegImage_t`.
#[derive(Clone, Copy)]
#[repr(C)]
struct Image {
    channel: [*mut u8; 4],
    pitch: [usize; 4],
}

type Handle = *mut c_void;
type Status = c_int;

/// The functions of the library, which keeps them good.
struct Api {
    create: unsafe extern "C" fn(c_int, *mut c_void, *mut c_void, c_uint, *mut Handle) -> Status,
    destroy: unsafe extern "C" fn(Handle) -> Status,
    state_create: unsafe extern "C" fn(Handle, *mut Handle) -> Status,
    state_destroy: unsafe extern "C" fn(Handle) -> Status,
    image_info: unsafe extern "C" fn(
        Handle,
        *const u8,
        usize,
        *mut c_int,
        *mut c_int,
        *mut c_int,
        *mut c_int,
    ) -> Status,
    batch_start: unsafe extern "C" fn(Handle, Handle, c_int, c_int, c_int) -> Status,
    batch_decode: unsafe extern "C" fn(
        Handle,
        Handle,
        *const *const u8,
        *const usize,
        *mut Image,
        *mut c_void,
    ) -> Status,
    property: unsafe extern "C" fn(c_int, *mut c_int) -> Status,
    _library: Library,
}

impl Api {
    /// The library that the variable names, or else the one that the system finds.
    fn find() -> Result<Self> {
        let named = std::env::var_os(VARIABLE).filter(|value| !value.is_empty());
        let names: Vec<OsString> = match named {
            Some(name) => vec![name],
            None => NAMES.iter().map(OsString::from).collect(),
        };
        let mut reasons = Vec::new();
        for name in names {
            match Self::load(&name) {
                Ok(api) => return Ok(api),
                Err(reason) => reasons.push(reason.to_string()),
            }
        }
        let message = format!(
            "nvJPEG cannot be loaded ({}); {VARIABLE} may name it",
            reasons.join("; ")
        );
        Err(Error::new(ErrorKind::BackendUnavailable, message))
    }

    fn load(name: &OsStr) -> Result<Self, libloading::Error> {
        // SAFETY: loading runs the library's initialisers, which have no requirements; that the file
        // is nvJPEG is for whoever names it. The functions' types are those of its header.
        unsafe {
            let library = Library::new(name)?;
            Ok(Self {
                create: *library.get(b"nvjpegCreateEx")?,
                destroy: *library.get(b"nvjpegDestroy")?,
                state_create: *library.get(b"nvjpegJpegStateCreate")?,
                state_destroy: *library.get(b"nvjpegJpegStateDestroy")?,
                image_info: *library.get(b"nvjpegGetImageInfo")?,
                batch_start: *library.get(b"nvjpegDecodeBatchedInitialize")?,
                batch_decode: *library.get(b"nvjpegDecodeBatched")?,
                property: *library.get(b"nvjpegGetProperty")?,
                _library: library,
            })
        }
    }

    fn version(&self) -> [c_int; 3] {
        [0, 1, 2].map(|part| {
            let mut value = 0;
            // SAFETY: writes an integer.
            match unsafe { (self.property)(part, &raw mut value) } {
                0 => value,
                _ => 0,
            }
        })
    }
}

/// A decoder of nvJPEG on the device and the stream of an executor.
///
/// Its pixels are its own: for subsampled chroma they differ from libjpeg-turbo's by a few levels,
/// with interpolation as well. Whoever compares, says by how much.
pub struct NvJpeg {
    api: Api,
    executor: CudaExecutor,
    handle: Handle,
    state: Handle,
    /// Streams of a batch, and CPU threads, that the state is ready for.
    ready: Option<(usize, usize)>,
}

impl NvJpeg {
    /// A decoder that puts its work on the stream of `executor`.
    ///
    /// # Errors
    /// `BackendUnavailable` if the library is not there, or the device has no such way to decode;
    /// `Device` if it fails.
    pub fn new(executor: CudaExecutor, backend: NvJpegBackend, interpolate: bool) -> Result<Self> {
        let api = Api::find()?;
        let flags = if interpolate { INTERPOLATE } else { 0 };
        let (mut handle, mut state) = (ptr::null_mut(), ptr::null_mut());
        let outcome = executor.within(|| {
            // SAFETY: writes a handle; no allocators of ours.
            let status = unsafe {
                (api.create)(
                    backend.code(),
                    ptr::null_mut(),
                    ptr::null_mut(),
                    flags,
                    &raw mut handle,
                )
            };
            match status {
                // The architecture does not match, or this is not implemented.
                7 | 9 => {
                    let why = format!("nvJPEG has no {backend:?} decoder for this device");
                    return Err(Error::new(ErrorKind::BackendUnavailable, why));
                }
                _ => check("nvjpegCreateEx", status)?,
            }
            // SAFETY: the handle has been made; writes another.
            check("nvjpegJpegStateCreate", unsafe {
                (api.state_create)(handle, &raw mut state)
            })
        });
        let this = Self {
            api,
            executor,
            handle,
            state,
            ready: None,
        };
        // Dropped, it gives back what there is.
        outcome?.map(|()| this)
    }

    /// The library's version.
    #[must_use]
    pub fn version(&self) -> String {
        let [major, minor, patch] = self.api.version();
        format!("{major}.{minor}.{patch}")
    }

    /// The executor, whose buffers the pixels go to.
    #[must_use]
    pub fn executor(&self) -> &CudaExecutor {
        &self.executor
    }

    /// Decodes streams of one size to `to`: item, row, column, channel, and waits for the end.
    ///
    /// # Errors
    /// `InvalidArgument` if `to` is too small or of another executor, or a stream of another size;
    /// `Device` if nvJPEG fails.
    pub fn decode(
        &mut self,
        streams: &[&[u8]],
        size: Size,
        to: &Buffer,
        threads: usize,
    ) -> Result<()> {
        let (width, height) = (size.width as usize, size.height as usize);
        let item = width.saturating_mul(3).saturating_mul(height);
        let fits = item
            .checked_mul(streams.len())
            .is_some_and(|bytes| bytes <= to.len());
        let (true, Ok(count)) = (fits, c_int::try_from(streams.len())) else {
            let what = format!(
                "{} pictures of {size} into {} bytes",
                streams.len(),
                to.len()
            );
            return Err(Error::invalid(what));
        };
        for (number, stream) in streams.iter().enumerate() {
            self.check_size(number, stream, size)?;
        }
        let start = usize::try_from(self.executor.address(to)?).unwrap_or(0);
        let data: Vec<*const u8> = streams.iter().map(|stream| stream.as_ptr()).collect();
        let lengths: Vec<usize> = streams.iter().map(|stream| stream.len()).collect();
        let mut images: Vec<Image> = (0..streams.len())
            .map(|number| Image {
                channel: [
                    ptr::without_provenance_mut(start + number * item),
                    ptr::null_mut(),
                    ptr::null_mut(),
                    ptr::null_mut(),
                ],
                pitch: [width * 3, 0, 0, 0],
            })
            .collect();
        let ready = (streams.len(), threads);
        let cpu_threads = c_int::try_from(threads).unwrap_or(1);
        let (api, handle, state) = (&self.api, self.handle, self.state);
        let (was_ready, stream) = (self.ready == Some(ready), self.executor.stream());
        self.executor.within(|| {
            if !was_ready {
                // SAFETY: both handles live.
                let status =
                    unsafe { (api.batch_start)(handle, state, count, cpu_threads, INTERLEAVED) };
                check("nvjpegDecodeBatchedInitialize", status)?;
            }
            // SAFETY: as many pointers, lengths and images as the state is ready for; each picture
            // has been seen to have the size for which there is room; all of it lives until the
            // stream has been waited for, below.
            let status = unsafe {
                (api.batch_decode)(
                    handle,
                    state,
                    data.as_ptr(),
                    lengths.as_ptr(),
                    images.as_mut_ptr(),
                    stream,
                )
            };
            check("nvjpegDecodeBatched", status)
        })??;
        self.ready = Some(ready);
        self.executor.synchronize()
    }

    fn check_size(&self, number: usize, stream: &[u8], size: Size) -> Result<()> {
        let (mut components, mut sampling) = (0, 0);
        let (mut widths, mut heights) = ([0; 4], [0; 4]);
        // SAFETY: the stream's bytes are there; writes two integers and two arrays of four.
        let status = unsafe {
            (self.api.image_info)(
                self.handle,
                stream.as_ptr(),
                stream.len(),
                &raw mut components,
                &raw mut sampling,
                widths.as_mut_ptr(),
                heights.as_mut_ptr(),
            )
        };
        check("nvjpegGetImageInfo", status)?;
        let found = (u32::try_from(widths[0]), u32::try_from(heights[0]));
        if found == (Ok(size.width), Ok(size.height)) {
            Ok(())
        } else {
            let (width, height) = (widths[0], heights[0]);
            Err(Error::invalid(format!(
                "stream {number} is of {width} x {height}, not {size}"
            )))
        }
    }
}

impl std::fmt::Debug for NvJpeg {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NvJpeg")
            .field("version", &self.version())
            .finish_non_exhaustive()
    }
}

impl Drop for NvJpeg {
    fn drop(&mut self) {
        drop(self.executor.synchronize());
        let (api, handle, state) = (&self.api, self.handle, self.state);
        // A failure leaves them where they are.
        drop(self.executor.within(|| {
            // SAFETY: made by `new` if they are not null, given back once, and nothing runs any more.
            unsafe {
                if !state.is_null() {
                    let _ = (api.state_destroy)(state);
                }
                if !handle.is_null() {
                    let _ = (api.destroy)(handle);
                }
            }
        }));
    }
}

fn check(function: &str, status: Status) -> Result<()> {
    // The meanings are those of `nvjpegStatus_t`.
    let meaning = match status {
        0 => return Ok(()),
        1 => "not initialised",
        2 => "an argument is wrong",
        3 => "the JPEG is broken",
        4 => "the JPEG is not supported",
        5 => "no memory",
        6 => "it failed on the device",
        7 => "it was not built for this device",
        8 => "an error of its own",
        9 => "not implemented",
        10 => "the JPEG ends early",
        _ => "unknown",
    };
    Err(Error::new(
        ErrorKind::Device,
        format!("{function}: status {status}, {meaning}"),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn structs_are_those_of_the_header_on_64_bits() {
        assert_eq!(
            (size_of::<Image>(), std::mem::offset_of!(Image, pitch)),
            (64, 32)
        );
    }

    #[test]
    fn a_library_that_is_not_there_or_another_is_refused() {
        for (name, part) in [
            ("no/such/libnvjpeg.so", "libnvjpeg"),
            ("libc.so.6", "nvjpegCreateEx"),
        ] {
            let error = Api::load(OsStr::new(name)).err().unwrap();
            assert!(error.to_string().contains(part), "{error}");
        }
    }

    #[test]
    fn where_the_library_is_it_has_all_functions_and_a_version() {
        match Api::find() {
            Ok(api) => assert!(api.version()[0] >= 11),
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::BackendUnavailable);
                println!("SKIP: {error}");
            }
        }
    }
}
