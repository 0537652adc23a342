//! JPEG streams of slides: tiles and strips of TIFF files, and what lies in other containers.
//!
//! A plain walk over directories, enough for test files and not for hostile ones; `wsi-pure` has
//! the reader that counts.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use wsi_jpeg::ColorModel;

/// The folder of test files: `WSI_TEST_SLIDES`, by default `shared/slides` beside the project.
/// `None`, with a note, if it is not there.
#[must_use]
pub fn folder() -> Option<PathBuf> {
    let folder = std::env::var_os("WSI_TEST_SLIDES")
        .map_or_else(|| root().join("../shared/slides"), PathBuf::from);
    if folder.is_dir() {
        return Some(folder);
    }
    println!("SKIP: no test files in {}", folder.display());
    None
}

/// The root of the project.
#[must_use]
pub fn root() -> PathBuf {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.ancestors().nth(3).unwrap_or(package).to_path_buf()
}

/// All files below a folder, in order.
///
/// # Panics
/// If a folder cannot be read.
#[must_use]
pub fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in folder.read_dir().expect("a readable folder") {
        let path = entry.expect("a readable folder").path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// One page of a TIFF that holds JPEG streams.
#[derive(Debug, Clone, Default)]
pub struct Page {
    /// Tag 347, shared tables.
    pub tables: Option<Vec<u8>>,
    /// What tag 262 says of the components, for three of them.
    pub color: Option<ColorModel>,
    /// Width and height of the page.
    pub size: (u64, u64),
    /// Offset and length of each tile or strip.
    pub chunks: Vec<(usize, usize)>,
}

const COMPRESSION: u16 = 259;
const PHOTOMETRIC: u16 = 262;
const STRIP_OFFSETS: u16 = 273;
const STRIP_COUNTS: u16 = 279;
const TILE_OFFSETS: u16 = 324;
const TILE_COUNTS: u16 = 325;
const SUB_DIRECTORIES: u16 = 330;
const JPEG_TABLES: u16 = 347;

/// The pages with compression 7 (JPEG), or `None` if this is no TIFF.
#[must_use]
pub fn jpeg_pages(file: &[u8]) -> Option<Vec<Page>> {
    let little = match file.get(..2)? {
        b"II" => true,
        b"MM" => false,
        _ => return None,
    };
    let mut tiff = Tiff {
        file,
        little,
        big: false,
    };
    tiff.big = match tiff.number(2, 2)? {
        42 => false,
        43 => true,
        _ => return None,
    };
    let mut waiting = vec![if tiff.big {
        tiff.number(8, 8)?
    } else {
        tiff.number(4, 4)?
    }];
    let (mut seen, mut pages) = (Vec::new(), Vec::new());
    while let Some(offset) = waiting.pop() {
        if offset == 0 || seen.contains(&offset) {
            continue;
        }
        seen.push(offset);
        let Some((tags, next)) = tiff.directory(offset as usize) else {
            continue;
        };
        waiting.push(next);
        waiting.extend(tags.get(&SUB_DIRECTORIES).into_iter().flatten());
        pages.extend(page(&tags));
    }
    Some(pages)
}

fn page(tags: &BTreeMap<u16, Vec<u64>>) -> Option<Page> {
    let first = |tag: u16| tags.get(&tag)?.first().copied();
    if first(COMPRESSION)? != 7 {
        return None;
    }
    let (offsets, counts) = match tags.get(&TILE_OFFSETS) {
        Some(offsets) => (
            offsets,
            tags.get(&TILE_COUNTS).or_else(|| tags.get(&STRIP_COUNTS))?,
        ),
        None => (tags.get(&STRIP_OFFSETS)?, tags.get(&STRIP_COUNTS)?),
    };
    Some(Page {
        tables: tags
            .get(&JPEG_TABLES)
            .map(|bytes| bytes.iter().map(|&byte| byte as u8).collect()),
        color: match first(PHOTOMETRIC) {
            Some(2) => Some(ColorModel::Rgb),
            Some(6) => Some(ColorModel::YCbCr),
            _ => None,
        },
        size: (first(256)?, first(257)?),
        chunks: offsets
            .iter()
            .zip(counts)
            .map(|(&offset, &count)| (offset as usize, count as usize))
            .collect(),
    })
}

struct Tiff<'f> {
    file: &'f [u8],
    little: bool,
    big: bool,
}

impl Tiff<'_> {
    fn number(&self, at: usize, length: usize) -> Option<u64> {
        let bytes = self.file.get(at..at.checked_add(length)?)?;
        let fold = |value, byte: &u8| (value << 8) | u64::from(*byte);
        Some(if self.little {
            bytes.iter().rev().fold(0, fold)
        } else {
            bytes.iter().fold(0, fold)
        })
    }

    /// The tags with whole numbers of a directory, and where the next one is.
    fn directory(&self, at: usize) -> Option<(BTreeMap<u16, Vec<u64>>, u64)> {
        let (word, entry) = if self.big { (8, 20) } else { (4, 12) };
        let head = if self.big { 8 } else { 2 };
        let count = self.number(at, head)? as usize;
        let mut tags = BTreeMap::new();
        for index in 0..count.min(4096) {
            let start = at + head + index * entry;
            let tag = self.number(start, 2)? as u16;
            let size = match self.number(start + 2, 2)? {
                1 | 7 => 1,
                3 => 2,
                4 | 13 => 4,
                16 | 18 => 8,
                _ => continue,
            };
            let values = self.number(start + 4, word)? as usize;
            let field = start + 4 + word;
            let place = if values.checked_mul(size)? <= word {
                field
            } else {
                self.number(field, word)? as usize
            };
            let read = (0..values.min(self.file.len()))
                .map_while(|value| self.number(place + value * size, size))
                .collect();
            tags.insert(tag, read);
        }
        let next = self.number(at + head + count * entry, word).unwrap_or(0);
        Some((tags, next))
    }
}

/// Where something that looks like a JPEG stream begins in a file of another kind.
#[must_use]
pub fn jpeg_starts(file: &[u8]) -> Vec<usize> {
    file.windows(3)
        .enumerate()
        .filter(|(_, bytes)| *bytes == [0xFF, 0xD8, 0xFF])
        .map(|(at, _)| at)
        .collect()
}
