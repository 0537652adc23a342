//! The kernels compiled into this program: their table, and one copy of them for each launch.

use std::ffi::{CStr, c_char};
use std::mem::MaybeUninit;
use std::sync::{Condvar, Mutex, PoisonError};

/// How many threads can run kernels at once; the twin of `COPIES` in build.rs.
const COPIES: usize = 2;

/// Three indices or sizes, the twin of `WsiDim` in shim.h.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub(super) struct Dim {
    pub(super) x: u32,
    pub(super) y: u32,
    pub(super) z: u32,
}

/// Stops the lane that runs: the reason, the lanes of its warp that take part, what it gives, and
/// the lane that it wants to hear. Gives what the lane goes on with.
pub(super) type Stop = unsafe extern "C" fn(u32, u32, u64, u32) -> u64;

/// What a running lane sees, the twin of `WsiState` in shim.h.
#[derive(Debug)]
#[repr(C)]
pub(super) struct State {
    pub(super) thread: Dim,
    pub(super) block: Dim,
    pub(super) block_size: Dim,
    pub(super) grid_size: Dim,
    pub(super) stop: Stop,
}

/// A kernel, the twin of `Entry` in host.cpp.
#[repr(C)]
pub(super) struct Entry {
    name: *const c_char,
    pointers: *const u8,
    count: u64,
    run: Run,
}

/// Runs one lane; takes the arguments, each as 64 bits.
pub(super) type Run = unsafe extern "C" fn(*const u64);

/// Where a field of a struct lies in C++, the twin of `Field` in host.cpp. Without a name it is the
/// whole struct.
#[repr(C)]
struct Field {
    structure: *const c_char,
    field: *const c_char,
    offset: u64,
    size: u64,
}

/// One copy of the kernels, the twin of `Copy` in host.cpp.
#[repr(C)]
struct Copy {
    state: *mut State,
    entries: *const Entry,
    count: u64,
    fields: *const Field,
    field_count: u64,
    anchor: *mut u32,
    spoil: unsafe extern "C" fn(u32),
}

unsafe extern "C" {
    fn wsi_host_copy_0(copy: *mut Copy);
    fn wsi_host_copy_1(copy: *mut Copy);
}

const COPY: [unsafe extern "C" fn(*mut Copy); COPIES] = [wsi_host_copy_0, wsi_host_copy_1];

/// Which copies nobody uses, and a bell for those who wait for one.
static FREE: Mutex<[bool; COPIES]> = Mutex::new([true; COPIES]);
static RETURNED: Condvar = Condvar::new();

/// A copy of the kernels and of their shared memory, for one thread at a time.
pub(super) struct Kernels {
    number: usize,
    copy: Copy,
}

impl Kernels {
    /// Takes a copy, and waits for one if all are in use.
    pub(super) fn take() -> Self {
        let mut free = FREE.lock().unwrap_or_else(PoisonError::into_inner);
        let number = loop {
            if let Some(number) = free.iter().position(|&is_free| is_free) {
                break number;
            }
            free = RETURNED.wait(free).unwrap_or_else(PoisonError::into_inner);
        };
        free[number] = false;
        drop(free);
        let mut copy = MaybeUninit::uninit();
        // SAFETY: the function writes a whole `Copy` of C++, whose twin ours is.
        let copy = unsafe {
            COPY[number](copy.as_mut_ptr());
            copy.assume_init()
        };
        Self { number, copy }
    }

    /// The kernel of a name.
    pub(super) fn find(&self, name: &str) -> Option<&'static Entry> {
        let count = usize::try_from(self.copy.count).unwrap_or(0);
        // SAFETY: a constant array of `count` entries, which lives as long as the program.
        let entries: &'static [Entry] =
            unsafe { std::slice::from_raw_parts(self.copy.entries, count) };
        entries
            .iter()
            .find(|entry| entry.name().to_bytes() == name.as_bytes())
    }

    /// Fills the shared memory with what no kernel expects.
    pub(super) fn spoil(&mut self, pattern: u32) {
        // SAFETY: no lane runs meanwhile, since running one needs `self`; the memory is the copy's.
        unsafe { (self.copy.spoil)(pattern) }
    }

    /// Sets what the next lane that runs sees.
    pub(super) fn set(&mut self, state: State) {
        // SAFETY: a static variable of the copy, which its holder alone uses.
        unsafe { self.copy.state.write(state) }
    }
}

impl Drop for Kernels {
    fn drop(&mut self) {
        let mut free = FREE.lock().unwrap_or_else(PoisonError::into_inner);
        free[self.number] = true;
        drop(free);
        RETURNED.notify_one();
    }
}

impl Entry {
    fn name(&self) -> &'static CStr {
        // SAFETY: a string literal of C++.
        unsafe { CStr::from_ptr(self.name) }
    }

    /// For each parameter, whether it is a pointer; the others are integers of 32 bits.
    pub(super) fn pointers(&self) -> impl ExactSizeIterator<Item = bool> {
        let count = usize::try_from(self.count).unwrap_or(0);
        // SAFETY: a constant array of at least `count` bytes, which lives as long as the program.
        let pointers: &'static [u8] = unsafe { std::slice::from_raw_parts(self.pointers, count) };
        pointers.iter().map(|&pointer| pointer != 0)
    }

    /// What runs one lane.
    pub(super) fn run(&self) -> Run {
        self.run
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::{Descriptor, RawTile, Rectangle, Segment, TableSet, Tile};

    /// Name, offset and size of each field in C++; under an empty name, those of the whole struct.
    fn fields(structure: &str) -> Vec<(String, u64, u64)> {
        let kernels = Kernels::take();
        let count = usize::try_from(kernels.copy.field_count).unwrap();
        // SAFETY: a constant array of that many fields.
        let fields = unsafe { std::slice::from_raw_parts(kernels.copy.fields, count) };
        // SAFETY: string literals of C++.
        let text = |text| unsafe { CStr::from_ptr(text) }.to_str().unwrap().to_owned();
        let fields = fields
            .iter()
            .filter(|field| text(field.structure) == structure);
        fields
            .map(|field| (text(field.field), field.offset, field.size))
            .collect()
    }

    #[test]
    fn structs_lie_alike_in_rust_and_in_cpp() {
        let descriptors = [
            ("Segment", Segment::BYTES, Segment::FIELDS),
            ("Tile", Tile::BYTES, Tile::FIELDS),
            ("Rectangle", Rectangle::BYTES, Rectangle::FIELDS),
            ("RawTile", RawTile::BYTES, RawTile::FIELDS),
            ("TableSet", TableSet::BYTES, TableSet::FIELDS),
        ];
        for (name, bytes, ours) in descriptors {
            let theirs = fields(name);
            assert_eq!(theirs[0], (String::new(), 0, bytes as u64), "{name}");
            // Fields follow each other without gaps, so that offsets say the sizes as well.
            let ends = ours.iter().skip(1).map(|field| field.1).chain([bytes]);
            let ours = ours.iter().zip(ends).map(|(&(field, offset), end)| {
                (field.to_owned(), offset as u64, (end - offset) as u64)
            });
            assert_eq!(theirs[1..], ours.collect::<Vec<_>>(), "{name}");
        }
    }
}
