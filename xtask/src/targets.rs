//! `cargo xtask targets`: the tests of the portable code on other processors.
//!
//! `AArch64` is emulated; 32 bits run as they are, on x86-64.

use std::process::Command;

use anyhow::{Context, ensure};

use crate::workspace;

/// What has code that depends on the processor, and what reads slides by it.
const PACKAGES: [&str; 6] = [
    "wsi-core",
    "wsi-jpeg",
    "wsi-pages",
    "wsi-png",
    "wsi-pure",
    "wsi-tiling",
];

/// Runs them for each target, optimised, since an emulation is slow.
pub(crate) fn run() -> anyhow::Result<()> {
    for target in ["aarch64-unknown-linux-gnu", "i686-unknown-linux-gnu"] {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let packages = PACKAGES.iter().flat_map(|package| ["--package", package]);
        let status = Command::new(cargo)
            .args(["test", "--release", "--target", target])
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
            "the tests on {target} ended with {status}"
        );
    }
    Ok(())
}
