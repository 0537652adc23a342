//! `cargo xtask turbo`: `wsi-jpeg` held against libjpeg-turbo and timed beside it.
//!
//! That package is a workspace of its own, because it needs cmake and nasm.

use std::process::Command;

use anyhow::{Context, ensure};

use crate::workspace;

/// Runs its tests, then its benchmark.
pub(crate) fn run() -> anyhow::Result<()> {
    let folder = workspace::root().join("crates/wsi-jpeg/turbo");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    for arguments in [["test", "--release"].as_slice(), &["run", "--release"]] {
        let status = Command::new(&cargo)
            .args(arguments)
            .current_dir(&folder)
            .status()
            .context("cannot start cargo")?;
        ensure!(
            status.success(),
            "cargo {} ended with {status}",
            arguments.join(" ")
        );
    }
    Ok(())
}
