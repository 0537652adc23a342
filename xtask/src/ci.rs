//! `cargo xtask ci`: what CI runs, from one command.

use std::process::Command;

use anyhow::{Context, ensure};

use crate::workspace;

/// Runs `.ci/run` in the root of the workspace.
pub(crate) fn run() -> anyhow::Result<()> {
    let root = workspace::root();
    let status = Command::new(root.join(".ci/run"))
        .current_dir(&root)
        .status()
        .context("cannot start .ci/run")?;
    ensure!(status.success(), ".ci/run ended with {status}");
    Ok(())
}
