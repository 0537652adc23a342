//! A small picture of a slide with its kept tiles drawn on it.

use std::path::Path;

use wsi_core::{Image, PixelFormat, Rect, Result, Slide};

use crate::report::Report;
use crate::sink::{PngEncoder, create_dir, write_whole};

/// Draws the outlines of a run's kept tiles on a picture of the slide, at most `longest` pixels on
/// its longer side.
///
/// Tiles are green, tiles that could not be read red. What lies beyond the slide is cut off.
///
/// # Errors
/// What reading the slide ran into.
///
/// ```no_run
/// # fn draw(slide: &wsi_core::Slide, report: &wsi_tiling::Report) -> wsi_core::Result<()> {
/// let picture = wsi_tiling::draw_overview(slide, report, 1024)?;
/// assert!(picture.size().width <= 1024);
/// # Ok(()) }
/// ```
pub fn draw_overview(slide: &Slide, report: &Report, longest: u32) -> Result<Image> {
    let picture = slide.thumbnail((longest, longest))?;
    let full = slide.pyramid().level(0)?.size;
    let size = picture.size();
    let mut pixels = picture.into_bytes();
    let side = f64::from(report.grid.tile_size()) * report.region.downsample;
    let scale = (
        f64::from(size.width) / f64::from(full.width),
        f64::from(size.height) / f64::from(full.height),
    );
    let kept = report.tiles.iter().map(|tile| (tile.origin, KEPT));
    let failed = report.failed.iter().map(|tile| (tile.origin, FAILED));
    for (origin, color) in kept.chain(failed) {
        let (left, right) = span(origin.x, side, scale.0);
        let (top, bottom) = span(origin.y, side, scale.1);
        let mut dot = |x: i64, y: i64| {
            if Rect::new((0, 0), size).contains(Rect::new((x, y), (1, 1))) {
                let place = usize::try_from(y * i64::from(size.width) + x).unwrap_or(0) * 3;
                pixels[place..place + 3].copy_from_slice(&color);
            }
        };
        for x in left..=right {
            dot(x, top);
            dot(x, bottom);
        }
        for y in top..=bottom {
            dot(left, y);
            dot(right, y);
        }
    }
    Image::from_bytes(size, PixelFormat::RGB8, pixels)
}

/// [`draw_overview`] into a PNG file, which appears whole or not at all.
///
/// # Errors
/// As [`draw_overview`]; `Io` if the file cannot be written.
pub fn write_overview(
    slide: &Slide,
    report: &Report,
    longest: u32,
    path: impl AsRef<Path>,
) -> Result<()> {
    let path = path.as_ref();
    let picture = draw_overview(slide, report, longest)?;
    let mut encoder = PngEncoder::default();
    let file = encoder.rgb(picture.size(), picture.as_bytes())?;
    if let Some(folder) = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
    {
        create_dir(folder)?;
    }
    let mut partial = path.file_name().unwrap_or_default().to_owned();
    partial.push(".partial");
    write_whole(&path.with_file_name(partial), path, file)
}

/// First and last pixel of a tile's outline along one axis of the picture.
#[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "saturates")]
fn span(origin: i64, side: f64, scale: f64) -> (i64, i64) {
    let first = (origin as f64 * scale).floor() as i64;
    let last = ((origin as f64 + side) * scale).floor() as i64;
    (first, last.max(first))
}

const KEPT: [u8; 3] = [0, 150, 60];
const FAILED: [u8; 3] = [210, 0, 0];
