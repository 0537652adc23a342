//! Every JPEG that libjpeg-turbo decodes, in a process we claim, gives the same samples here at
//! all four scales with all kernels, and damaged ones never panic.

#![allow(clippy::print_stdout, reason = "counts are the report of these tests")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;
use sha2::{Digest, Sha256};
use wsi_jpeg::{
    ColorModel, Decoder, Error, ErrorKind, Info, Kernels, Limits, Options, Outcome, PixelFormat,
    Scale, StridedRows,
};

/// The folder of test files, or `None` with a note where it is absent.
fn slides() -> Option<PathBuf> {
    let folder = std::env::var_os("WSI_TEST_SLIDES").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/slides"),
        PathBuf::from,
    );
    if folder.join("truth/turbojpeg.json").is_file() {
        return Some(folder);
    }
    println!("SKIP: no test files in {}", folder.display());
    None
}

/// The format in which the reference answers were given.
fn format(info: &Info) -> PixelFormat {
    match (info.color(), info.bits() > 8) {
        (ColorModel::Gray, false) => PixelFormat::Gray8,
        (ColorModel::Gray, true) => PixelFormat::Gray16,
        (ColorModel::Cmyk | ColorModel::Ycck, false) => PixelFormat::Cmyk8,
        (ColorModel::Cmyk | ColorModel::Ycck, true) => PixelFormat::Cmyk16,
        (_, false) => PixelFormat::Rgb8,
        (_, true) => PixelFormat::Rgb16,
    }
}

fn decode(decoder: &mut Decoder, data: &[u8], scale: Scale) -> Result<(Vec<u8>, Outcome), Error> {
    let info = Info::read(data, None)?;
    let format = format(&info);
    let limits = Limits::default()
        .with_max_pixels(1 << 26)
        .with_max_memory(1 << 30);
    let options = Options::new(format).with_scale(scale).with_limits(limits);
    let (width, height) = info.scaled_size(scale);
    let stride = width as usize * format.bytes_per_pixel();
    let length = if u64::from(info.width()) * u64::from(info.height()) > 1 << 26 {
        0
    } else {
        stride * height as usize
    };
    let mut pixels = vec![0; length];
    let outcome = decoder.decode(data, &options, &mut StridedRows::new(&mut pixels, stride))?;
    Ok((pixels, outcome))
}

fn digest(pixels: &[u8]) -> String {
    Sha256::digest(pixels)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

const SCALES: [(Scale, &str); 4] = [
    (Scale::Full, "1/1"),
    (Scale::Half, "1/2"),
    (Scale::Quarter, "1/4"),
    (Scale::Eighth, "1/8"),
];

#[test]
fn files_that_libjpeg_turbo_decodes_are_equal() {
    let Some(folder) = slides() else { return };
    let text = std::fs::read_to_string(folder.join("truth/turbojpeg.json")).expect("readable");
    let truth: Value = serde_json::from_str(&text).expect("valid JSON");
    let files = truth["files"].as_object().expect("an object of files");
    let mut decoders: Vec<(&str, Decoder)> = Kernels::available()
        .into_iter()
        .map(|kernels| (kernels.name(), Decoder::with_kernels(kernels)))
        .collect();
    let mut counts = BTreeMap::<String, usize>::new();
    let mut wrong = Vec::new();
    for (name, expected) in files {
        if !expected["ok"].as_bool().unwrap_or(false) {
            continue;
        }
        let data = std::fs::read(folder.join(name)).expect("listed file exists");
        let warned = expected["warning"].is_string();
        let process = expected["process"].as_str().unwrap_or("?");
        for (scale, label) in SCALES {
            let wanted = match scale {
                Scale::Full => &expected["sha256"],
                _ => &expected["scaled"][label],
            };
            let Some(wanted) = wanted.as_str() else {
                continue;
            };
            let class = if warned { "warned" } else { "clean" };
            for (kernels, decoder) in &mut decoders {
                let result = match decode(decoder, &data, scale) {
                    Err(error) if process == "arithmetic" => {
                        assert_eq!(error.kind(), ErrorKind::Unsupported, "{name}");
                        "refused: arithmetic".to_owned()
                    }
                    Err(error) => format!("UNEQUAL: error {error}"),
                    Ok((pixels, _)) if digest(&pixels) != wanted => "UNEQUAL: pixels".to_owned(),
                    Ok((_, outcome)) if outcome.is_clean() == warned => {
                        format!(
                            "UNEQUAL: warnings {:?} for {}",
                            outcome.warnings(),
                            expected["warning"]
                        )
                    }
                    Ok(_) => "equal".to_owned(),
                };
                *counts
                    .entry(format!(
                        "{class} {process} {label} {kernels}: {}",
                        result.split(':').next().unwrap_or("")
                    ))
                    .or_default() += 1;
                if result.starts_with("UNEQUAL") {
                    wrong.push(format!(
                        "{name} ({process}, {}) at {label}, {kernels}: {result}",
                        expected["sampling"]
                    ));
                }
            }
        }
    }
    for (class, count) in &counts {
        println!("{class}: {count}");
    }
    assert!(
        wrong.is_empty(),
        "{} differ:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

#[test]
fn files_that_libjpeg_turbo_refuses_never_panic() {
    let Some(folder) = slides() else { return };
    let text = std::fs::read_to_string(folder.join("truth/turbojpeg.json")).expect("readable");
    let truth: Value = serde_json::from_str(&text).expect("valid JSON");
    let mut decoder = Decoder::new();
    let mut counts = BTreeMap::<&str, usize>::new();
    for (name, expected) in truth["files"].as_object().expect("an object of files") {
        if expected["ok"].as_bool().unwrap_or(false) {
            continue;
        }
        let data = std::fs::read(folder.join(name)).expect("listed file exists");
        let answer = match decode(&mut decoder, &data, Scale::Full) {
            Ok((_, outcome)) => {
                println!(
                    "decoded {name}: {} | {:?}",
                    expected["error"],
                    outcome.warnings()
                );
                if outcome.is_clean() {
                    "decoded clean"
                } else {
                    "decoded with warnings"
                }
            }
            Err(error) => match error.kind() {
                ErrorKind::Corrupt => "corrupt",
                ErrorKind::Unsupported => "unsupported",
                ErrorKind::LimitExceeded => "limit",
                _ => "other",
            },
        };
        *counts.entry(answer).or_default() += 1;
        for scale in [Scale::Half, Scale::Quarter, Scale::Eighth] {
            decode(&mut decoder, &data, scale).ok();
        }
    }
    println!("{counts:?}");
}
