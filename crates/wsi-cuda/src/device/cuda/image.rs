//! The compiled kernels: which of them for which device, and loading them.

use std::ffi::{CString, c_void};

use cudarc::driver::sys::{self, CUfunction, CUmodule};
use wsi_core::Result;

use super::context::Context;
use super::driver::{check, device, unavailable};
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

/// Of each parameter of a kernel, whether it is a pointer; the others are integers of 32 bits. As the
/// PTX declares them, which is made of the same sources as the machine code.
fn pointers_of(kernel: Kernel) -> Option<Vec<bool>> {
    let (_, declared) = PTX.split_once(&format!(".entry {}(", kernel.name()))?;
    let (declared, _) = declared.split_once(')')?;
    let parameters = declared.split(',').map(|parameter| {
        let kind = parameter.trim().strip_prefix(".param ")?;
        match kind.split_whitespace().next()? {
            ".u64" => Some(true),
            ".u32" => Some(false),
            _ => None,
        }
    });
    parameters.collect()
}

/// A kernel that can be launched.
#[derive(Debug)]
pub(super) struct Function {
    pub(super) handle: CUfunction,
    /// Of each parameter, whether it is a pointer; the others are integers of 32 bits.
    pub(super) pointers: Vec<bool>,
}

/// The loaded kernels of a context.
#[derive(Debug)]
pub(super) struct Module {
    module: CUmodule,
    /// In the order of [`Kernel::ALL`].
    functions: Vec<Function>,
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
            functions: Vec::new(),
        };
        let outcome = this.find_functions();
        if outcome.is_err() {
            this.unload();
        }
        outcome.map(|()| this)
    }

    fn find_functions(&mut self) -> Result<()> {
        for kernel in Kernel::ALL {
            let name = CString::new(kernel.name()).unwrap_or_default();
            let mut handle = std::ptr::null_mut();
            // SAFETY: the module is loaded, the name ends with NUL.
            let code =
                unsafe { sys::cuModuleGetFunction(&raw mut handle, self.module, name.as_ptr()) };
            check(&format!("cuModuleGetFunction of {}", kernel.name()), code)?;
            let pointers = pointers_of(kernel);
            let pointers = pointers
                .ok_or_else(|| device(format!("the PTX does not declare {}", kernel.name())))?;
            self.functions.push(Function { handle, pointers });
        }
        Ok(())
    }

    /// The function of a kernel.
    pub(super) fn function(&self, kernel: Kernel) -> Option<&Function> {
        let place = Kernel::ALL.iter().position(|&one| one == kernel)?;
        self.functions.get(place)
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

    #[test]
    fn each_kernel_has_its_parameters() {
        assert_eq!(
            pointers_of(Kernel::Unpack),
            Some(vec![true, true, true, false])
        );
        for kernel in Kernel::ALL {
            assert!(
                pointers_of(kernel).is_some_and(|pointers| !pointers.is_empty()),
                "{kernel:?}"
            );
        }
    }

    #[test]
    #[cfg(feature = "host")]
    fn parameters_are_those_of_the_host() {
        for kernel in Kernel::ALL {
            let host = crate::device::host::pointers_of(kernel);
            assert_eq!(pointers_of(kernel), host, "{kernel:?}");
        }
    }
}
