//! Handing memory to other libraries as `DLPack` tensors, without a copy.
//!
//! The structs are those of `dlpack.h` 1.1: the versioned one, and the older one without a version.
//! Source: the C interface of `DLPack`, "Open In Memory Tensor Structure".

use std::ffi::c_void;
use std::ptr::NonNull;

use wsi_core::{Error, ErrorKind, Result};

use super::cuda::context::Memory;
use crate::executor::Buffer;

/// The version of the structs.
const VERSION: Version = Version { major: 1, minor: 1 };

/// `kDLCPU`.
#[cfg(feature = "host")]
const CPU: i32 = 1;
/// `kDLCUDA`.
const CUDA: i32 = 2;

/// What the elements of a tensor are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Element {
    /// Unsigned, 8 bits.
    U8,
    /// Unsigned, 16 bits.
    U16,
    /// Unsigned, 32 bits.
    U32,
    /// IEEE 754 binary16.
    F16,
    /// The upper half of an IEEE 754 binary32.
    Bf16,
    /// IEEE 754 binary32.
    F32,
}

impl Element {
    /// Its bytes.
    const fn bytes(self) -> usize {
        match self {
            Self::U8 => 1,
            Self::U16 | Self::F16 | Self::Bf16 => 2,
            Self::U32 | Self::F32 => 4,
        }
    }

    fn data_type(self) -> DataType {
        let (code, bits) = match self {
            Self::U8 => (UNSIGNED, 8),
            Self::U16 => (UNSIGNED, 16),
            Self::U32 => (UNSIGNED, 32),
            Self::F16 => (FLOAT, 16),
            Self::Bf16 => (BFLOAT, 16),
            Self::F32 => (FLOAT, 32),
        };
        DataType {
            code,
            bits,
            lanes: 1,
        }
    }
}

/// `kDLUInt`, `kDLFloat`, `kDLBfloat`.
const UNSIGNED: u8 = 1;
const FLOAT: u8 = 2;
const BFLOAT: u8 = 4;

#[derive(Clone, Copy, Debug)]
#[repr(C)]
struct Version {
    major: u32,
    minor: u32,
}

#[derive(Clone, Copy, Debug)]
#[repr(C)]
struct Place {
    kind: i32,
    ordinal: i32,
}

#[derive(Clone, Copy, Debug)]
#[repr(C)]
struct DataType {
    code: u8,
    bits: u8,
    lanes: u16,
}

/// `DLTensor`.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
struct Tensor {
    data: *mut c_void,
    device: Place,
    dimensions: i32,
    data_type: DataType,
    shape: *mut i64,
    strides: *mut i64,
    byte_offset: u64,
}

/// `DLManagedTensorVersioned`.
#[repr(C)]
struct Versioned {
    version: Version,
    manager: *mut c_void,
    deleter: Option<unsafe extern "C" fn(*mut Self)>,
    flags: u64,
    tensor: Tensor,
}

/// `DLManagedTensor`.
#[repr(C)]
struct Unversioned {
    tensor: Tensor,
    manager: *mut c_void,
    deleter: Option<unsafe extern "C" fn(*mut Self)>,
}

/// What a tensor keeps: the memory, and the arrays that its struct points to.
struct Manager {
    buffer: Buffer,
    shape: Box<[i64]>,
    strides: Box<[i64]>,
}

/// A tensor that other libraries can use in place, as `torch.from_dlpack` or `cupy.from_dlpack`: of
/// [`DeviceTensor::into_dlpack`](crate::DeviceTensor::into_dlpack) or
/// [`LabelTensor::into_dlpack`](crate::LabelTensor::into_dlpack).
///
/// Dropped, it gives its memory back; handed over ([`into_raw`](Self::into_raw)), it is for the taker
/// to call its deleter. The memory is given back after all streams of the device have ended what they
/// were given, so that a taker's kernels may still run when it calls the deleter.
///
/// *Order*: what wrote the memory may not have ended yet. Before a tensor is handed over, the
/// executor must be waited for ([`Executor::synchronize`](crate::Executor::synchronize)), or the
/// taker's stream must wait ([`CudaExecutor::order_before`](crate::CudaExecutor::order_before)),
/// unless that stream is the executor's own.
pub struct DlpackTensor {
    tensor: NonNull<Versioned>,
}

