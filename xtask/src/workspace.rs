//! Where things lie in the working tree.

use std::path::{Path, PathBuf};

/// The folder of the workspace's `Cargo.toml`.
pub(crate) fn root() -> PathBuf {
    let xtask = Path::new(env!("CARGO_MANIFEST_DIR"));
    xtask.parent().unwrap_or(xtask).to_path_buf()
}

/// The slide that the repository carries.
pub(crate) fn bundled_slide() -> PathBuf {
    root().join("fixtures/CMU-1-Small-Region.svs")
}
