//! The CUDA driver's library: found, checked, started; its errors in words.
//!
//! `cudarc` panics where the library or one of its functions is missing. [`start`] asks for all of
//! them first, so that nothing after it can.

use std::ffi::{CStr, c_char, c_int};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::PoisonError;

use cudarc::driver::sys::{self, CUresult};
use wsi_core::{Error, ErrorKind, Result};

/// The functions that this crate calls.
const FUNCTIONS: &[&str] = &[
    "cuCtxPopCurrent_v2",
    "cuCtxPushCurrent_v2",
    "cuCtxSynchronize",
    "cuDeviceGet",
    "cuDeviceGetAttribute",
    "cuDeviceGetCount",
    "cuDeviceGetName",
    "cuDevicePrimaryCtxRelease_v2",
    "cuDevicePrimaryCtxRetain",
    "cuDeviceTotalMem_v2",
    "cuDriverGetVersion",
    "cuEventCreate",
    "cuEventDestroy_v2",
    "cuEventRecord",
    "cuEventSynchronize",
    "cuGetErrorName",
    "cuGetErrorString",
    "cuInit",
    "cuLaunchKernel",
    "cuMemAllocFromPoolAsync",
    "cuMemAlloc_v2",
    "cuMemFreeAsync",
    "cuMemFreeHost",
    "cuMemFree_v2",
    "cuMemGetInfo_v2",
    "cuMemHostAlloc",
    "cuMemPoolCreate",
    "cuMemPoolDestroy",
    "cuMemPoolGetAttribute",
    "cuMemPoolSetAttribute",
    "cuMemcpyDtoHAsync_v2",
    "cuMemcpyHtoDAsync_v2",
    "cuMemsetD8Async",
    "cuModuleGetFunction",
    "cuModuleLoadData",
    "cuModuleUnload",
    "cuStreamCreate",
    "cuStreamDestroy_v2",
    "cuStreamSynchronize",
    "cuStreamWaitEvent",
];

const HOW_TO_INSTALL: &str = "it comes with NVIDIA's driver: install that, of CUDA 12.0 or later";

/// That the driver has been started; a failure is tried again by the next who asks.
static STARTED: Mutex<bool> = Mutex::new(false);

/// Loads and starts the driver, if that has not been done.
///
/// # Errors
/// `BackendUnavailable` with the reason: no library, a function that it lacks, no device.
pub(super) fn start() -> Result<()> {
    let mut started = STARTED.lock().unwrap_or_else(PoisonError::into_inner);
    if !*started {
        let outcome = catch_unwind(AssertUnwindSafe(load_and_start));
        outcome
            .unwrap_or_else(|_| Err("loading it panicked".to_owned()))
            .map_err(unavailable)?;
        *started = true;
    }
    Ok(())
}

fn load_and_start() -> Result<(), String> {
    // SAFETY: loading a library runs its initialisers; those of the driver have no requirements, and
    // that the system's loader finds the driver under its name is for whoever set the system up.
    if !unsafe { sys::is_culib_present() } {
        return Err(format!(
            "the library libcuda is not there; {HOW_TO_INSTALL}"
        ));
    }
    // SAFETY: as above; it has just been found.
    let library = unsafe { sys::culib() };
    let missing = FUNCTIONS.iter().find(|name| {
        // SAFETY: looked up only; a function without its true type is never called.
        unsafe { library.get::<unsafe extern "C" fn()>(name.as_bytes()) }.is_err()
    });
    if let Some(name) = missing {
        return Err(format!(
            "the library libcuda has no {name}; {HOW_TO_INSTALL}"
        ));
    }
    // SAFETY: may be called at any time, more than once.
    let code = unsafe { sys::cuInit(0) };
    if code == CUresult::CUDA_SUCCESS {
        Ok(())
    } else {
        Err(format!("the driver does not start: {}", in_words(code)))
    }
}

/// An error of kind `BackendUnavailable`.
pub(super) fn unavailable(why: impl AsRef<str>) -> Error {
    Error::new(
        ErrorKind::BackendUnavailable,
        format!("CUDA: {}", why.as_ref()),
    )
}

/// An error of kind `Device`.
pub(super) fn device(why: impl Into<String>) -> Error {
    Error::new(ErrorKind::Device, why)
}

/// The outcome of a function of the driver, by its name.
///
/// # Errors
/// `Device`, unless it is success.
pub(super) fn check(function: &str, code: CUresult) -> Result<()> {
    if code == CUresult::CUDA_SUCCESS {
        Ok(())
    } else {
        Err(device(format!("{function}: {}", in_words(code))))
    }
}

