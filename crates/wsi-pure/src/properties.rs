//! Properties with OpenSlide's names: what the TIFF tags say, what the levels are, quickhash-1.
//!
//! Facts: OpenSlide 4.0.1, `openslide-decode-tifflike.c`, `openslide.c`, `openslide-hash.c`.

use std::fmt::Write as _;

use sha2::{Digest, Sha256};
use wsi_core::{Mpp, Properties, Rect, Result, SlideInfo};

use crate::number::format_double;
use crate::reader::PageReader;
use crate::tiff::{Page, TiffFile, tag};

/// Text tags that become properties, in the order in which quickhash-1 takes them.
const TEXT_TAGS: [(&str, u16); 9] = [
    ("tiff.ImageDescription", tag::IMAGE_DESCRIPTION),
    ("tiff.Make", tag::MAKE),
    ("tiff.Model", tag::MODEL),
    ("tiff.Software", tag::SOFTWARE),
    ("tiff.DateTime", tag::DATE_TIME),
    ("tiff.Artist", tag::ARTIST),
    ("tiff.HostComputer", tag::HOST_COMPUTER),
    ("tiff.Copyright", tag::COPYRIGHT),
    ("tiff.DocumentName", tag::DOCUMENT_NAME),
];

const NUMBER_TAGS: [(&str, u16); 4] = [
    ("tiff.XResolution", tag::X_RESOLUTION),
    ("tiff.YResolution", tag::Y_RESOLUTION),
    ("tiff.XPosition", tag::X_POSITION),
    ("tiff.YPosition", tag::Y_POSITION),
];

/// Above this many bytes of stored tiles there is no quickhash-1.
const QUICKHASH_BYTES: u64 = 5 << 20;

/// A text tag's value up to its first NUL, if the tag is of a byte-like type.
pub(crate) fn text(file: &TiffFile, directory: usize, tag: u16) -> Result<Option<Vec<u8>>> {
    let bytes = file.bytes(directory, tag)?;
    Ok(bytes.map(|mut bytes| {
        if let Some(end) = bytes.iter().position(|&byte| byte == 0) {
            bytes.truncate(end);
        }
        bytes
    }))
}

/// The properties that every TIFF has: `tiff.*` and `openslide.comment`.
pub(crate) fn tiff_properties(file: &TiffFile, directory: usize) -> Result<Properties> {
    let mut properties = Properties::new();
    for (name, tag) in TEXT_TAGS {
        if let Some(value) = text(file, directory, tag)? {
            if tag == tag::IMAGE_DESCRIPTION {
                properties.set("openslide.comment", value.clone());
            }
            properties.set(name, value);
        }
    }
    for (name, tag) in NUMBER_TAGS {
        if let Some(value) = number(file, directory, tag)? {
            properties.set(name, format_double(value));
        }
    }
    let unit = match file.integer(directory, tag::RESOLUTION_UNIT)?.unwrap_or(2) {
        1 => "none",
        2 => "inch",
        3 => "centimeter",
        _ => "unknown",
    };
    properties.set("tiff.ResolutionUnit", unit);
    Ok(properties)
}

fn number(file: &TiffFile, directory: usize, tag: u16) -> Result<Option<f64>> {
    let values = file.floats(directory, tag)?;
    Ok(values
        .and_then(|values| values.first().copied())
        .filter(|value| !value.is_nan()))
}

/// Micrometres per pixel from XResolution, YResolution and ResolutionUnit: both axes or neither.
pub(crate) fn mpp_of_resolution(file: &TiffFile, directory: usize) -> Result<Option<Mpp>> {
    let micrometres = match file.integer(directory, tag::RESOLUTION_UNIT)?.unwrap_or(2) {
        2 => 25_400.0,
        3 => 10_000.0,
        _ => return Ok(None),
    };
    let x = number(file, directory, tag::X_RESOLUTION)?.filter(|&x| x != 0.0);
    let y = number(file, directory, tag::Y_RESOLUTION)?.filter(|&y| y != 0.0);
    Ok(x.zip(y).map(|(x, y)| Mpp {
        x: micrometres / x,
        y: micrometres / y,
    }))
}

