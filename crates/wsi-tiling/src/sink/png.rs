//! A folder of PNGs, as microsoft/hi-ml writes it.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use wsi_core::{Error, Result, Size};

use super::encode::PngEncoder;
use super::folder::{Folder, IMAGES, MASKS, create_dir};
use super::{Tile, TileSink};
use crate::job::Plan;
use crate::select::{FailedTile, TileRecord};

/// A folder of PNGs: `<slide>/train_images/<name>.png` in RGB,
/// `<slide>/train_label_masks/<name>_mask.png` with one channel of raw labels, `dataset.csv` and
/// `failed_tiles.csv`.
///
/// A run that was stopped or killed is taken up where it ended: tiles that are there whole are not
/// done again, and the folder ends up as if the run had not been disturbed, byte for byte.
///
/// ```no_run
/// # fn tile(slide: &wsi_core::Slide) -> wsi_core::Result<()> {
/// use wsi_tiling::{PngFolder, TilingJob};
/// let report = TilingJob::new(slide).run(&mut PngFolder::new("tiles"))?;
/// assert!(report.tiles.len() as u64 <= report.tiles_total);
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct PngFolder {
    out: PathBuf,
    overwrite: bool,
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    folder: Folder,
    /// Names of tiles of which both files were there at the beginning.
    done: HashSet<String>,
    /// Encoders that no thread is using.
    encoders: Mutex<Vec<PngEncoder>>,
}

impl PngFolder {
    /// A folder that holds a folder for each slide.
    #[must_use]
    pub fn new(out: impl AsRef<Path>) -> Self {
        Self {
            out: out.as_ref().to_owned(),
            overwrite: false,
            open: None,
        }
    }

    /// Starts anew where the slide's folder exists, instead of going on with it. Files that a run
    /// does not make are left alone.
    #[must_use]
    pub const fn with_overwrite(mut self, overwrite: bool) -> Self {
        self.overwrite = overwrite;
        self
    }
}

impl TileSink for PngFolder {
    fn begin(&mut self, plan: &Plan) -> Result<()> {
        let folder = Folder::open(&self.out, plan, "png", self.overwrite)?;
        create_dir(&folder.path(IMAGES))?;
        create_dir(&folder.path(MASKS))?;
        let masks: HashSet<String> = stems(&folder, MASKS, "_mask.png")?.collect();
        let done = stems(&folder, IMAGES, ".png")?
            .filter(|name| masks.contains(name))
            .collect();
        self.open = Some(Open {
            folder,
            done,
            encoders: Mutex::default(),
        });
        Ok(())
    }

    fn has(&self, tile: &TileRecord) -> bool {
        self.open
            .as_ref()
            .is_some_and(|open| open.done.contains(&tile.name()))
    }

    fn write(&self, tile: &Tile<'_>) -> Result<()> {
        let open = self.open.as_ref().ok_or_else(not_begun)?;
        let lock = || open.encoders.lock().unwrap_or_else(PoisonError::into_inner);
        let mut encoder = lock().pop().unwrap_or_default();
        let (image, mask) = files(tile.record);
        let size = Size::new(tile.size, tile.size);
        encoder
            .rgb(size, tile.image)
            .and_then(|file| open.folder.write(&image, file))
            .map_err(|error| error.at_path(open.folder.path(&image)))?;
        encoder
            .labels(size, tile.labels, tile.label_type)
            .and_then(|file| open.folder.write(&mask, file))
            .map_err(|error| error.at_path(open.folder.path(&mask)))?;
        lock().push(encoder);
        Ok(())
    }

    fn finish(&mut self, tiles: &[TileRecord], failed: &[FailedTile]) -> Result<()> {
        let open = self.open.take().ok_or_else(not_begun)?;
        open.folder.finish(tiles, failed, files)
    }

    fn abandon(&mut self) {
        if let Some(open) = self.open.take() {
            open.folder.abandon();
        }
    }
}

/// A tile's files, within the slide's folder.
fn files(tile: &TileRecord) -> (String, String) {
    let name = tile.name();
    (
        format!("{IMAGES}/{name}.png"),
        format!("{MASKS}/{name}_mask.png"),
    )
}

/// The names of the files of a folder that end so, without their end.
fn stems(folder: &Folder, name: &str, end: &'static str) -> Result<impl Iterator<Item = String>> {
    let names = folder.names(name)?;
    Ok(names
        .into_iter()
        .filter_map(move |name| name.strip_suffix(end).map(str::to_owned)))
}

pub(super) fn not_begun() -> Error {
    Error::invalid("a sink that was not prepared for a run")
}
