//! A slide's folder in the output folder: settings, lists, and files that appear whole or not at
//! all.
//!
//! ```text
//! OUT/dataset.csv                the lists of all slides below, in the order of their names
//! OUT/<slide>/settings.json      what the folder was made with; another run must want the same
//! OUT/<slide>/dataset.csv        the tiles, written when all are there: its presence says "done"
//! OUT/<slide>/failed_tiles.csv   the tiles that could not be read
//! OUT/<slide>/.partial/          files that are being written; gone when the run ends
//! ```
//!
//! A file is written under `.partial` and then renamed, so that a run that is killed leaves nothing
//! half-written under a final name. Files are not forced to the disk one by one: what a crash of
//! the whole machine leaves behind is up to its file system.

use std::fs;
use std::io::{ErrorKind as IoErrorKind, Write};
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};
use wsi_core::{Error, ErrorKind, Result};

use crate::job::Plan;
use crate::select::{FailedTile, TileRecord};

/// A slide's folder.
#[derive(Clone, Debug)]
pub(super) struct Folder {
    out: PathBuf,
    slide_id: String,
}

impl Folder {
    /// Opens or makes the folder of a slide for a run with these settings.
    pub(super) fn open(out: &Path, plan: &Plan, save: &str, overwrite: bool) -> Result<Self> {
        let folder = Self {
            out: out.to_owned(),
            slide_id: plan.slide_id.clone(),
        };
        let mut settings: Map<String, Value> = plan
            .settings
            .iter()
            .map(|(name, value)| ((*name).to_owned(), Value::String(value.clone())))
            .collect();
        settings.insert("save".to_owned(), Value::String(save.to_owned()));
        if overwrite {
            folder.clear()?;
        }
        let agreed = !overwrite && folder.agrees_with(&settings)?;
        remove_dir(&folder.path(PARTIAL))?;
        create_dir(&folder.path(PARTIAL))?;
        if !agreed {
            let mut text = serde_json::to_vec_pretty(&settings)
                .map_err(|error| Error::invalid("settings").with_source(error))?;
            text.push(b'\n');
            folder.write(SETTINGS, &text)?;
        }
        Ok(folder)
    }

