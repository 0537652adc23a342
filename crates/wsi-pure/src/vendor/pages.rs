//! Any other TIFF: its pages.
//!
//! The first picture is level 0. Reduced-resolution versions of it (SubIFDs, or directories that
//! NewSubfileType calls reduced) are the other levels; further pictures of the same size and kind
//! are further planes, with their own SubIFDs as their levels; whatever else the file holds is an
//! associated image `page-N`, N counting directories from 0. Levels are turned as the Orientation of
//! the first picture says; associated images are as stored.

use wsi_core::{PixelFormat, Properties, Result, Size};

use super::Layout;
use super::generic::REDUCED;
use crate::orientation::Orientation;
use crate::properties::mpp_of_resolution;
use crate::tiff::{Page, TiffFile, tag};

pub(crate) fn layout(file: &TiffFile) -> Result<Layout> {
    let first = Page::new(file, 0)?;
    let base = Kind::of(&first);
    let mut levels = vec![vec![0]];
    let mut sizes = vec![base.size];
    let mut used = vec![0];
    let sub_pages = file.sub_directories(0).iter().copied();
    for index in sub_pages.chain(1..file.chain_len()) {
        let Ok(page) = Page::new(file, index) else {
            continue;
        };
        let is_sub_page = index >= file.chain_len();
        let kind = Kind::of(&page);
        let smaller = sizes
            .last()
            .is_some_and(|last| kind.size.width < last.width && kind.size.height <= last.height);
        if (is_sub_page || page.subfile_type() & REDUCED != 0)
            && kind.format == base.format
            && smaller
            && same_aspect(base.size, kind.size)
        {
            levels.push(vec![index]);
            sizes.push(kind.size);
            used.push(index);
        }
    }
    add_planes(file, &base, &sizes, &mut levels, &mut used);
    let mut associated = Vec::new();
    for index in (0..file.directories().len()).filter(|index| !used.contains(index)) {
        if Page::new(file, index).is_ok() {
            associated.push((format!("page-{index}"), index));
        }
    }
    let orientation = file.integer(0, tag::ORIENTATION)?.unwrap_or(1);
    Ok(Layout {
        hash_directory: levels
            .last()
            .and_then(|level| level.first())
            .copied()
            .unwrap_or(0),
        levels,
        associated,
        properties_directory: 0,
        icc_directory: 0,
        properties: Properties::new(),
        mpp: mpp_of_resolution(file, 0)?,
        objective_power: None,
        orientation: Orientation::from_tag(orientation),
        has_bounds: false,
        borrows_missing_tiles: false,
        caveats: Vec::new(),
    })
}

/// Adds the pictures of the chain that are like the first, as planes, where each has all levels.
fn add_planes(
    file: &TiffFile,
    base: &Kind,
    sizes: &[Size],
    levels: &mut [Vec<usize>],
    used: &mut Vec<usize>,
) {
    for index in 1..file.chain_len() {
        let Ok(page) = Page::new(file, index) else {
            continue;
        };
        if page.subfile_type() & REDUCED != 0 || Kind::of(&page) != *base {
            continue;
        }
        let mut plane = vec![index];
        for &size in sizes.iter().skip(1) {
            let wanted = Kind {
                size,
                format: base.format,
            };
            let found =
                file.sub_directories(index).iter().copied().find(|&child| {
                    Page::new(file, child).is_ok_and(|page| Kind::of(&page) == wanted)
                });
            plane.extend(found);
        }
        if plane.len() == levels.len() {
            for (level, &index) in levels.iter_mut().zip(&plane) {
                level.push(index);
            }
            used.extend(plane);
        }
    }
}

/// What pictures must share to be planes of one slide.
#[derive(Debug, PartialEq, Eq)]
struct Kind {
    size: Size,
    format: PixelFormat,
}

impl Kind {
    fn of(page: &Page) -> Self {
        Self {
            size: page.size(),
            format: page.storage().pixel_format(),
        }
    }
}

/// Whether a picture can be a smaller version of another: its sides are within a pixel, and a
/// hundredth, of the same ratio.
fn same_aspect(base: Size, other: Size) -> bool {
    let expected = f64::from(base.height) * f64::from(other.width) / f64::from(base.width);
    (expected - f64::from(other.height)).abs() <= 1.0 + expected * 0.01
}
