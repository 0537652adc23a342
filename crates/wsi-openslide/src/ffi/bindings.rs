// Made by `cargo xtask bindgen` of the openslide.h beside it; changes are lost.

#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct _openslide {
    _unused: [u8; 0],
}
pub type openslide_t = _openslide;
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct _openslide_cache {
    _unused: [u8; 0],
}
pub type openslide_cache_t = _openslide_cache;
pub struct OpenSlide {
    __library: ::libloading::Library,
    pub openslide_get_version:
        Result<unsafe extern "C" fn() -> *const ::std::os::raw::c_char, ::libloading::Error>,
    pub openslide_detect_vendor: Result<
        unsafe extern "C" fn(
            filename: *const ::std::os::raw::c_char,
        ) -> *const ::std::os::raw::c_char,
        ::libloading::Error,
    >,
    pub openslide_open: Result<
        unsafe extern "C" fn(filename: *const ::std::os::raw::c_char) -> *mut openslide_t,
        ::libloading::Error,
    >,
    pub openslide_close: Result<unsafe extern "C" fn(osr: *mut openslide_t), ::libloading::Error>,
    pub openslide_get_error: Result<
        unsafe extern "C" fn(osr: *mut openslide_t) -> *const ::std::os::raw::c_char,
        ::libloading::Error,
    >,
    pub openslide_get_level_count:
        Result<unsafe extern "C" fn(osr: *mut openslide_t) -> i32, ::libloading::Error>,
    pub openslide_get_level_dimensions: Result<
        unsafe extern "C" fn(osr: *mut openslide_t, level: i32, w: *mut i64, h: *mut i64),
        ::libloading::Error,
    >,
    pub openslide_get_level_downsample:
        Result<unsafe extern "C" fn(osr: *mut openslide_t, level: i32) -> f64, ::libloading::Error>,
    pub openslide_read_region: Result<
        unsafe extern "C" fn(
            osr: *mut openslide_t,
            dest: *mut u32,
            x: i64,
            y: i64,
            level: i32,
            w: i64,
            h: i64,
        ),
        ::libloading::Error,
    >,
    pub openslide_get_property_names: Result<
        unsafe extern "C" fn(osr: *mut openslide_t) -> *const *const ::std::os::raw::c_char,
        ::libloading::Error,
    >,
    pub openslide_get_property_value: Result<
        unsafe extern "C" fn(
            osr: *mut openslide_t,
            name: *const ::std::os::raw::c_char,
        ) -> *const ::std::os::raw::c_char,
        ::libloading::Error,
    >,
    pub openslide_get_associated_image_names: Result<
        unsafe extern "C" fn(osr: *mut openslide_t) -> *const *const ::std::os::raw::c_char,
        ::libloading::Error,
    >,
    pub openslide_get_associated_image_dimensions: Result<
        unsafe extern "C" fn(
            osr: *mut openslide_t,
            name: *const ::std::os::raw::c_char,
            w: *mut i64,
            h: *mut i64,
        ),
        ::libloading::Error,
    >,
    pub openslide_read_associated_image: Result<
        unsafe extern "C" fn(
            osr: *mut openslide_t,
            name: *const ::std::os::raw::c_char,
            dest: *mut u32,
        ),
        ::libloading::Error,
    >,
    pub openslide_get_icc_profile_size:
        Result<unsafe extern "C" fn(osr: *mut openslide_t) -> i64, ::libloading::Error>,
    pub openslide_read_icc_profile: Result<
        unsafe extern "C" fn(osr: *mut openslide_t, dest: *mut ::std::os::raw::c_void),
        ::libloading::Error,
    >,
    pub openslide_cache_create: Result<
        unsafe extern "C" fn(capacity: usize) -> *mut openslide_cache_t,
        ::libloading::Error,
    >,
    pub openslide_set_cache: Result<
        unsafe extern "C" fn(osr: *mut openslide_t, cache: *mut openslide_cache_t),
        ::libloading::Error,
    >,
    pub openslide_cache_release:
        Result<unsafe extern "C" fn(cache: *mut openslide_cache_t), ::libloading::Error>,
}
impl OpenSlide {
    pub unsafe fn new<P>(path: P) -> Result<Self, ::libloading::Error>
    where
        P: AsRef<::std::ffi::OsStr>,
    {
        let library = ::libloading::Library::new(path)?;
        Self::from_library(library)
    }
    pub unsafe fn from_library<L>(library: L) -> Result<Self, ::libloading::Error>
    where
        L: Into<::libloading::Library>,
    {
        let __library = library.into();
        let openslide_get_version = __library.get(b"openslide_get_version\0").map(|sym| *sym);
        let openslide_detect_vendor = __library.get(b"openslide_detect_vendor\0").map(|sym| *sym);
        let openslide_open = __library.get(b"openslide_open\0").map(|sym| *sym);
        let openslide_close = __library.get(b"openslide_close\0").map(|sym| *sym);
        let openslide_get_error = __library.get(b"openslide_get_error\0").map(|sym| *sym);
        let openslide_get_level_count = __library
            .get(b"openslide_get_level_count\0")
            .map(|sym| *sym);
        let openslide_get_level_dimensions = __library
            .get(b"openslide_get_level_dimensions\0")
            .map(|sym| *sym);
        let openslide_get_level_downsample = __library
            .get(b"openslide_get_level_downsample\0")
            .map(|sym| *sym);
        let openslide_read_region = __library.get(b"openslide_read_region\0").map(|sym| *sym);
        let openslide_get_property_names = __library
            .get(b"openslide_get_property_names\0")
            .map(|sym| *sym);
        let openslide_get_property_value = __library
            .get(b"openslide_get_property_value\0")
            .map(|sym| *sym);
        let openslide_get_associated_image_names = __library
            .get(b"openslide_get_associated_image_names\0")
            .map(|sym| *sym);
        let openslide_get_associated_image_dimensions = __library
            .get(b"openslide_get_associated_image_dimensions\0")
            .map(|sym| *sym);
        let openslide_read_associated_image = __library
            .get(b"openslide_read_associated_image\0")
            .map(|sym| *sym);
        let openslide_get_icc_profile_size = __library
            .get(b"openslide_get_icc_profile_size\0")
            .map(|sym| *sym);
        let openslide_read_icc_profile = __library
            .get(b"openslide_read_icc_profile\0")
            .map(|sym| *sym);
        let openslide_cache_create = __library.get(b"openslide_cache_create\0").map(|sym| *sym);
        let openslide_set_cache = __library.get(b"openslide_set_cache\0").map(|sym| *sym);
        let openslide_cache_release = __library.get(b"openslide_cache_release\0").map(|sym| *sym);
        Ok(OpenSlide {
            __library,
            openslide_get_version,
            openslide_detect_vendor,
            openslide_open,
            openslide_close,
            openslide_get_error,
            openslide_get_level_count,
            openslide_get_level_dimensions,
            openslide_get_level_downsample,
            openslide_read_region,
            openslide_get_property_names,
            openslide_get_property_value,
            openslide_get_associated_image_names,
            openslide_get_associated_image_dimensions,
            openslide_read_associated_image,
            openslide_get_icc_profile_size,
            openslide_read_icc_profile,
            openslide_cache_create,
            openslide_set_cache,
            openslide_cache_release,
        })
    }
    pub unsafe fn openslide_get_version(&self) -> *const ::std::os::raw::c_char {
        (self
            .openslide_get_version
            .as_ref()
            .expect("Expected function, got error."))()
    }
    pub unsafe fn openslide_detect_vendor(
        &self,
        filename: *const ::std::os::raw::c_char,
    ) -> *const ::std::os::raw::c_char {
        (self
            .openslide_detect_vendor
            .as_ref()
            .expect("Expected function, got error."))(filename)
    }
    pub unsafe fn openslide_open(
        &self,
        filename: *const ::std::os::raw::c_char,
    ) -> *mut openslide_t {
        (self
            .openslide_open
            .as_ref()
            .expect("Expected function, got error."))(filename)
    }
    pub unsafe fn openslide_close(&self, osr: *mut openslide_t) {
        (self
            .openslide_close
            .as_ref()
            .expect("Expected function, got error."))(osr)
    }
    pub unsafe fn openslide_get_error(
        &self,
        osr: *mut openslide_t,
    ) -> *const ::std::os::raw::c_char {
        (self
            .openslide_get_error
            .as_ref()
            .expect("Expected function, got error."))(osr)
    }
    pub unsafe fn openslide_get_level_count(&self, osr: *mut openslide_t) -> i32 {
        (self
            .openslide_get_level_count
            .as_ref()
            .expect("Expected function, got error."))(osr)
    }
    pub unsafe fn openslide_get_level_dimensions(
        &self,
        osr: *mut openslide_t,
        level: i32,
        w: *mut i64,
        h: *mut i64,
    ) {
        (self
            .openslide_get_level_dimensions
            .as_ref()
            .expect("Expected function, got error."))(osr, level, w, h)
    }
    pub unsafe fn openslide_get_level_downsample(&self, osr: *mut openslide_t, level: i32) -> f64 {
        (self
            .openslide_get_level_downsample
            .as_ref()
            .expect("Expected function, got error."))(osr, level)
    }
    pub unsafe fn openslide_read_region(
        &self,
        osr: *mut openslide_t,
        dest: *mut u32,
        x: i64,
        y: i64,
        level: i32,
        w: i64,
        h: i64,
    ) {
        (self
            .openslide_read_region
            .as_ref()
            .expect("Expected function, got error."))(osr, dest, x, y, level, w, h)
    }
    pub unsafe fn openslide_get_property_names(
        &self,
        osr: *mut openslide_t,
    ) -> *const *const ::std::os::raw::c_char {
        (self
            .openslide_get_property_names
            .as_ref()
            .expect("Expected function, got error."))(osr)
    }
    pub unsafe fn openslide_get_property_value(
        &self,
        osr: *mut openslide_t,
        name: *const ::std::os::raw::c_char,
    ) -> *const ::std::os::raw::c_char {
        (self
            .openslide_get_property_value
            .as_ref()
            .expect("Expected function, got error."))(osr, name)
    }
    pub unsafe fn openslide_get_associated_image_names(
        &self,
        osr: *mut openslide_t,
    ) -> *const *const ::std::os::raw::c_char {
        (self
            .openslide_get_associated_image_names
            .as_ref()
            .expect("Expected function, got error."))(osr)
    }
    pub unsafe fn openslide_get_associated_image_dimensions(
        &self,
        osr: *mut openslide_t,
        name: *const ::std::os::raw::c_char,
        w: *mut i64,
        h: *mut i64,
    ) {
        (self
            .openslide_get_associated_image_dimensions
            .as_ref()
            .expect("Expected function, got error."))(osr, name, w, h)
    }
    pub unsafe fn openslide_read_associated_image(
        &self,
        osr: *mut openslide_t,
        name: *const ::std::os::raw::c_char,
        dest: *mut u32,
    ) {
        (self
            .openslide_read_associated_image
            .as_ref()
            .expect("Expected function, got error."))(osr, name, dest)
    }
    pub unsafe fn openslide_get_icc_profile_size(&self, osr: *mut openslide_t) -> i64 {
        (self
            .openslide_get_icc_profile_size
            .as_ref()
            .expect("Expected function, got error."))(osr)
    }
    pub unsafe fn openslide_read_icc_profile(
        &self,
        osr: *mut openslide_t,
        dest: *mut ::std::os::raw::c_void,
    ) {
        (self
            .openslide_read_icc_profile
            .as_ref()
            .expect("Expected function, got error."))(osr, dest)
    }
    pub unsafe fn openslide_cache_create(&self, capacity: usize) -> *mut openslide_cache_t {
        (self
            .openslide_cache_create
            .as_ref()
            .expect("Expected function, got error."))(capacity)
    }
    pub unsafe fn openslide_set_cache(&self, osr: *mut openslide_t, cache: *mut openslide_cache_t) {
        (self
            .openslide_set_cache
            .as_ref()
            .expect("Expected function, got error."))(osr, cache)
    }
    pub unsafe fn openslide_cache_release(&self, cache: *mut openslide_cache_t) {
        (self
            .openslide_cache_release
            .as_ref()
            .expect("Expected function, got error."))(cache)
    }
}
