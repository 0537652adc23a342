//! `cargo xtask targets`: the tests of the portable code on other processors.
//!
//! They are emulated, x86 with 32 bits as well: compilers for other targets stand side by side, where
//! what lets the machine's own compiler make 32 bits may not be installed beside them.

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

/// A target, the name of its compiler and libraries, and its emulator.
const TARGETS: [(&str, &str, &str); 2] = [
    (
        "aarch64-unknown-linux-gnu",
        "aarch64-linux-gnu",
        "qemu-aarch64",
    ),
    ("i686-unknown-linux-gnu", "i686-linux-gnu", "qemu-i386"),
];

/// Runs them for each target, optimised, since an emulation is slow.
pub(crate) fn run() -> anyhow::Result<()> {
    for (target, tools, emulator) in TARGETS {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let packages = PACKAGES.iter().flat_map(|package| ["--package", package]);
        let variable = |what: &str| {
            let target = target.to_uppercase().replace('-', "_");
            format!("CARGO_TARGET_{target}_{what}")
        };
        let status = Command::new(cargo)
            .args(["test", "--release", "--target", target])
            .args(packages)
            .env(variable("LINKER"), format!("{tools}-gcc"))
            .env(variable("RUNNER"), format!("{emulator} -L /usr/{tools}"))
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