// SAFETY: it owns its manager, whose parts are `Send`.
unsafe impl Send for DlpackTensor {}

impl DlpackTensor {
    /// A tensor of `shape`, elements side by side in C order, of all the bytes of a buffer from `offset` on that it needs.
    ///
    /// # Errors
    /// `InvalidArgument` if it does not lie within the buffer, or `offset` is no multiple of an
    /// element; `Device` if the buffer is of an executor that is not known here.
    pub(crate) fn new(
        buffer: Buffer,
        offset: usize,
        shape: &[usize],
        element: Element,
    ) -> Result<Self> {
        let elements = shape
            .iter()
            .try_fold(1_usize, |product, &size| product.checked_mul(size));
        let bytes = elements.and_then(|elements| elements.checked_mul(element.bytes()));
        let end = bytes.and_then(|bytes| bytes.checked_add(offset));
        let fits =
            end.is_some_and(|end| end <= buffer.len()) && offset.is_multiple_of(element.bytes());
        let numbers: Result<Box<[i64]>, _> =
            shape.iter().map(|&size| i64::try_from(size)).collect();
        let dimensions = i32::try_from(shape.len());
        let (true, Ok(mut shape), Ok(dimensions)) = (fits, numbers, dimensions) else {
            return Err(Error::invalid(format!(
                "a tensor of {shape:?} {element:?} from byte {offset} of a buffer of {}",
                buffer.len()
            )));
        };
        let (device, data) = place_of(&buffer)?;
        let mut strides = strides_of(&shape);
        let tensor = Tensor {
            data,
            device,
            dimensions,
            data_type: element.data_type(),
            shape: shape.as_mut_ptr(),
            strides: strides.as_mut_ptr(),
            byte_offset: offset as u64,
        };
        let manager = Box::into_raw(Box::new(Manager {
            buffer,
            shape,
            strides,
        }));
        let tensor = Versioned {
            version: VERSION,
            manager: manager.cast(),
            deleter: Some(delete_versioned),
            flags: 0,
            tensor,
        };
        Ok(Self {
            tensor: NonNull::from(Box::leak(Box::new(tensor))),
        })
    }

    /// The `DLManagedTensorVersioned`, for a capsule named `dltensor_versioned`. Whoever takes it must
    /// call its deleter once.
    #[must_use]
    pub fn into_raw(self) -> *mut c_void {
        let this = std::mem::ManuallyDrop::new(self);
        this.tensor.as_ptr().cast()
    }

    /// The same as a `DLManagedTensor`, for takers older than version 1: a capsule named `dltensor`.
    #[must_use]
    pub fn into_raw_unversioned(self) -> *mut c_void {
        let versioned = self.into_raw().cast::<Versioned>();
        // SAFETY: made by `new` as a box, which is taken back here, and nobody else's.
        let versioned = unsafe { Box::from_raw(versioned) };
        let unversioned = Unversioned {
            tensor: versioned.tensor,
            manager: versioned.manager,
            deleter: Some(delete_unversioned),
        };
        Box::into_raw(Box::new(unversioned)).cast()
    }

    fn tensor(&self) -> &Tensor {
        // SAFETY: a box of ours, until `drop` or `into_raw`.
        unsafe { &self.tensor.as_ref().tensor }
    }
}

impl std::fmt::Debug for DlpackTensor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.tensor().fmt(f)
    }
}

impl Drop for DlpackTensor {
    fn drop(&mut self) {
        // SAFETY: made by `new`, and not handed over.
        unsafe { delete_versioned(self.tensor.as_ptr()) }
    }
}

