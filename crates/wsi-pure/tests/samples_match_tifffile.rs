//! Every page of every test file either reads with exactly the samples that tifffile gives, or is
//! refused as `Unsupported` with the reason; and nothing is refused that is 8-bit gray or colour in
//! a compression which libtiff has itself.
//!
//! The answers are in `truth/tifffile.json` beside the files; `WSI_TEST_SLIDES` says where.

#![allow(clippy::print_stdout, reason = "the counts are what people read")]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::Value;
use sha2::{Digest as _, Sha256};
use wsi_core::{ErrorKind, Image, Limits};
use wsi_pure::PageReader;
use wsi_pure::tiff::TiffFile;

/// Pages that tifffile 2026.3.3 gets wrong, or refuses where libvips gets them wrong.
const WRONG_ANSWERS: [(&str, usize, Deviation); 5] = [
    // Samples of 24 bits of a big-endian file come out of `packints_decode` in the machine's order
    // and are swapped once more.
    (
        "tiff/TiffLibrary__flower-rgb-planar-big-endian.tif",
        1,
        Deviation::Swapped,
    ),
    // The decoder that tifffile keeps for page 0 is used for page 1, whose T4Options differ. libtiff
    // sees the same picture on both.
    ("tiff/TwelveMonkeys__multipage.tif", 1, Deviation::AsPage0),
    // A run of no length in row 234 sends it astray, and all rows from 239 on are white. The answer
    // is that of libvips.
    ("tiff/libtiff__testfax4.tiff", 0, Deviation::AsLibvips),
    // tifffile refuses them. libtiff asks for 44 rows of 85 bytes where a row of blocks has 342 for
    // four rows, and so takes the last 22 bytes for zeros.
    (
        "tiff/TiffLibrary__flower-ycbcr-contig-08_h4v4.tiff",
        0,
        Deviation::EndLost(8 + 3740..8 + 3762),
    ),
    (
        "tiff/libtiff.net__flower-ycbcr44-contig-08.tif",
        0,
        Deviation::EndLost(8 + 3740..8 + 3762),
    ),
];

/// What the right answer is, where tifffile's is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Deviation {
    /// The samples with their bytes the other way round are tifffile's.
    Swapped,
    /// That of page 0.
    AsPage0,
    /// That of libvips, in which white is 255 and black 0.
    AsLibvips,
    /// That of libvips is of the file with these bytes set to 0.
    EndLost(Range<usize>),
}

/// What came of a page.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Verdict {
    Equal,
    EqualToLibvips,
    /// Right, where tifffile is not.
    KnownToBeWrong(String),
    Refused(String),
    NeitherReads(String),
    NotInTheAnswers,
    Wrong(String),
}

fn slides() -> Option<PathBuf> {
    let default = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/slides");
    let folder = std::env::var_os("WSI_TEST_SLIDES").map_or(default, PathBuf::from);
    let found = folder.join("truth/tifffile.json").is_file();
    if !found {
        println!("SKIP: no test slides at {}", folder.display());
    }
    found.then_some(folder)
}