    /// A file or folder of the slide.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.out.join(&self.slide_id).join(name)
    }

    /// Where a file lies until it is whole.
    pub(super) fn partial(&self, name: &str) -> PathBuf {
        self.path(PARTIAL)
            .join(name.rsplit('/').next().unwrap_or(name))
    }

    /// Writes a file whole, or not at all.
    pub(super) fn write(&self, name: &str, bytes: &[u8]) -> Result<()> {
        write_whole(&self.partial(name), &self.path(name), bytes)
    }

    /// The names of the files in a folder of the slide.
    pub(super) fn names(&self, folder: &str) -> Result<Vec<String>> {
        let path = self.path(folder);
        let mut names = Vec::new();
        for entry in fs::read_dir(&path).map_err(|error| io("cannot list", &path, error))? {
            let entry = entry.map_err(|error| io("cannot list", &path, error))?;
            names.push(entry.file_name().to_string_lossy().into_owned());
        }
        Ok(names)
    }

    /// Whether the last run that ended here could not read some tiles.
    pub(super) fn has_failed_tiles(&self) -> Result<bool> {
        let path = self.path(FAILED);
        match fs::read(&path) {
            Ok(list) => Ok(list.iter().filter(|&&byte| byte == b'\n').count() > 1),
            Err(error) if is_absent(&error) => Ok(false),
            Err(error) => Err(io("cannot read", &path, error)),
        }
    }

    /// Ends a run: the lists, and the merged list of all slides.
    ///
    /// `image` and `mask` give the paths of a tile's files within the slide's folder.
    pub(super) fn finish(
        &self,
        tiles: &[TileRecord],
        failed: &[FailedTile],
        files: impl Fn(&TileRecord) -> (String, String),
    ) -> Result<()> {
        let id = |name: String| format!("{}.{name}", self.slide_id);
        let mut list = List::new(&["tile_id"]);
        for tile in failed {
            list.row(&[&id(TileRecord::name_at(tile.origin))])?;
        }
        self.write(FAILED, &list.finish()?)?;
        let mut list = List::new(&COLUMNS);
        for tile in tiles {
            let (image, mask) = files(tile);
            list.row(&[
                &self.slide_id,
                &id(tile.name()),
                &format!("{}/{image}", self.slide_id),
                &format!("{}/{mask}", self.slide_id),
                &tile.origin.x.to_string(),
                &tile.origin.y.to_string(),
                &format!("{:?}", tile.occupancy),
                "",
                "",
                "",
            ])?;
        }
        self.write(DATASET, &list.finish()?)?;
        self.merge()?;
        remove_dir(&self.path(PARTIAL))
    }

    /// Takes away what was half done.
    pub(super) fn abandon(&self) {
        // The run has its error already; what cannot be removed now is removed by the next run.
        drop(remove_dir(&self.path(PARTIAL)));
    }

    /// Writes the list of all slides that have folders of this kind here, with lists of their own.
    fn merge(&self) -> Result<()> {
        let mut slides = Vec::new();
        for entry in fs::read_dir(&self.out).map_err(|error| io("cannot list", &self.out, error))? {
            let entry = entry.map_err(|error| io("cannot list", &self.out, error))?;
            if entry.path().join(SETTINGS).exists() {
                slides.push(entry.path());
            }
        }
        slides.sort();
        let header = List::new(&COLUMNS).finish()?;
        let mut merged = header.clone();
        for slide in slides {
            match fs::read(slide.join(DATASET)) {
                // A list with other columns is not ours.
                Ok(list) => merged.extend_from_slice(list.strip_prefix(&*header).unwrap_or(&[])),
                Err(error) if is_absent(&error) => {}
                Err(error) => return Err(io("cannot read", &slide.join(DATASET), error)),
            }
        }
        write_whole(
            &self.partial("merged.csv"),
            &self.out.join(DATASET),
            &merged,
        )
    }

    /// Whether the folder was made with these settings; `false` if it is empty or not there.
    fn agrees_with(&self, wanted: &Map<String, Value>) -> Result<bool> {
        let path = self.path(SETTINGS);
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(error) if is_absent(&error) => return self.is_new().map(|()| false),
            Err(error) => return Err(io("cannot read", &path, error)),
        };
        let found: Map<String, Value> = serde_json::from_slice(&text).map_err(|error| {
            Error::corrupt("not a settings file; overwrite to start anew")
                .with_source(error)
                .at_path(&path)
        })?;
        let text = |settings: &Map<String, Value>, name: &str| {
            settings.get(name).map_or_else(
                || "nothing".to_owned(),
                |value| {
                    value
                        .as_str()
                        .map_or_else(|| value.to_string(), ToOwned::to_owned)
                },
            )
        };
        let mut names: Vec<&String> = found.keys().chain(wanted.keys()).collect();
        names.sort();
        names.dedup();
        let differences: Vec<String> = names
            .into_iter()
            .filter(|name| found.get(*name) != wanted.get(*name))
            .map(|name| {
                format!(
                    "{name} was `{}` and is now `{}`",
                    text(&found, name),
                    text(wanted, name)
                )
            })
            .collect();
        if differences.is_empty() {
            return Ok(true);
        }
        Err(Error::invalid(format!(
            "the folder was made with other settings ({}); overwrite it or choose another",
            differences.join("; ")
        ))
        .at_path(self.path("")))
    }

    /// That nobody else wrote into the folder.
    fn is_new(&self) -> Result<()> {
        let path = self.path("");
        let entries = match fs::read_dir(&path) {
            Ok(entries) => entries,
            Err(error) if is_absent(&error) => return Ok(()),
            Err(error) => return Err(io("cannot list", &path, error)),
        };
        for entry in entries {
            let entry = entry.map_err(|error| io("cannot list", &path, error))?;
            if entry.file_name() != PARTIAL {
                return Err(Error::invalid(format!(
                    "the folder holds `{}` but no {SETTINGS}: it is not the output of an earlier \
                     run; overwrite it or choose another",
                    entry.file_name().display()
                ))
                .at_path(&path));
            }
        }
        Ok(())
    }

    /// Removes what a run makes, and nothing else.
    fn clear(&self) -> Result<()> {
        // The list goes first and the settings last: between them the folder is an unfinished run.
        for name in [DATASET, FAILED, OVERVIEW, "images.npy", "masks.npy"] {
            remove_file(&self.path(name))?;
        }
        for name in [IMAGES, MASKS, PARTIAL] {
            remove_dir(&self.path(name))?;
        }
        remove_file(&self.path(SETTINGS))
    }
}

