//! Generic tiled TIFF: a pyramid of tiled directories, as many tools write it.
//!
//! OpenSlide 4.0.1, `openslide-vendor-generic-tiff.c`: the chain alone (never SubIFDs); directory 0
//! and every tiled one whose NewSubfileType says "reduced" are levels, sorted by width.

use wsi_core::{Error, Properties, Result};

use super::Layout;
use super::recognise::is_tiled;
use crate::orientation::Orientation;
use crate::properties::mpp_of_resolution;
use crate::tiff::{TiffFile, tag};

/// Bit 0 of NewSubfileType: a reduced-resolution version of another picture of the file.
pub(super) const REDUCED: u64 = 1;

pub(super) fn claims(file: &TiffFile) -> bool {
    is_tiled(file, 0)
}

pub(super) fn layout(file: &TiffFile) -> Result<Layout> {
    let mut levels = Vec::new();
    for index in 0..file.chain_len() {
        let subfile_type = file.integer(index, tag::NEW_SUBFILE_TYPE)?.unwrap_or(0);
        if is_tiled(file, index) && (index == 0 || subfile_type & REDUCED != 0) {
            let width = file.integer(index, tag::IMAGE_WIDTH)?.unwrap_or(0);
            levels.push((width, index));
        }
    }
    // Stable: levels of the same width keep the file's order.
    levels.sort_by_key(|&(width, _)| std::cmp::Reverse(width));
    let (Some(&(_, first)), Some(&(_, last))) = (levels.first(), levels.last()) else {
        return Err(Error::corrupt("no tiled directory"));
    };
    Ok(Layout {
        levels: levels.into_iter().map(|(_, index)| vec![index]).collect(),
        associated: Vec::new(),
        properties_directory: 0,
        icc_directory: first,
        hash_directory: last,
        properties: Properties::new(),
        mpp: mpp_of_resolution(file, 0)?,
        objective_power: None,
        orientation: Orientation::default(),
        has_bounds: true,
        borrows_missing_tiles: false,
        caveats: Vec::new(),
    })
}
