//! Lossless JPEG has one right answer, and the `jpeg-decoder` crate finds the same.
//!
//! But for a point transform, after which it gives other samples than libjpeg-turbo: there the
//! answers of `files_match_libjpeg_turbo.rs` decide.

#![allow(clippy::print_stdout, reason = "a test that does nothing says so")]

use std::path::{Path, PathBuf};

use wsi_jpeg::{Decoder, Info, Options, PixelFormat, Process, StridedRows};

fn folder() -> PathBuf {
    let default = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/slides");
    std::env::var_os("WSI_TEST_SLIDES")
        .map_or(default, PathBuf::from)
        .join("jpeg")
}

#[test]
fn lossless_gray_files_agree() {
    let Ok(entries) = folder().read_dir() else {
        println!("SKIP: no test files at {}", folder().display());
        return;
    };
    let mut compared = 0;
    for entry in entries {
        let path = entry.expect("a readable folder").path();
        if !path.is_file() || path.ends_with("TwelveMonkeys__gradient_ls_pt.jpg") {
            continue;
        }
        let data = std::fs::read(&path).expect("a readable file");
        let Ok(info) = Info::read(&data, None) else {
            continue;
        };
        if info.process() != Process::Lossless || info.components().len() != 1 {
            continue;
        }
        let Ok(theirs) = jpeg_decoder::Decoder::new(data.as_slice()).decode() else {
            continue;
        };
        let (width, height) = (info.width() as usize, info.height() as usize);
        let wide = info.bits() > 8;
        let stride = width * if wide { 2 } else { 1 };
        let format = if wide {
            PixelFormat::Gray16
        } else {
            PixelFormat::Gray8
        };
        let mut ours = vec![0; stride * height];
        let mut rows = StridedRows::new(&mut ours, stride);
        let outcome = Decoder::new().decode(&data, &Options::new(format), &mut rows);
        assert!(outcome.is_ok(), "{}: {outcome:?}", path.display());
        assert!(ours == theirs, "{} differs", path.display());
        compared += 1;
    }
    println!("{compared} files agree");
    assert!(compared > 0, "no lossless file was compared");
}
