//! `cargo xtask arm`: the tests of the portable code on an emulated `AArch64` processor.

use std::process::Command;

use anyhow::{Context, ensure};

use crate::workspace;

const TARGET: &str = "aarch64-unknown-linux-gnu";
/// What has code that depends on the processor, and what reads slides by it.
const PACKAGES: [&str; 6] = [
    "wsi-core",
    "wsi-jpeg",
    "wsi-pages",
    "wsi-png",
    "wsi-pure",
    "wsi-tiling",
];

/// Runs them, optimised, since the emulation is slow.
pub(crate) fn run() -> anyhow::Result<()> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let packages = PACKAGES.iter().flat_map(|package| ["--package", package]);
    let status = Command::new(cargo)
        .args(["test", "--release", "--target", TARGET])
        .args(packages)
        .env(
            "CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER",
            "aarch64-linux-gnu-gcc",
        )
        .env(
            "CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER",
            "qemu-aarch64 -L /usr/aarch64-linux-gnu",
        )
        .current_dir(workspace::root())
        .status()
        .context("cannot start cargo")?;
    ensure!(
        status.success(),
        "the tests on {TARGET} ended with {status}"
    );
    Ok(())
}
