//! `cargo xtask peers`: our programs timed beside other slide readers, by `benches/peers/run.py`.

use std::ffi::OsString;
use std::process::Command;

use anyhow::{Context, ensure};

use crate::workspace;

/// Runs it with these arguments.
pub(crate) fn run(arguments: &[OsString]) -> anyhow::Result<()> {
    let status = Command::new("python3")
        .arg(workspace::root().join("benches/peers/run.py"))
        .args(arguments)
        .status()
        .context("cannot start python3")?;
    ensure!(status.success(), "peers: ended with {status}");
    Ok(())
}