/// Which device a buffer's memory is on, and where.
fn place_of(buffer: &Buffer) -> Result<(Place, *mut c_void)> {
    if let Some(memory) = buffer.memory::<Memory>() {
        let address = usize::try_from(memory.address(0, 0)?).unwrap_or(0);
        let place = Place {
            kind: CUDA,
            ordinal: memory.ordinal(),
        };
        return Ok((place, std::ptr::without_provenance_mut(address)));
    }
    #[cfg(feature = "host")]
    if let Some(address) = buffer
        .memory::<super::host::Own>()
        .and_then(super::host::Own::address)
    {
        return Ok((
            Place {
                kind: CPU,
                ordinal: 0,
            },
            address.cast(),
        ));
    }
    Err(Error::new(
        ErrorKind::Device,
        "a buffer of an executor that has no DLPack device",
    ))
}

/// Distances between neighbours along each dimension, in elements, the last closest.
fn strides_of(shape: &[i64]) -> Box<[i64]> {
    let mut strides = vec![1; shape.len()];
    for place in (1..shape.len()).rev() {
        // Only the strides of a tensor without elements can be too large.
        strides[place - 1] = i64::saturating_mul(strides[place], shape[place]);
    }
    strides.into()
}

/// Gives back what a tensor keeps.
///
/// # Safety
/// `manager` must be one that `DlpackTensor::new` made, and not given back yet.
unsafe fn delete_manager(manager: *mut c_void) {
    // SAFETY: what the caller has promised.
    let manager = unsafe { Box::from_raw(manager.cast::<Manager>()) };
    let Manager {
        buffer,
        shape,
        strides,
    } = *manager;
    if let Some(memory) = buffer.memory::<Memory>() {
        memory.settle();
    }
    drop((buffer, shape, strides));
}

unsafe extern "C" fn delete_versioned(tensor: *mut Versioned) {
    if tensor.is_null() {
        return;
    }
    // SAFETY: the taker calls it once, with the struct that it got: a box of `DlpackTensor::new`.
    unsafe {
        let tensor = Box::from_raw(tensor);
        delete_manager(tensor.manager);
    }
}

unsafe extern "C" fn delete_unversioned(tensor: *mut Unversioned) {
    if tensor.is_null() {
        return;
    }
    // SAFETY: as above, a box of `into_raw_unversioned`.
    unsafe {
        let tensor = Box::from_raw(tensor);
        delete_manager(tensor.manager);
    }
}

#[cfg(test)]
mod tests {
    use std::mem::offset_of;

    use super::*;

    #[test]
    fn structs_are_those_of_the_header_on_64_bits() {
        assert_eq!(size_of::<Tensor>(), 48);
        assert_eq!(
            [
                offset_of!(Tensor, device),
                offset_of!(Tensor, dimensions),
                offset_of!(Tensor, data_type)
            ],
            [8, 16, 20]
        );
        assert_eq!(
            [
                offset_of!(Tensor, shape),
                offset_of!(Tensor, strides),
                offset_of!(Tensor, byte_offset)
            ],
            [24, 32, 40]
        );
        assert_eq!(
            (size_of::<Versioned>(), offset_of!(Versioned, tensor)),
            (80, 32)
        );
        assert_eq!(
            [
                offset_of!(Versioned, manager),
                offset_of!(Versioned, deleter),
                offset_of!(Versioned, flags)
            ],
            [8, 16, 24]
        );
        assert_eq!(
            (size_of::<Unversioned>(), offset_of!(Unversioned, manager)),
            (64, 48)
        );
    }

    #[test]
    fn rows_lie_side_by_side() {
        assert_eq!(*strides_of(&[2, 3, 5, 7]), [105, 35, 7, 1]);
        assert_eq!(*strides_of(&[4]), [1]);
        assert_eq!(*strides_of(&[]), []);
    }

