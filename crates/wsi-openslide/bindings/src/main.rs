//! Writes `wsi-openslide`'s `src/ffi/bindings.rs` from the `openslide.h` beside it.
//!
//! `cargo xtask bindgen` runs it; with `--check` it compares and writes nothing. It needs libclang,
//! which is why it is a workspace of its own.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

/// Where OpenSlide's own header may be, to hold ours against.
const INSTALLED: &str = "/usr/include/openslide/openslide.h";

/// Lines that the generated file starts with.
const HEADER: [&str; 1] =
    ["// Made by `cargo xtask bindgen` of the openslide.h beside it; changes are lost."];

fn main() -> ExitCode {
    let check = std::env::args().any(|argument| argument == "--check");
    match run(check) {
        Ok(message) => {
            println!("{message}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run(check: bool) -> Result<String, Box<dyn Error>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../src/ffi");
    let ours = folder.join("openslide.h");
    let target = folder.join("bindings.rs");
    let made = generate(&ours, None)?;
    let installed = Path::new(INSTALLED);
    let held = match installed.exists() {
        true => {
            generate(&ours, Some(installed))?;
            format!("agrees with {INSTALLED}")
        }
        false => format!("was not held against the one of OpenSlide: no {INSTALLED}"),
    };
    if check {
        let stored = std::fs::read_to_string(&target)?;
        if stored != made {
            return Err(
                "bindings.rs is not what openslide.h gives: run `cargo xtask bindgen`".into(),
            );
        }
        return Ok(format!(
            "bindings.rs is in step with openslide.h, which {held}"
        ));
    }
    std::fs::write(&target, made)?;
    Ok(format!("wrote {}; openslide.h {held}", target.display()))
}

/// The bindings of `header`. With `beside`, that header is compiled in the same unit: functions
/// that both declare, with other types, are an error.
fn generate(header: &Path, beside: Option<&Path>) -> Result<String, Box<dyn Error>> {
    let path = |path: &Path| {
        path.to_str()
            .map(str::to_owned)
            .ok_or("a path that is not Unicode")
    };
    let mut builder = bindgen::Builder::default()
        .header(path(header)?)
        .allowlist_function("openslide_.*")
        .dynamic_library_name("OpenSlide")
        .layout_tests(false)
        .disable_header_comment()
        .formatter(bindgen::Formatter::Rustfmt);
    for line in HEADER {
        builder = builder.raw_line(line);
    }
    if let Some(beside) = beside {
        builder = builder.clang_args(["-include", &path(beside)?]);
    }
    // The compiler's own headers (stddef.h) do not come with every libclang; any compiler's do.
    if let Some(folder) = compiler_headers() {
        builder = builder.clang_args(["-idirafter", &path(&folder)?]);
    }
    Ok(builder.generate()?.to_string())
}

fn compiler_headers() -> Option<PathBuf> {
    let output = Command::new("cc")
        .arg("-print-file-name=include")
        .output()
        .ok()?;
    let folder = PathBuf::from(String::from_utf8(output.stdout).ok()?.trim());
    folder.is_dir().then_some(folder)
}
