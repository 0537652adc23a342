//! `cargo xtask bindgen`: OpenSlide's bindings, made of the header beside them.
//!
//! bindgen needs libclang, so it has a package of its own outside of the workspace. Where
//! `LIBCLANG_PATH` is not set and no libclang is installed, the one of the Python package index is put into `target/`.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, ensure};

use crate::workspace;

/// The version of the Python package `libclang`.
const LIBCLANG: &str = "libclang==18.1.1";

/// Makes `bindings.rs` anew or, with `check`, says whether it is in step with its header.
pub(crate) fn run(check: bool) -> anyhow::Result<()> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command
        .args(["run", "--quiet", "--"])
        .args(check.then_some("--check"))
        .current_dir(workspace::root().join("crates/wsi-openslide/bindings"));
    if std::env::var_os("LIBCLANG_PATH").is_none() && !libclang_is_installed() {
        command.env("LIBCLANG_PATH", libclang_of_pypi()?);
    }
    succeed(&mut command, "the bindings")
}

/// Whether bindgen would find a libclang by itself, in the folders where Debian puts it.
fn libclang_is_installed() -> bool {
    let in_folder = |folder: &Path| {
        std::fs::read_dir(folder).is_ok_and(|entries| {
            entries.flatten().any(|entry| {
                entry
                    .file_name()
                    .to_string_lossy()
                    .starts_with("libclang.so")
            })
        })
    };
    let llvm = std::fs::read_dir("/usr/lib")
        .into_iter()
        .flatten()
        .flatten();
    llvm.map(|entry| entry.path().join("lib"))
        .chain([
            "/usr/lib".into(),
            "/usr/lib64".into(),
            "/usr/lib/x86_64-linux-gnu".into(),
        ])
        .any(|folder| in_folder(&folder))
}

fn libclang_of_pypi() -> anyhow::Result<PathBuf> {
    let folder = workspace::root().join("target/libclang");
    let library = folder.join("clang/native");
    if !library.is_dir() {
        let mut pip = Command::new("python3");
        pip.args([
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "--root-user-action=ignore",
        ])
        .args(["--no-deps", LIBCLANG, "--target"])
        .arg(&folder);
        succeed(&mut pip, "libclang")?;
    }
    Ok(library)
}

fn succeed(command: &mut Command, what: &str) -> anyhow::Result<()> {
    let status = command
        .status()
        .with_context(|| format!("{what}: cannot start {}", command.get_program().display()))?;
    ensure!(
        status.success(),
        "{what}: {} ended with {status}",
        command.get_program().display()
    );
    Ok(())
}
