//! Which file the library is, and loading it once.

use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use wsi_core::{Error, ErrorKind, Result};

use crate::ffi::Api;

/// Names a library file, before the system's names are tried.
const VARIABLE: &str = "WSI_OPENSLIDE_LIBRARY";

/// Names by which the system's loader finds OpenSlide, the newest first.
#[cfg(target_os = "windows")]
const NAMES: &[&str] = &["libopenslide-1.dll", "libopenslide-0.dll"];
#[cfg(target_os = "macos")]
const NAMES: &[&str] = &[
    "libopenslide.1.dylib",
    "/opt/homebrew/lib/libopenslide.1.dylib",
    "/usr/local/lib/libopenslide.1.dylib",
    "/opt/local/lib/libopenslide.1.dylib",
    "libopenslide.0.dylib",
];
#[cfg(not(any(target_os = "windows", target_os = "macos")))]
const NAMES: &[&str] = &["libopenslide.so.1", "libopenslide.so.0"];

const HOW_TO_INSTALL: &str = "install it (Debian, Ubuntu: `apt install libopenslide0`, or `libopenslide1` on later \
     releases; macOS: `brew install openslide`; Windows: the DLLs from openslide.org, in a folder \
     of PATH; anywhere: `pip install openslide-bin`), or name the library's file in \
     WSI_OPENSLIDE_LIBRARY (of the pip package: the file in its folder `openslide_bin`)";

/// Libraries that were loaded, by the name that they were loaded by. A process-wide fact, as in the
/// system's loader: a library is never unloaded.
static LOADED: Mutex<Vec<(OsString, &'static Api)>> = Mutex::new(Vec::new());

/// Finds and loads OpenSlide: the file `explicit`, or else the one that the variable names, or else
/// what the system finds. A file that is named and cannot be loaded is an error: no other is tried.
pub(crate) fn find(explicit: Option<&Path>) -> Result<&'static Api> {
    if let Some(path) = explicit {
        return load(path.as_os_str()).map_err(|why| unavailable(&format!("it was named: {why}")));
    }
    if let Some(linked) = Api::linked() {
        return load_by(OsStr::new("(linked)"), |_| linked).map_err(|why| unavailable(&why));
    }
    match std::env::var_os(VARIABLE).filter(|value| !value.is_empty()) {
        Some(path) => load(&path)
            .map_err(|why| unavailable(&format!("{VARIABLE} is {}: {why}", path.display()))),
        None => search(NAMES),
    }
}

fn search(names: &[&str]) -> Result<&'static Api> {
    let mut reasons = Vec::new();
    for name in names {
        match load(OsStr::new(name)) {
            Ok(api) => return Ok(api),
            Err(why) => reasons.push(why),
        }
    }
    Err(unavailable(&reasons.join("; ")))
}

fn load(file: &OsStr) -> Result<&'static Api, String> {
    load_by(file, Api::load)
}

fn load_by(
    file: &OsStr,
    load: impl FnOnce(&OsStr) -> Result<Api, String>,
) -> Result<&'static Api, String> {
    let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((_, api)) = loaded.iter().find(|(name, _)| name == file) {
        return Ok(api);
    }
    let api: &'static Api = Box::leak(Box::new(load(file)?));
    loaded.push((file.to_owned(), api));
    Ok(api)
}

fn unavailable(why: &str) -> Error {
    let message = format!("the OpenSlide library cannot be loaded ({why}); {HOW_TO_INSTALL}");
    Error::new(ErrorKind::BackendUnavailable, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_library_that_is_not_there_is_unavailable_and_says_how_to_install_it() {
        let errors = [
            find(Some(Path::new("no/such/libopenslide.so"))),
            search(&["libopenslide-of-no-machine.so"]),
        ];
        for error in errors {
            let error = error.err().unwrap();
            assert_eq!(error.kind(), ErrorKind::BackendUnavailable);
            for part in ["libopenslide", "apt", "brew", "DLL", "pip", VARIABLE] {
                assert!(error.message().contains(part), "{part} in {error}");
            }
        }
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn another_library_is_not_taken_for_openslide() {
        let error = find(Some(Path::new("libc.so.6"))).err().unwrap();
        assert_eq!(error.kind(), ErrorKind::BackendUnavailable);
        assert!(error.message().contains("openslide_"), "{error}");
    }
}
