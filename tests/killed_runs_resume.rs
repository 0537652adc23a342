//! A tiling run that is killed at any moment and started again leaves the folder of an undisturbed
//! run, byte for byte.
//!
//! A few kills always; twenty, on the large slide where it is there, with `WSI_LONG_TESTS=1`.
#![cfg(unix)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

#[test]
fn a_killed_run_that_is_repeated_equals_an_undisturbed_one() {
    let long = std::env::var_os("WSI_LONG_TESTS").is_some_and(|value| value == "1");
    let kills = if long { 20 } else { 3 };
    for save in ["png", "npy"] {
        let folder = tempfile::tempdir().expect("a folder");
        let whole = folder.path().join("whole");
        let start = Instant::now();
        assert!(
            tile(long, save, &whole)
                .status()
                .expect("the example runs")
                .success()
        );
        let duration = start.elapsed();
        let expected = files(&whole);
        assert!(expected.len() > 5);

        let mut state = 0x9E37_79B9_7F4A_7C15_u64;
        let mut early = 0;
        for kill in 0..kills {
            // Half of the kills hit one folder again and again, as far as it got.
            let out = folder
                .path()
                .join(format!("out{}", if kill % 2 == 0 { 0 } else { kill }));
            let mut child = tile(long, save, &out).spawn().expect("the example runs");
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            let share = u32::try_from(state >> 54).expect("ten bits");
            std::thread::sleep(duration * share / 1024);
            child.kill().expect("it is there, or has ended");
            let status = child.wait().expect("it has ended");
            early += u32::from(!status.success());
            for name in files(&out).keys() {
                let partial = name.contains(".partial");
                assert!(
                    partial || expected.contains_key(name),
                    "{name} after a kill"
                );
            }
            assert!(
                tile(long, save, &out)
                    .status()
                    .expect("the example runs")
                    .success()
            );
            let found = files(&out);
            for (name, bytes) in &expected {
                assert!(found.get(name) == Some(bytes), "{name} after kill {kill}");
            }
            assert_eq!(found.len(), expected.len(), "{:?}", found.keys());
            if kill % 2 == 0 {
                // Unfinished again, as a kill leaves it: the next kill meets half of a folder.
                drop(std::fs::remove_file(out.join("dataset.csv")));
                halve(&out);
            }
        }
        println!("{save}: {early} of {kills} runs were killed before their end");
    }
}

/// Removes every other tile of a finished folder.
fn halve(out: &Path) {
    for name in files(out)
        .keys()
        .filter(|name| name.ends_with(".png"))
        .step_by(2)
    {
        std::fs::remove_file(out.join(name)).expect("a file");
    }
}

fn tile(long: bool, save: &str, out: &Path) -> Command {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let large = root.join("target/fixtures/slide_b.tiff");
    let mut command = Command::new(example());
    command
        .args(["--save", save, "--out"])
        .arg(out)
        .stdout(Stdio::null());
    if long && large.exists() {
        command
            .arg(large)
            .arg("--mask")
            .arg(root.join("target/fixtures/slide_b_mask.tiff"));
    }
    command
}

/// `tile_slide`, which a plain `cargo test` builds beside the tests; for this test alone, it is
/// built here.
fn example() -> PathBuf {
    let test = std::env::current_exe().expect("this test");
    let profile = test
        .parent()
        .and_then(Path::parent)
        .expect("target/PROFILE/deps");
    let example = profile.join("examples/tile_slide");
    if !example.exists() {
        let mut build = Command::new(env!("CARGO"));
        build.args(["build", "--quiet", "--example", "tile_slide"]);
        if profile.ends_with("release") {
            build.arg("--release");
        }
        build.current_dir(env!("CARGO_MANIFEST_DIR"));
        build
            .arg("--target-dir")
            .arg(profile.parent().expect("target"));
        assert!(build.status().expect("cargo runs").success());
    }
    example
}

/// Every file below a folder, with its bytes.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(&next).into_iter().flatten() {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path
                    .strip_prefix(folder)
                    .expect("below")
                    .display()
                    .to_string();
                found.insert(name, std::fs::read(&path).expect("readable"));
            }
        }
    }
    found
}
