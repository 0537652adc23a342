//! OpenSlide's C interface, made safe: the only unsafe code of this crate.
//!
//! `bindings.rs` is made of `openslide.h`, declarations of our own, by `cargo xtask bindgen`.

#![allow(unsafe_code, reason = "the C interface")]

#[allow(
    clippy::all,
    clippy::pedantic,
    clippy::nursery,
    clippy::restriction,
    dead_code,
    missing_debug_implementations,
    non_camel_case_types,
    unnameable_types,
    unreachable_pub,
    unsafe_op_in_unsafe_fn,
    unused_qualifications,
    rustdoc::all,
    reason = "made by bindgen"
)]
mod bindings;

use std::ffi::{CStr, OsStr, c_char};
use std::ptr::NonNull;

use bindings::{OpenSlide, openslide_cache_t, openslide_t};

/// The loaded library: its functions. It lives as long as the process, since `GLib`, on which
/// OpenSlide stands, does not survive being unloaded.
pub(crate) struct Api {
    functions: OpenSlide,
    version: String,
}

impl Api {
    /// Loads a library file, or a name that the system's loader looks for.
    pub(crate) fn load(file: &OsStr) -> Result<Self, String> {
        // SAFETY: loading runs the library's initialisers. Those of OpenSlide and of what it
        // depends on have no requirements; that the file is OpenSlide is for whoever names it.
        let library = unsafe { libloading::Library::new(file) };
        Self::of(library.map_err(|error| error.to_string())?)
    }

    /// The library that this program was linked with; `None` if it was not.
    pub(crate) fn linked() -> Option<Result<Self, String>> {
        #[cfg(all(wsi_openslide_link, unix))]
        {
            // The linker keeps a library only if something of it is used.
            std::hint::black_box(
                openslide_sys::sys::openslide_get_version
                    as unsafe extern "C" fn() -> *const c_char,
            );
            Some(Self::of(libloading::os::unix::Library::this().into()))
        }
        #[cfg(not(all(wsi_openslide_link, unix)))]
        {
            None
        }
    }

    fn of(library: libloading::Library) -> Result<Self, String> {
        // SAFETY: the names are looked up, nothing is called. The types are those of OpenSlide's
        // interface, which has not changed a function since 3.3.
        let functions =
            unsafe { OpenSlide::from_library(library) }.map_err(|error| error.to_string())?;
        let f = &functions;
        let missing = [
            f.openslide_get_version.as_ref().err(),
            f.openslide_detect_vendor.as_ref().err(),
            f.openslide_open.as_ref().err(),
            f.openslide_close.as_ref().err(),
            f.openslide_get_error.as_ref().err(),
            f.openslide_get_level_count.as_ref().err(),
            f.openslide_get_level_dimensions.as_ref().err(),
            f.openslide_get_level_downsample.as_ref().err(),
            f.openslide_read_region.as_ref().err(),
            f.openslide_get_property_names.as_ref().err(),
            f.openslide_get_property_value.as_ref().err(),
            f.openslide_get_associated_image_names.as_ref().err(),
            f.openslide_get_associated_image_dimensions.as_ref().err(),
            f.openslide_read_associated_image.as_ref().err(),
        ];
        if let Some(error) = missing.into_iter().flatten().next() {
            return Err(format!("not OpenSlide 3.4 or later: {error}"));
        }
        // SAFETY: the function is there, takes nothing, and returns a string that lives as long as
        // the library.
        let version = unsafe { text(functions.openslide_get_version()) };
        Ok(Self {
            functions,
            version: version.unwrap_or_default(),
        })
    }

    /// The library's version, as `4.0.1`.
    pub(crate) fn version(&self) -> &str {
        &self.version
    }

    /// The vendor of a file that OpenSlide recognises.
    pub(crate) fn detect_vendor(&self, path: &CStr) -> Option<String> {
        // SAFETY: `path` ends with NUL. The string returned is a constant of the library.
        unsafe { text(self.functions.openslide_detect_vendor(path.as_ptr())) }
    }

    /// Opens a file; `None` if it is not recognised. A file that is recognised and broken gives a
    /// handle that is in error.
    pub(crate) fn open(&'static self, path: &CStr) -> Option<Handle> {
        // SAFETY: `path` ends with NUL, and is not kept.
        let slide = unsafe { self.functions.openslide_open(path.as_ptr()) };
        NonNull::new(slide).map(|slide| Handle { api: self, slide })
    }

