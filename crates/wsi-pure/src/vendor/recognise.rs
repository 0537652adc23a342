//! Formats that are recognised but not laid out yet: OpenSlide 4.0.1's tests for them.

use crate::properties::text;
use crate::tiff::{TiffFile, tag};

fn starts_with(file: &TiffFile, tag: u16, start: &[u8]) -> bool {
    matches!(text(file, 0, tag), Ok(Some(value)) if value.starts_with(start))
}

fn contains(file: &TiffFile, tag: u16, needle: &[u8]) -> bool {
    matches!(text(file, 0, tag), Ok(Some(value))
        if value.windows(needle.len()).any(|window| window == needle))
}

/// Whether directory 0 is stored in tiles.
pub(super) fn is_tiled(file: &TiffFile, index: usize) -> bool {
    file.directories().get(index).is_some_and(|directory| {
        directory.contains(tag::TILE_WIDTH) && directory.contains(tag::TILE_LENGTH)
    })
}

pub(super) fn is_hamamatsu_ndpi(file: &TiffFile) -> bool {
    file.directories()
        .first()
        .is_some_and(|directory| directory.contains(tag::NDPI_VERSION))
}

pub(super) fn is_trestle(file: &TiffFile) -> bool {
    starts_with(file, tag::SOFTWARE, b"MedScan")
        && matches!(text(file, 0, tag::IMAGE_DESCRIPTION), Ok(Some(_)))
        && (0..file.chain_len()).all(|index| is_tiled(file, index))
}

pub(super) fn is_huron(file: &TiffFile) -> bool {
    is_tiled(file, 0) && starts_with(file, tag::MAKE, b"Huron")
}

pub(super) fn is_argos(file: &TiffFile) -> bool {
    is_tiled(file, 0) && contains(file, tag::ARGOS_XML, b"<Argos.Scan.Metadata")
}

pub(super) fn is_leica(file: &TiffFile) -> bool {
    const NAMESPACE: &[u8] = b"http://www.leica-microsystems.com/scn/";
    is_tiled(file, 0) && contains(file, tag::IMAGE_DESCRIPTION, NAMESPACE)
}

pub(super) fn is_philips(file: &TiffFile) -> bool {
    starts_with(file, tag::SOFTWARE, b"Philips")
        && contains(file, tag::IMAGE_DESCRIPTION, b"DPUfsImport")
}

pub(super) fn is_ventana(file: &TiffFile) -> bool {
    contains(file, tag::XML_PACKET, b"<iScan")
}
