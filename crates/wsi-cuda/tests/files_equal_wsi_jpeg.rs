//! JPEG files of all sorts, damaged ones too: what the kernels decode is what `wsi-jpeg` decodes, and
//! what they do not comes from it.
#![cfg(feature = "host")]
#![allow(clippy::print_stdout, reason = "the counts are what people read")]
#![allow(clippy::panic, reason = "that is how a test fails")]

mod support;

use std::path::{Path, PathBuf};

use support::{assert_same, by_wsi_jpeg};
use wsi_cuda::plan::StreamFormat;
use wsi_cuda::{BatchDecoder, CpuReason, HostExecutor, Output};
use wsi_jpeg::Info;

/// The folder of test files, if it is there.
fn folder() -> Option<PathBuf> {
    let default = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/slides");
    let folder = std::env::var_os("WSI_TEST_SLIDES").map_or(default, PathBuf::from);
    let found = folder.join("jpeg").is_dir();
    if !found {
        println!("SKIP: no test files in {}", folder.display());
    }
    found.then(|| folder.join("jpeg"))
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in folder.read_dir().expect("a folder") {
        let path = entry.expect("a readable folder").path();
        if path.is_dir() {
            files(&path, found);
        } else {
            found.push(path);
        }
    }
    found.sort();
}

#[test]
fn test_files_of_all_sorts() {
    let Some(folder) = folder() else {
        return;
    };
    let mut paths = Vec::new();
    files(&folder, &mut paths);
    let mut decoder = BatchDecoder::new(Box::new(HostExecutor::new().with_seed(1)));
    let (mut by_kernels, mut refused, mut flagged, mut errors) = (0, 0, 0, 0);
    for path in paths {
        let stream = std::fs::read(&path).expect("a readable file");
        let Ok(info) = Info::read(&stream, None) else {
            continue;
        };
        let (width, height) = (info.width(), info.height());
        let colors = info.components().len();
        // The others cannot be put into 8-bit pixels.
        if u64::from(width) * u64::from(height) > 1 << 22 || info.bits() != 8 || colors > 3 {
            continue;
        }
        let channels = if colors == 1 { 1 } else { 3 };
        let format = StreamFormat::new((width, height));
        let what = path.display().to_string();
        let decoded = decoder
            .decode_streams(&format, &[&stream], channels, &Output::new())
            .unwrap_or_else(|error| panic!("{what}: {error}"));
        match decoded.report.by_cpu.first().map(|tile| &tile.reason) {
            None => by_kernels += 1,
            Some(CpuReason::Flagged(_)) => flagged += 1,
            Some(_) => refused += 1,
        }
        let result = &decoded.report.results[0];
        let theirs = by_wsi_jpeg(&stream, &format, channels as usize);
        match theirs {
            Ok((theirs, outcome)) if outcome.is_clean() => {
                assert!(result.is_ok(), "{what}: {result:?}");
                let ours = decoder.download(&decoded.tensor).expect("pixels");
                assert_same(&what, width as usize, channels as usize, &ours, &theirs);
            }
            _ => {
                assert!(result.is_err(), "{what}: damage that nobody has noticed");
                errors += 1;
            }
        }
    }
    println!("{by_kernels} by the kernels, {refused} refused, {flagged} flagged, {errors} errors");
    assert!(by_kernels > 50, "{by_kernels}");
}
