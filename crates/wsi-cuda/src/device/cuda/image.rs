//! The compiled kernels: which of them for which device, and loading them.

use std::ffi::{CString, c_void};

use cudarc::driver::sys::{self, CUfunction, CUmodule};
use wsi_core::Result;

use super::context::Context;
use super::driver::{check, unavailable};
use crate::executor::Kernel;

/// Machine code for devices of compute capability 8.0 to 8.9.
static SM_80: &[u8] = include_bytes!("../../../kernels/built/wsi_sm80.cubin");
/// Machine code for devices of compute capability 9.0.
static SM_90: &[u8] = include_bytes!("../../../kernels/built/wsi_sm90.cubin");
/// Code that the driver translates, for devices of compute capability 8.0 and later.
static PTX: &str = concat!(include_str!("../../../kernels/built/wsi.ptx"), "\0");

/// The oldest devices that the kernels are compiled for.
const OLDEST: (u32, u32) = (8, 0);

/// The images to try on a device, the best first. Machine code runs on devices of the same major and
/// the same or a later minor capability (CUDA C++ Programming Guide, binary compatibility).
///
/// # Errors
/// `BackendUnavailable` if the device is too old.
fn images_for(capability: (u32, u32)) -> Result<Vec<&'static [u8]>> {
    let (major, minor) = capability;
    if capability < OLDEST {
        let (oldest, of) = OLDEST;
        return Err(unavailable(format!(
            "the device has compute capability {major}.{minor}; the kernels need {oldest}.{of}"
        )));
    }
    let code = match major {
        8 => Some(SM_80),
        9 => Some(SM_90),
        _ => None,
    };
    Ok(code.into_iter().chain([PTX.as_bytes()]).collect())
}

/// The loaded kernels of a context.
#[derive(Debug)]
pub(super) struct Module {
    module: CUmodule,
    functions: [CUfunction; Kernel::ALL.len()],
}

impl Module {
    /// Loads the kernels for a device of some capability, whose context is current.
    ///
    /// # Errors
    /// `BackendUnavailable` if the device is too old; `Device` if the driver takes none of the images.
    pub(super) fn load(context: &Context, capability: (u32, u32)) -> Result<Self> {
        let _current = context.enter()?;
        let mut loaded = Err(unavailable("no compiled kernels"));
        for image in images_for(capability)? {
            let mut module = std::ptr::null_mut();
            // SAFETY: the image is a whole cubin, or PTX that ends with NUL.
            let code =
                unsafe { sys::cuModuleLoadData(&raw mut module, image.as_ptr().cast::<c_void>()) };
            loaded = check("cuModuleLoadData", code).map(|()| module);
            if loaded.is_ok() {
                break;
            }
        }
        let mut this = Self {
            module: loaded?,
            functions: [std::ptr::null_mut(); Kernel::ALL.len()],
        };
        let outcome = this.find_functions();
        if outcome.is_err() {
            this.unload();
        }
        outcome.map(|()| this)
    }

    fn find_functions(&mut self) -> Result<()> {
        for (kernel, function) in Kernel::ALL.iter().zip(&mut self.functions) {
            let name = CString::new(kernel.name()).unwrap_or_default();
            // SAFETY: the module is loaded, the name ends with NUL.
            let code = unsafe { sys::cuModuleGetFunction(function, self.module, name.as_ptr()) };
            check(&format!("cuModuleGetFunction of {}", kernel.name()), code)?;
        }
        Ok(())
    }

    /// The function of a kernel.
    pub(super) fn function(&self, kernel: Kernel) -> Option<CUfunction> {
        let place = Kernel::ALL.iter().position(|&one| one == kernel)?;
        self.functions.get(place).copied()
    }

    /// Unloads it. The context must be current, and no kernel running.
    pub(super) fn unload(&mut self) {
        let module = std::mem::replace(&mut self.module, std::ptr::null_mut());
        if !module.is_null() {
            // SAFETY: loaded, and not unloaded before. What it returns cannot be acted upon.
            let _ = unsafe { sys::cuModuleUnload(module) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_device_gets_code_of_its_own_generation_or_ptx() {
        let lengths = |capability| -> Vec<usize> {
            images_for(capability)
                .unwrap()
                .iter()
                .map(|image| image.len())
                .collect()
        };
        for minor in [0, 6, 9] {
            assert_eq!(lengths((8, minor)), [SM_80.len(), PTX.len()]);
        }
        assert_eq!(lengths((9, 0)), [SM_90.len(), PTX.len()]);
        assert_eq!(lengths((12, 0)), [PTX.len()]);
        let error = images_for((7, 5)).unwrap_err();
        assert_eq!(error.kind(), wsi_core::ErrorKind::BackendUnavailable);
        assert!(error.message().contains("7.5"), "{error}");
    }

    #[test]
    fn images_are_what_they_seem() {
        assert!(SM_80.starts_with(b"\x7fELF") && SM_90.starts_with(b"\x7fELF"));
        assert!(PTX.contains(".target sm_80") && PTX.ends_with('\0'));
    }
}