/// The properties that every slide has: `openslide.*` of levels, mpp, associated images.
pub(crate) fn slide_properties(info: &SlideInfo, properties: &mut Properties) {
    properties.set("openslide.vendor", info.format);
    let levels = info.pyramid.levels();
    properties.set("openslide.level-count", levels.len().to_string());
    for (index, level) in levels.iter().enumerate() {
        let name = |what: &str| format!("openslide.level[{index}].{what}");
        properties.set(name("width"), level.size.width.to_string());
        properties.set(name("height"), level.size.height.to_string());
        properties.set(name("downsample"), format_double(level.downsample));
        if let Some(tile) = level.tile_size {
            properties.set(name("tile-width"), tile.width.to_string());
            properties.set(name("tile-height"), tile.height.to_string());
        }
    }
    if let Some(mpp) = info.mpp {
        properties.set("openslide.mpp-x", format_double(mpp.x));
        properties.set("openslide.mpp-y", format_double(mpp.y));
    }
    if let Some(power) = info.objective_power {
        properties.set("openslide.objective-power", format_double(power));
    }
    for image in &info.associated {
        let name = |what: &str| format!("openslide.associated.{}.{what}", image.name);
        properties.set(name("width"), image.size.width.to_string());
        properties.set(name("height"), image.size.height.to_string());
    }
}

/// `openslide.bounds-*`: the box of the stored tiles of level 0, where it is not the whole level.
pub(crate) fn bounds_properties(
    file: &TiffFile,
    reader: &PageReader,
    properties: &mut Properties,
) -> Result<()> {
    let page = reader.page();
    let (columns, _) = page.grid();
    let (mut left, mut top, mut right, mut bottom) = (i64::MAX, i64::MAX, 0, 0);
    for (index, (_, length)) in (0_u64..).zip(page.chunks(file)?) {
        if length > 0 && index < u64::from(columns) * u64::from(page.grid().1) {
            let column = u32::try_from(index % u64::from(columns)).unwrap_or(0);
            let row = u32::try_from(index / u64::from(columns)).unwrap_or(0);
            let rect = page.chunk_rect(column, row);
            left = left.min(rect.origin.x);
            top = top.min(rect.origin.y);
            right = right.max(rect.right());
            bottom = bottom.max(rect.bottom());
        }
    }
    if right == 0 {
        (left, top) = (0, 0);
    }
    let whole = Rect::new((0, 0), page.size());
    if (left, top, right, bottom) != (0, 0, whole.right(), whole.bottom()) {
        let sides = [
            ("x", left),
            ("y", top),
            ("width", right - left),
            ("height", bottom - top),
        ];
        for (side, value) in sides {
            properties.set(format!("openslide.bounds-{side}"), value.to_string());
        }
    }
    Ok(())
}

/// OpenSlide's quickhash-1: SHA-256 over the stored tiles of `page` in their order, then over the
/// text properties of `directory`; none where those tiles are more than 5 MiB.
pub(crate) fn quickhash(file: &TiffFile, page: &Page, directory: usize) -> Result<Option<String>> {
    let total: u64 = page
        .chunks(file)?
        .fold(0, |total, (_, length)| total.saturating_add(length));
    if total > QUICKHASH_BYTES {
        return Ok(None);
    }
    let mut hash = Sha256::new();
    let mut buffer = Vec::new();
    for (offset, length) in page.chunks(file)? {
        if length > 0 {
            file.read_into(offset, length, &mut buffer)?;
            hash.update(&buffer);
        }
    }
    for (name, tag) in TEXT_TAGS {
        hash.update(name);
        hash.update([0]);
        hash.update(text(file, directory, tag)?.unwrap_or_default());
        hash.update([0]);
    }
    let mut hex = String::with_capacity(64);
    for byte in hash.finalize() {
        write!(hex, "{byte:02x}").unwrap_or_default();
    }
    Ok(Some(hex))
}
