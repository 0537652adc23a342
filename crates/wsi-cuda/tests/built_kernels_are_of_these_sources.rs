//! The compiled kernels in `kernels/built` are those of the sources beside them, by the digests that
//! their manifest names. Whether the compiler gives them again, `cargo xtask kernels --check` says.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use wsi_cuda::Kernel;

fn kernels() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("kernels")
}

fn manifest() -> String {
    std::fs::read_to_string(kernels().join("built/manifest.txt")).expect("the manifest")
}

fn digest(path: &Path) -> String {
    let data = std::fs::read(path).expect("a file that the manifest names");
    let bytes = Sha256::digest(&data);
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Names and digests of the manifest's lines of a kind.
fn named(manifest: &str, kind: &str) -> BTreeMap<String, String> {
    let lines = manifest.lines().filter_map(|line| {
        let mut words = line.split(' ');
        let fits = words.next() == Some(kind);
        let pair = (words.next()?.to_owned(), words.next()?.to_owned());
        fits.then_some(pair)
    });
    lines.collect()
}

fn has_extension(path: &Path, known: &[&str]) -> bool {
    path.extension()
        .is_some_and(|extension| known.iter().any(|one| extension == *one))
}

#[test]
fn sources_have_not_changed_since_they_were_compiled() {
    let folder = std::fs::read_dir(kernels()).expect("the folder of the kernels");
    let paths = folder.map(|entry| entry.expect("an entry").path());
    let sources = paths.filter(|path| has_extension(path, &["cu", "cuh"]));
    let sources: BTreeMap<String, String> = sources
        .map(|path| {
            (
                path.file_name()
                    .expect("a name")
                    .to_string_lossy()
                    .into_owned(),
                digest(&path),
            )
        })
        .collect();
    assert!(!sources.is_empty());
    assert_eq!(
        named(&manifest(), "source"),
        sources,
        "run `cargo xtask kernels`"
    );
}

#[test]
fn outputs_are_those_that_were_compiled() {
    let outputs = named(&manifest(), "output");
    assert_eq!(
        outputs.keys().collect::<Vec<_>>(),
        ["wsi.ptx", "wsi_sm80.cubin", "wsi_sm90.cubin"]
    );
    for (name, expected) in outputs {
        assert_eq!(
            digest(&kernels().join("built").join(&name)),
            expected,
            "{name}"
        );
    }
}

#[test]
fn each_kernel_is_in_each_output() {
    for name in ["wsi.ptx", "wsi_sm80.cubin", "wsi_sm90.cubin"] {
        let path = kernels().join("built").join(name);
        let data = std::fs::read(&path).expect("an output");
        for kernel in Kernel::ALL {
            let entry = match has_extension(&path, &["ptx"]) {
                true => format!(".visible .entry {}(", kernel.name()),
                false => format!(".text.{}\0", kernel.name()),
            };
            let found = data
                .windows(entry.len())
                .any(|window| window == entry.as_bytes());
            assert!(found, "{} in {name}", kernel.name());
        }
    }
}