    /// A cache for `bytes` of tiles; `None` before OpenSlide 4.0.
    pub(crate) fn new_cache(&'static self, bytes: usize) -> Option<Cache> {
        let functions = &self.functions;
        let (create, set, release) = (
            functions.openslide_cache_create.as_ref().ok()?,
            functions.openslide_set_cache.as_ref().ok()?,
            functions.openslide_cache_release.as_ref().ok()?,
        );
        // SAFETY: the function takes any number.
        let cache = NonNull::new(unsafe { create(bytes) })?;
        Some(Cache {
            cache,
            set: *set,
            release: *release,
        })
    }
}

/// A cache of decoded tiles that slides share.
pub(crate) struct Cache {
    cache: NonNull<openslide_cache_t>,
    set: unsafe extern "C" fn(*mut openslide_t, *mut openslide_cache_t),
    release: unsafe extern "C" fn(*mut openslide_cache_t),
}

// SAFETY: "An openslide_cache_t object can be used concurrently from multiple threads without
// locking" (openslide.h).
unsafe impl Send for Cache {}
// SAFETY: as for `Send`.
unsafe impl Sync for Cache {}

impl Drop for Cache {
    fn drop(&mut self) {
        // SAFETY: made by `Api::new_cache`, released once; slides that still use it keep it.
        unsafe { (self.release)(self.cache.as_ptr()) }
    }
}

/// An open slide, closed when dropped.
///
/// Once a call has failed every later one fails too: [`error`](Self::error) is to be asked after each.
pub(crate) struct Handle {
    api: &'static Api,
    slide: NonNull<openslide_t>,
}

// SAFETY: "An openslide_t object can be used concurrently from multiple threads without locking.
// (But you must lock or otherwise use memory barriers when passing the object between threads.)"
// and "All functions except openslide_close() are thread-safe" (openslide.h). Closing happens in
// `drop`, when nobody else holds the handle, and whatever passes a handle on synchronises.
unsafe impl Send for Handle {}
// SAFETY: as for `Send`.
unsafe impl Sync for Handle {}

impl Drop for Handle {
    fn drop(&mut self) {
        // SAFETY: a slide that `Api::open` made, closed once; `&mut self` shows that no other
        // thread uses it.
        unsafe { self.api.functions.openslide_close(self.slide.as_ptr()) }
    }
}

impl Handle {
    /// What has gone wrong with this handle, if anything has.
    pub(crate) fn error(&self) -> Option<String> {
        // SAFETY: the slide is open; the string lives as long and is copied at once.
        unsafe { text(self.api.functions.openslide_get_error(self.slide.as_ptr())) }
    }

    /// Shares `cache` with other slides.
    pub(crate) fn set_cache(&self, cache: &Cache) {
        // SAFETY: both are alive; the slide takes a reference of its own.
        unsafe { (cache.set)(self.slide.as_ptr(), cache.cache.as_ptr()) }
    }

    /// The number of levels; -1 in error.
    pub(crate) fn level_count(&self) -> i32 {
        // SAFETY: the slide is open.
        unsafe {
            self.api
                .functions
                .openslide_get_level_count(self.slide.as_ptr())
        }
    }

    /// Width and height of a level; -1 in error or where there is no such level.
    pub(crate) fn level_dimensions(&self, level: i32) -> (i64, i64) {
        let (mut width, mut height) = (-1, -1);
        let functions = &self.api.functions;
        // SAFETY: the slide is open; the pointers are to two numbers of this frame.
        unsafe {
            functions.openslide_get_level_dimensions(
                self.slide.as_ptr(),
                level,
                &raw mut width,
                &raw mut height,
            );
        }
        (width, height)
    }

    /// The downsample of a level; -1 in error or where there is no such level.
    pub(crate) fn level_downsample(&self, level: i32) -> f64 {
        let functions = &self.api.functions;
        // SAFETY: the slide is open.
        unsafe { functions.openslide_get_level_downsample(self.slide.as_ptr(), level) }
    }

    /// Reads `width` x `height` words of a level, alpha in the upper byte, colour multiplied with
    /// it, from level-0 pixel (`x`, `y`). All zero in error.
    ///
    /// # Panics
    /// If `words` is not of that size.
    pub(crate) fn read_region(
        &self,
        words: &mut [u32],
        (x, y): (i64, i64),
        level: i32,
        (width, height): (u32, u32),
    ) {
        let expected = u64::from(width) * u64::from(height);
        assert_eq!(words.len() as u64, expected, "words of a region");
        let functions = &self.api.functions;
        // SAFETY: the slide is open, and there is room for each word of the region.
        unsafe {
            functions.openslide_read_region(
                self.slide.as_ptr(),
                words.as_mut_ptr(),
                x,
                y,
                level,
                width.into(),
                height.into(),
            );
        }
    }

