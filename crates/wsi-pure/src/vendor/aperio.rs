//! Aperio SVS.
//!
//! OpenSlide 4.0.1, `openslide-vendor-aperio.c`: tiled directories are levels in the file's order;
//! of the others, directory 1 is the thumbnail, NewSubfileType 1 the label, 9 the macro image. The
//! ImageDescription holds `name = value` pairs between bars.

use wsi_core::{Error, Mpp, Properties, Result};

use super::Layout;
use super::recognise::is_tiled;
use crate::number::parse_double;
use crate::orientation::Orientation;
use crate::properties::text;
use crate::tiff::{TiffFile, tag};

pub(super) fn claims(file: &TiffFile) -> bool {
    is_tiled(file, 0)
        && matches!(text(file, 0, tag::IMAGE_DESCRIPTION), Ok(Some(value))
            if value.starts_with(b"Aperio"))
}

pub(super) fn layout(file: &TiffFile) -> Result<Layout> {
    let mut levels = Vec::new();
    let mut associated = Vec::new();
    for index in 0..file.chain_len() {
        let depth = file.integer(index, tag::IMAGE_DEPTH)?.unwrap_or(1);
        if depth != 1 {
            return Err(Error::unsupported(format!(
                "directory {index}: image depth {depth}"
            )));
        }
        if is_tiled(file, index) {
            levels.push(vec![index]);
            continue;
        }
        let subfile_type = file.integer(index, tag::NEW_SUBFILE_TYPE)?.unwrap_or(0);
        let name = match (index, subfile_type) {
            (1, _) => "thumbnail",
            (_, 1) => "label",
            (_, 9) => "macro",
            _ => continue,
        };
        if !associated.iter().any(|(known, _)| known == name) {
            associated.push((name.to_owned(), index));
        }
    }
    let last = levels
        .last()
        .and_then(|level| level.first())
        .copied()
        .unwrap_or(0);
    let description = text(file, 0, tag::IMAGE_DESCRIPTION)?.unwrap_or_default();
    let properties = description_properties(&description);
    let double = |name: &str| properties.get_bytes(name).and_then(parse_double);
    let mpp = double("aperio.MPP").map(|mpp| Mpp { x: mpp, y: mpp });
    let objective_power = double("aperio.AppMag");
    Ok(Layout {
        levels,
        associated,
        properties_directory: 0,
        icc_directory: 0,
        hash_directory: last,
        properties,
        mpp,
        objective_power,
        orientation: Orientation::default(),
        has_bounds: false,
        borrows_missing_tiles: true,
        caveats: Vec::new(),
    })
}

/// `aperio.NAME` for each `NAME = VALUE` between bars; what stands before the first bar is none.
fn description_properties(description: &[u8]) -> Properties {
    let mut properties = Properties::new();
    for pair in description.split(|&byte| byte == b'|').skip(1) {
        let Some(middle) = pair.iter().position(|&byte| byte == b'=') else {
            continue;
        };
        let (name, value) = pair.split_at(middle);
        let value = value.get(1..).unwrap_or_default();
        let name = [b"aperio.", name.trim_ascii()].concat();
        properties.set(name, value.trim_ascii());
    }
    properties
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_split_at_the_first_equals_sign() {
        let description =
            b"Aperio Image Library v11\r\n2220x2967|AppMag = 20|Title=a = b|odd|=x|E=";
        let properties = description_properties(description);
        assert_eq!(properties.get("aperio.AppMag").as_deref(), Some("20"));
        assert_eq!(properties.get("aperio.Title").as_deref(), Some("a = b"));
        assert_eq!(properties.get("aperio.").as_deref(), Some("x"));
        assert_eq!(properties.get("aperio.E").as_deref(), Some(""));
        assert_eq!(properties.len(), 4);
    }
}