/// A code's name, number and meaning. Only after the functions were seen to be there.
fn in_words(code: CUresult) -> String {
    let ask = |function: unsafe fn(CUresult, *mut *const c_char) -> CUresult| {
        let mut text = std::ptr::null();
        // SAFETY: both functions take any code, and write a pointer to a constant string, or none.
        unsafe {
            let found = function(code, &raw mut text) == CUresult::CUDA_SUCCESS && !text.is_null();
            found.then(|| CStr::from_ptr(text).to_string_lossy().into_owned())
        }
    };
    let number = code as u32;
    match (ask(sys::cuGetErrorName), ask(sys::cuGetErrorString)) {
        (Some(name), Some(meaning)) => format!("{name} ({number}), {meaning}"),
        _ => format!("error {number}"),
    }
}

/// What is known of a device.
#[derive(Clone, Debug)]
pub(crate) struct Facts {
    pub(crate) name: String,
    pub(crate) capability: (u32, u32),
    pub(crate) memory: u64,
    /// The newest CUDA that the driver serves.
    pub(crate) version: (u32, u32),
    /// Whether memory can be allocated in the order of a stream.
    pub(crate) pools: bool,
}

/// How many devices there are.
///
/// # Errors
/// `BackendUnavailable` if there is no driver or no device.
pub(crate) fn count() -> Result<usize> {
    start()?;
    let mut count: c_int = 0;
    // SAFETY: writes an integer.
    check("cuDeviceGetCount", unsafe {
        sys::cuDeviceGetCount(&raw mut count)
    })?;
    match usize::try_from(count) {
        Ok(count @ 1..) => Ok(count),
        _ => Err(unavailable("the driver finds no device")),
    }
}

/// The driver's handle of a device.
///
/// # Errors
/// As [`count`]; `BackendUnavailable` as well if there are not so many.
pub(super) fn handle(ordinal: usize) -> Result<sys::CUdevice> {
    let count = count()?;
    let number = c_int::try_from(ordinal).ok().filter(|_| ordinal < count);
    let number =
        number.ok_or_else(|| unavailable(format!("there is no device {ordinal} among {count}")))?;
    let mut device = 0;
    // SAFETY: writes an integer.
    check("cuDeviceGet", unsafe {
        sys::cuDeviceGet(&raw mut device, number)
    })?;
    Ok(device)
}

/// What is known of a device.
///
/// # Errors
/// As [`handle`].
pub(crate) fn facts(ordinal: usize) -> Result<Facts> {
    use sys::CUdevice_attribute as Attribute;
    let device = handle(ordinal)?;
    let mut name = [0_u8; 256];
    let mut memory = 0;
    let mut version = 0;
    // SAFETY: writes at most as many bytes as it is told that there are, with a NUL.
    check("cuDeviceGetName", unsafe {
        sys::cuDeviceGetName(name.as_mut_ptr().cast(), 256, device)
    })?;
    // SAFETY: writes an integer.
    check("cuDeviceTotalMem", unsafe {
        sys::cuDeviceTotalMem_v2(&raw mut memory, device)
    })?;
    // SAFETY: writes an integer.
    check("cuDriverGetVersion", unsafe {
        sys::cuDriverGetVersion(&raw mut version)
    })?;
    let attribute = |attribute: Attribute| -> Result<u32> {
        let mut value: c_int = 0;
        // SAFETY: writes an integer.
        let code = unsafe { sys::cuDeviceGetAttribute(&raw mut value, attribute, device) };
        check("cuDeviceGetAttribute", code)?;
        Ok(u32::try_from(value).unwrap_or(0))
    };
    let name = CStr::from_bytes_until_nul(&name).unwrap_or_default();
    let version = u32::try_from(version).unwrap_or(0);
    Ok(Facts {
        name: name.to_string_lossy().into_owned(),
        capability: (
            attribute(Attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR)?,
            attribute(Attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR)?,
        ),
        memory: memory as u64,
        version: (version / 1000, version % 1000 / 10),
        pools: attribute(Attribute::CU_DEVICE_ATTRIBUTE_MEMORY_POOLS_SUPPORTED)? != 0,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_function_that_is_called_is_asked_for() {
        let sources = [
            include_str!("driver.rs"),
            include_str!("context.rs"),
            include_str!("image.rs"),
            include_str!("mod.rs"),
            include_str!("upload.rs"),
        ];
        let mut called = 0;
        for source in sources {
            for call in source.split("sys::cu").skip(1) {
                let end = call.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
                let name = call.get(..end.unwrap()).unwrap();
                // `culib` and the texts of this test are no functions of the driver.
                if name.starts_with(|c: char| c.is_ascii_uppercase()) {
                    let name = format!("cu{name}");
                    assert!(FUNCTIONS.contains(&name.as_str()), "{name}");
                    called += 1;
                }
            }
        }
        assert!(
            called >= FUNCTIONS.len(),
            "{called} calls of {} functions",
            FUNCTIONS.len()
        );
        assert!(FUNCTIONS.is_sorted());
    }
}
