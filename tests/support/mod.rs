//! Where the test slides are, and what the outside oracles say of them.

use std::path::{Path, PathBuf};

/// The folder of test slides: `WSI_TEST_SLIDES`, or `../shared/slides` beside the workspace.
pub(crate) fn slides() -> Option<PathBuf> {
    let default = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/slides");
    let folder = std::env::var_os("WSI_TEST_SLIDES").map_or(default, PathBuf::from);
    let found = folder.join("truth").is_dir();
    if !found {
        #[expect(clippy::print_stdout, reason = "a test that does nothing says so")]
        {
            println!("SKIP: no test slides at {}", folder.display());
        }
    }
    found.then_some(folder)
}

/// The SHA-256 of some bytes, as the answers have it.
#[allow(dead_code, reason = "not every test compares pixels")]
pub(crate) fn hex(bytes: impl AsRef<[u8]>) -> String {
    sha2::Digest::finalize(<sha2::Sha256 as sha2::Digest>::new_with_prefix(bytes))
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// One of the oracles' answers.
#[allow(dead_code, reason = "not every test asks the oracles")]
pub(crate) fn truth(folder: &Path, name: &str) -> serde_json::Value {
    let text = std::fs::read_to_string(folder.join("truth").join(name)).expect("the answers");
    serde_json::from_str(&text).expect("JSON")
}