    /// All properties, by name.
    pub(crate) fn properties(&self) -> Vec<(Vec<u8>, Vec<u8>)> {
        let functions = &self.api.functions;
        // SAFETY: the slide is open. The names live as long and end with a null pointer; values
        // live as long, too, and all are copied at once.
        unsafe {
            names(functions.openslide_get_property_names(self.slide.as_ptr()))
                .filter_map(|name| {
                    let value =
                        functions.openslide_get_property_value(self.slide.as_ptr(), name.as_ptr());
                    let value = bytes(value)?;
                    Some((name.to_bytes().to_vec(), value))
                })
                .collect()
        }
    }

    /// The names of the associated images.
    pub(crate) fn associated_names(&self) -> Vec<&CStr> {
        let functions = &self.api.functions;
        // SAFETY: the slide is open. The names end with a null pointer and live as long as the
        // slide, which the borrow of `self` keeps open.
        unsafe {
            names(functions.openslide_get_associated_image_names(self.slide.as_ptr())).collect()
        }
    }

    /// Width and height of an associated image; -1 in error or where there is none of this name.
    pub(crate) fn associated_dimensions(&self, name: &CStr) -> (i64, i64) {
        let (mut width, mut height) = (-1, -1);
        let functions = &self.api.functions;
        // SAFETY: the slide is open, the name ends with NUL, the pointers are to two numbers of
        // this frame.
        unsafe {
            functions.openslide_get_associated_image_dimensions(
                self.slide.as_ptr(),
                name.as_ptr(),
                &raw mut width,
                &raw mut height,
            );
        }
        (width, height)
    }

    /// Reads an associated image, in words as [`read_region`](Self::read_region) does.
    ///
    /// `None` if its size is not `width` x `height` (or it is in error).
    pub(crate) fn read_associated(
        &self,
        name: &CStr,
        (width, height): (u32, u32),
    ) -> Option<Vec<u32>> {
        if self.associated_dimensions(name) != (width.into(), height.into()) {
            return None;
        }
        // Zeros: before 4.0 a failed read leaves the memory as it is.
        let mut words = vec![0; width as usize * height as usize];
        let functions = &self.api.functions;
        // SAFETY: the slide is open, the name ends with NUL, and there is room for each word: the
        // size of an associated image does not change while a slide is open.
        unsafe {
            functions.openslide_read_associated_image(
                self.slide.as_ptr(),
                name.as_ptr(),
                words.as_mut_ptr(),
            );
        }
        Some(words)
    }

    /// The colour profile of level 0; `None` if there is none, or before OpenSlide 4.0.
    pub(crate) fn icc_profile(&self) -> Option<Vec<u8>> {
        let functions = &self.api.functions;
        let size_of = functions.openslide_get_icc_profile_size.as_ref().ok()?;
        let read = functions.openslide_read_icc_profile.as_ref().ok()?;
        // SAFETY: the slide is open.
        let size = unsafe { size_of(self.slide.as_ptr()) };
        let size = usize::try_from(size).ok().filter(|&size| size > 0)?;
        let mut profile = vec![0_u8; size];
        // SAFETY: the slide is open, and there is room for as many bytes as it has.
        unsafe { read(self.slide.as_ptr(), profile.as_mut_ptr().cast()) };
        Some(profile)
    }
}

/// A copy of a C string; `None` of a null pointer.
///
/// # Safety
/// `string` is null, or ends with NUL and lives until this returns.
unsafe fn bytes(string: *const c_char) -> Option<Vec<u8>> {
    let string = NonNull::new(string.cast_mut())?;
    // SAFETY: not null, and the caller's promise.
    Some(
        unsafe { CStr::from_ptr(string.as_ptr()) }
            .to_bytes()
            .to_vec(),
    )
}

/// A copy of a C string as text.
///
/// # Safety
/// As [`bytes`].
unsafe fn text(string: *const c_char) -> Option<String> {
    // SAFETY: the caller's promise.
    let bytes = unsafe { bytes(string) }?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// The strings of an array that ends with a null pointer; none if the array is null.
///
/// # Safety
/// The array and its strings live for `'a`.
unsafe fn names<'a>(array: *const *const c_char) -> impl Iterator<Item = &'a CStr> {
    let mut next = array;
    std::iter::from_fn(move || {
        if next.is_null() {
            return None;
        }
        // SAFETY: not behind the null pointer that ends the array: this stops there.
        let name = unsafe { *next };
        if name.is_null() {
            return None;
        }
        // SAFETY: the end of the array has not been reached.
        next = unsafe { next.add(1) };
        // SAFETY: a string of the array.
        Some(unsafe { CStr::from_ptr(name) })
    })
}
