//! Vendors: which directories of a TIFF are which levels of a slide. One format a file, one table.
//!
//! A vendor looks at tags alone and returns a [`Layout`]; reading is the same for all of them.

mod aperio;
mod generic;
mod pages;
mod recognise;

use wsi_core::{Mpp, Properties, Result};

use crate::orientation::Orientation;
use crate::tiff::TiffFile;

/// One row of the vendor table.
pub(crate) struct Vendor {
    /// The format's name, OpenSlide's where it has one.
    pub(crate) name: &'static str,
    /// Whether the file is of this format. Looks at tags, decodes nothing.
    pub(crate) claims: fn(&TiffFile) -> bool,
    /// What of the file is what of the slide; `None` for formats that are recognised but not laid
    /// out yet, whose files open as their pages.
    pub(crate) layout: Option<fn(&TiffFile) -> Result<Layout>>,
}

/// What of a file is what of a slide. Numbers are indices of the file's directories.
#[derive(Debug)]
pub(crate) struct Layout {
    /// For each level, largest first: the directory of each plane.
    pub(crate) levels: Vec<Vec<usize>>,
    /// Names and directories of associated images.
    pub(crate) associated: Vec<(String, usize)>,
    /// The directory whose text becomes properties.
    pub(crate) properties_directory: usize,
    /// The directory of level 0, whose ICC profile is the slide's.
    pub(crate) icc_directory: usize,
    /// The directory whose tiles are hashed for quickhash-1.
    pub(crate) hash_directory: usize,
    /// What the vendor adds to the properties.
    pub(crate) properties: Properties,
    pub(crate) mpp: Option<Mpp>,
    pub(crate) objective_power: Option<f64>,
    /// How the stored pictures are turned to be shown.
    pub(crate) orientation: Orientation,
    /// Whether tiles may be left out, so that the slide's bounds are those of its stored tiles.
    pub(crate) has_bounds: bool,
    /// Whether coarser levels draw the tiles they lack from finer ones, as Aperio's do.
    pub(crate) borrows_missing_tiles: bool,
    /// What a user should know.
    pub(crate) caveats: Vec<String>,
}

/// All formats, in the order in which OpenSlide 4.0.1 asks them; the first that claims a file has
/// it. The last claims every TIFF.
pub(crate) const VENDORS: &[Vendor] = &[
    Vendor {
        name: "hamamatsu",
        claims: recognise::is_hamamatsu_ndpi,
        layout: None,
    },
    Vendor {
        name: "trestle",
        claims: recognise::is_trestle,
        layout: None,
    },
    Vendor {
        name: "aperio",
        claims: aperio::claims,
        layout: Some(aperio::layout),
    },
    Vendor {
        name: "huron",
        claims: recognise::is_huron,
        layout: None,
    },
    Vendor {
        name: "argos",
        claims: recognise::is_argos,
        layout: None,
    },
    Vendor {
        name: "leica",
        claims: recognise::is_leica,
        layout: None,
    },
    Vendor {
        name: "philips",
        claims: recognise::is_philips,
        layout: None,
    },
    Vendor {
        name: "ventana",
        claims: recognise::is_ventana,
        layout: None,
    },
    Vendor {
        name: "generic-tiff",
        claims: generic::claims,
        layout: Some(generic::layout),
    },
    PAGES,
];

/// The vendor that claims a file.
pub(crate) fn recognise(file: &TiffFile) -> &'static Vendor {
    VENDORS
        .iter()
        .find(|vendor| (vendor.claims)(file))
        .unwrap_or(&PAGES)
}

/// Any TIFF as its pages.
pub(crate) const PAGES: Vendor = Vendor {
    name: "tiff",
    claims: |_| true,
    layout: Some(pages::layout),
};

pub(crate) use pages::layout as pages_layout;