/// A CSV list in memory.
struct List(csv::Writer<Vec<u8>>);

impl List {
    fn new(columns: &[&str]) -> Self {
        let mut writer = csv::Writer::from_writer(Vec::new());
        // Writing to memory does not fail; if it did, the rows would say so.
        drop(writer.write_record(columns));
        Self(writer)
    }

    fn row(&mut self, values: &[&str]) -> Result<()> {
        self.0.write_record(values).map_err(list_error)
    }

    fn finish(self) -> Result<Vec<u8>> {
        self.0
            .into_inner()
            .map_err(|error| Error::invalid("a list").with_source(error.into_error()))
    }
}

fn list_error(error: csv::Error) -> Error {
    Error::new(ErrorKind::Io, "cannot write a list").with_source(error)
}

/// Writes `partial` and renames it to `path`: the file is there whole or not at all.
pub(crate) fn write_whole(partial: &Path, path: &Path, bytes: &[u8]) -> Result<()> {
    let written = fs::File::create(partial)
        .and_then(|mut file| file.write_all(bytes))
        .and_then(|()| fs::rename(partial, path));
    written.map_err(|error| {
        // The disk may be full: what was half written makes room for whoever goes on.
        drop(fs::remove_file(partial));
        io("cannot write", path, error)
    })
}

pub(crate) fn create_dir(path: &Path) -> Result<()> {
    fs::create_dir_all(path).map_err(|error| io("cannot create the folder", path, error))
}

fn remove_dir(path: &Path) -> Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if !is_absent(&error) => Err(io("cannot remove", path, error)),
        _ => Ok(()),
    }
}

fn remove_file(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if !is_absent(&error) => Err(io("cannot remove", path, error)),
        _ => Ok(()),
    }
}

fn is_absent(error: &std::io::Error) -> bool {
    matches!(
        error.kind(),
        IoErrorKind::NotFound | IoErrorKind::NotADirectory
    )
}

/// An error of the operating system, with the file that it is about.
pub(super) fn io(what: &str, path: &Path, error: std::io::Error) -> Error {
    Error::new(ErrorKind::Io, what)
        .with_source(error)
        .at_path(path)
}

const SETTINGS: &str = "settings.json";
pub(super) const DATASET: &str = "dataset.csv";
const FAILED: &str = "failed_tiles.csv";
const PARTIAL: &str = ".partial";
const OVERVIEW: &str = "overview.png";
pub(super) const IMAGES: &str = "train_images";
pub(super) const MASKS: &str = "train_label_masks";

/// hi-ml's columns; the last three come from a cohort table, which there is none of here.
const COLUMNS: [&str; 10] = [
    "slide_id",
    "tile_id",
    "image",
    "mask",
    "tile_x",
    "tile_y",
    "occupancy",
    "data_provider",
    "slide_isup_grade",
    "slide_gleason_score",
];