#[test]
fn every_page_has_the_samples_of_tifffile() {
    let Some(folder) = slides() else { return };
    let text = std::fs::read(folder.join("truth/tifffile.json")).expect("the answers");
    let answers: Value = serde_json::from_slice(&text).expect("answers in JSON");
    let files = answers["files"].as_object().expect("a map of files");

    let mut counts = BTreeMap::<Verdict, usize>::new();
    let mut failures = Vec::new();
    for (name, answer) in files {
        if !name.starts_with("tiff/") && !name.starts_with("wsi/") {
            continue;
        }
        for (page, verdict) in check_file(&folder.join(name), name, answer) {
            if let Verdict::Wrong(why) = &verdict {
                failures.push(format!("{name}, {page}: {why}"));
            } else {
                *counts.entry(verdict).or_default() += 1;
            }
        }
    }
    for (verdict, count) in &counts {
        println!("{count:5} {verdict:?}");
    }
    println!("{:5} wrong", failures.len());
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// The verdicts on all pages of a file, each with the page's name.
fn check_file(path: &Path, name: &str, answer: &Value) -> Vec<(String, Verdict)> {
    let pages = answer["tifffile"]["pages"].as_array();
    let file = match TiffFile::open(path, &Limits::default()) {
        Ok(file) => Arc::new(file),
        Err(error) => {
            let verdict = match (error.kind(), pages) {
                (_, None) => Verdict::NeitherReads(error.to_string()),
                (ErrorKind::Unsupported, Some(_)) => Verdict::Refused(error.message().to_owned()),
                _ => Verdict::Wrong(format!("does not open: {error}")),
            };
            return vec![("file".to_owned(), verdict)];
        }
    };
    let Some(pages) = pages else {
        return vec![("file".to_owned(), Verdict::NotInTheAnswers)];
    };
    let mut verdicts = Vec::new();
    for (index, page) in pages.iter().enumerate() {
        let wrong = WRONG_ANSWERS
            .iter()
            .find(|(file, page, _)| *file == name && *page == index);
        let libvips = (index == 0).then(|| &answer["vips"]);
        let verdict = match wrong {
            Some((_, _, deviation)) => check_against(path, index, answer, deviation),
            None => check_page(&file, index, page, libvips),
        };
        verdicts.push((format!("page {index}"), verdict));
        let empty = Vec::new();
        let below = page["subifds"].as_array().unwrap_or(&empty);
        let indices = file.sub_directories(index);
        if indices.len() != below.len() {
            let why = format!("{} SubIFDs where there are {}", indices.len(), below.len());
            verdicts.push((format!("page {index}"), Verdict::Wrong(why)));
        }
        for (&sub, page) in indices.iter().zip(below) {
            verdicts.push((
                format!("SubIFD {sub} of page {index}"),
                check_page(&file, sub, page, None),
            ));
        }
    }
    verdicts
}

fn check_page(
    file: &Arc<TiffFile>,
    index: usize,
    answer: &Value,
    libvips: Option<&Value>,
) -> Verdict {
    let expected = answer["sha256"].as_str();
    let image = PageReader::new(Arc::clone(file), index).and_then(|page| page.read());
    let image = match image {
        Ok(image) => image,
        Err(error) if error.kind() == ErrorKind::Unsupported => {
            return match is_plain(answer) {
                false => Verdict::Refused(error.message().to_owned()),
                true => Verdict::Wrong(format!("refused: {error}")),
            };
        }
        Err(error) if expected.is_none() && libvips.is_none_or(|answer| answer["ok"] != true) => {
            return Verdict::NeitherReads(error.to_string());
        }
        Err(error) => return Verdict::Wrong(error.to_string()),
    };
    let Some(expected) = expected else {
        return match libvips.map(|libvips| (libvips, libvips["sha256"].as_str())) {
            Some((_, Some(digest))) if digest == sha256(&with_alpha(&image)) => {
                Verdict::EqualToLibvips
            }
            Some((libvips, Some(_))) => Verdict::Wrong(format!("libvips reads {libvips}")),
            _ => Verdict::NotInTheAnswers,
        };
    };
    let is_planar = answer["planar"].as_u64() == Some(2);
    let samples = match is_planar {
        true => planes(&image),
        false => image.as_bytes().to_vec(),
    };
    match sha256(&samples) == expected {
        true => Verdict::Equal,
        false => Verdict::Wrong(format!(
            "{} {} differs from {answer}",
            image.size(),
            image.format()
        )),
    }
}

/// Checks a page of which an answer is known to be wrong.
fn check_against(path: &Path, index: usize, answers: &Value, how: &Deviation) -> Verdict {
    let mut bytes = std::fs::read(path).expect("a file that could be opened");
    if let Deviation::EndLost(end) = how {
        bytes[end.clone()].fill(0);
    }
    let image = TiffFile::from_source(Box::new(bytes), &Limits::default())
        .and_then(|file| PageReader::new(Arc::new(file), index)?.read());
    let image = match image {
        Ok(image) => image,
        Err(error) => return Verdict::Wrong(error.to_string()),
    };
    let pages = &answers["tifffile"]["pages"];
    let (samples, expected) = match how {
        Deviation::Swapped => {
            let mut samples = planes(&image);
            let bytes = image.format().sample.bytes();
            samples.chunks_exact_mut(bytes).for_each(<[u8]>::reverse);
            (samples, &pages[index]["sha256"])
        }
        Deviation::AsPage0 => (image.as_bytes().to_vec(), &pages[0]["sha256"]),
        Deviation::AsLibvips => {
            let shown = image.as_bytes().iter().map(|&black| 255 * (1 - black));
            (shown.collect(), &answers["vips"]["sha256"])
        }
        Deviation::EndLost(_) => (with_alpha(&image), &answers["vips"]["sha256"]),
    };
    match expected.as_str() == Some(&sha256(&samples)) {
        true => Verdict::KnownToBeWrong(format!("{how:?}")),
        false => Verdict::Wrong(format!("differs from {how:?} of {expected}")),
    }
}

/// Whether a page is 8-bit gray, colour or a palette in a compression that libtiff has itself.
fn is_plain(answer: &Value) -> bool {
    let number = |name: &str| answer[name].as_u64().unwrap_or(0);
    let sides = answer["shape"].as_array().into_iter().flatten();
    sides.clone().all(|side| side != 0)
        && matches!(answer["dtype"].as_str(), Some("uint8" | "bool"))
        && matches!(number("photometric"), 0..=3 | 6)
        && matches!(number("compression"), 1..=5 | 7 | 8 | 32773 | 32946 | 50000)
}

/// The samples of a picture, all first ones before all second ones.
fn planes(image: &Image) -> Vec<u8> {
    let sample = image.format().sample.bytes();
    let pixel = image.format().bytes_per_pixel();
    (0..pixel / sample)
        .flat_map(|index| {
            let pixels = image.as_bytes().chunks_exact(pixel);
            pixels.flat_map(move |pixel| &pixel[index * sample..(index + 1) * sample])
        })
        .copied()
        .collect()
}

/// RGB with 255 behind each pixel, as libvips reads it.
fn with_alpha(image: &Image) -> Vec<u8> {
    image
        .as_bytes()
        .chunks(3)
        .flat_map(|rgb| rgb.iter().copied().chain([255]))
        .collect()
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .fold(String::new(), |mut text, byte| {
            write!(text, "{byte:02x}").expect("writing to a string cannot fail");
            text
        })
}
