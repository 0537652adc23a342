//! `cargo xtask valgrind`: the tests that call C, under valgrind's memory checker.

use std::process::Command;

use anyhow::{Context, ensure};

use crate::workspace;

/// Runs `tests/openslide_backend.rs`, but for the suite that takes hours there.
pub(crate) fn run() -> anyhow::Result<()> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let suppressions = workspace::root().join("xtask/src/valgrind.supp");
    let runner = format!(
        "valgrind --quiet --error-exitcode=9 --leak-check=full --show-leak-kinds=definite \
         --errors-for-leak-kinds=definite --suppressions={}",
        suppressions.display()
    );
    let status = Command::new(cargo)
        .args([
            "test",
            "--features",
            "openslide",
            "--test",
            "openslide_backend",
        ])
        .args([
            "--",
            "--nocapture",
            "--skip",
            "slides_keep_every_promise",
            "--skip",
            "answers",
        ])
        .env("CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUNNER", runner)
        .current_dir(workspace::root())
        .status()
        .context("cannot start cargo")?;
    ensure!(status.success(), "valgrind: the tests ended with {status}");
    Ok(())
}