    #[cfg(feature = "host")]
    mod with_host {
        use super::*;
        use crate::executor::Executor;
        use crate::{DlpackTensor, HostExecutor};

        fn buffer(executor: &HostExecutor, bytes: usize) -> Buffer {
            executor.allocate(bytes).unwrap()
        }

        #[test]
        fn a_taker_reads_the_memory_and_its_deleter_gives_it_back() {
            let executor = HostExecutor::new().with_memory(1000);
            let memory = buffer(&executor, 100);
            executor.upload(&[7, 8, 9], &memory, 40).unwrap();
            let tensor = DlpackTensor::new(memory, 40, &[2, 5, 3], Element::U16).unwrap();
            assert_eq!(executor.memory().unwrap(), 900);
            let raw = tensor.into_raw().cast::<Versioned>();
            // SAFETY: a taker reads the struct that it got.
            let taken = unsafe { &*raw };
            assert_eq!(
                (taken.version.major, taken.version.minor, taken.flags),
                (1, 1, 0)
            );
            let DataType { code, bits, lanes } = taken.tensor.data_type;
            assert_eq!((code, bits, lanes), (1, 16, 1));
            assert_eq!(
                (taken.tensor.device.kind, taken.tensor.device.ordinal),
                (1, 0)
            );
            // SAFETY: so many dimensions, and so many bytes, are there.
            unsafe {
                let dimensions = usize::try_from(taken.tensor.dimensions).unwrap();
                let shape = std::slice::from_raw_parts(taken.tensor.shape, dimensions);
                let strides = std::slice::from_raw_parts(taken.tensor.strides, dimensions);
                assert_eq!(
                    (shape, strides),
                    ([2, 5, 3].as_slice(), [15, 3, 1].as_slice())
                );
                let offset = usize::try_from(taken.tensor.byte_offset).unwrap();
                let data = taken.tensor.data.cast::<u8>().add(offset);
                assert_eq!(std::slice::from_raw_parts(data, 3), [7, 8, 9]);
                taken.deleter.unwrap()(raw);
            }
            assert_eq!(executor.memory().unwrap(), 1000);
        }

        #[test]
        fn an_old_taker_gives_it_back_as_well_and_so_does_drop() {
            let executor = HostExecutor::new().with_memory(1000);
            let memory = buffer(&executor, 64);
            let tensor = DlpackTensor::new(memory, 0, &[16], Element::F32).unwrap();
            let raw = tensor.into_raw_unversioned().cast::<Unversioned>();
            // SAFETY: as a taker, once.
            unsafe {
                assert_eq!(*(*raw).tensor.shape, 16);
                ((*raw).deleter.unwrap())(raw);
            }
            assert_eq!(executor.memory().unwrap(), 1000);
            let memory = buffer(&executor, 64);
            drop(DlpackTensor::new(memory, 0, &[8, 4], Element::Bf16).unwrap());
            assert_eq!(executor.memory().unwrap(), 1000);
        }

        #[test]
        fn a_tensor_that_does_not_fit_is_refused() {
            let executor = HostExecutor::new();
            let refused = |offset, shape: &[usize], element| {
                let memory = buffer(&executor, 64);
                DlpackTensor::new(memory, offset, shape, element)
                    .unwrap_err()
                    .kind()
            };
            for kind in [
                refused(0, &[65], Element::U8),
                refused(1, &[4], Element::F32),
                refused(4, &[16], Element::F32),
                refused(usize::MAX, &[1], Element::U8),
                refused(0, &[usize::MAX, 2], Element::U8),
                refused(0, &[usize::MAX, 0], Element::U8),
            ] {
                assert_eq!(kind, ErrorKind::InvalidArgument);
            }
        }

        #[test]
        fn memory_of_an_unknown_executor_is_refused() {
            let memory = Buffer::new(4, Box::new(0_u32));
            let error = DlpackTensor::new(memory, 0, &[4], Element::U8).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Device);
        }
    }
}
