//! NumPy stacks.
//!
//! Tiles go to their place in files below `.partial`, which get their final names when they are
//! whole. A run that was stopped or killed starts its stacks again: a stack has no finished tiles
//! until all are finished.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use wsi_core::{Result, Size};

use super::folder::{DATASET, Folder, io};
use super::png::not_begun;
use super::{Tile, TileSink};
use crate::job::Plan;
use crate::mask::LabelType;
use crate::select::{FailedTile, TileRecord};

/// The order of the axes of an image stack.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum ImageLayout {
    /// N x height x width x 3.
    #[default]
    ChannelsLast,
    /// N x 3 x height x width.
    ChannelsFirst,
}

impl ImageLayout {
    const fn as_str(self) -> &'static str {
        match self {
            Self::ChannelsLast => "npy, channels last",
            Self::ChannelsFirst => "npy, channels first",
        }
    }
}

/// One NumPy stack of images and one of masks: `<slide>/images.npy` (`uint8`) and
/// `<slide>/masks.npy` (the type of the labels, little endian), in the order of
/// `<slide>/dataset.csv`. Tiles are streamed to the disk.
#[derive(Debug)]
pub struct NpyFolder {
    out: PathBuf,
    overwrite: bool,
    layout: ImageLayout,
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    folder: Folder,
    images: Stack,
    masks: Stack,
    /// Whether both stacks were there, whole, at the beginning.
    done: bool,
    buffers: Mutex<Vec<Vec<u8>>>,
}

impl NpyFolder {
    /// A folder that holds a folder for each slide.
    #[must_use]
    pub fn new(out: impl AsRef<Path>) -> Self {
        Self {
            out: out.as_ref().to_owned(),
            overwrite: false,
            layout: ImageLayout::default(),
            open: None,
        }
    }

    /// Starts anew where the slide's folder exists.
    #[must_use]
    pub const fn with_overwrite(mut self, overwrite: bool) -> Self {
        self.overwrite = overwrite;
        self
    }

    /// The order of the axes of the images. Default: channels last.
    #[must_use]
    pub const fn with_layout(mut self, layout: ImageLayout) -> Self {
        self.layout = layout;
        self
    }
}

impl TileSink for NpyFolder {
    fn begin(&mut self, plan: &Plan) -> Result<()> {
        let folder = Folder::open(&self.out, plan, self.layout.as_str(), self.overwrite)?;
        let side = plan.tile_size;
        let image_shape = match self.layout {
            ImageLayout::ChannelsLast => format!("{side}, {side}, 3"),
            ImageLayout::ChannelsFirst => format!("3, {side}, {side}"),
        };
        let done = [IMAGES, MASKS, DATASET]
            .iter()
            .all(|name| folder.path(name).exists())
            && !folder.has_failed_tiles()?;
        let area = Size::new(side, side).area();
        let open = |name, descr, shape: String, bytes| {
            Stack::open(&folder, name, descr, shape, bytes, done)
        };
        let images = open(IMAGES, "|u1", image_shape, area * 3)?;
        let label_bytes = area * plan.label_type.bytes() as u64;
        let masks = open(
            MASKS,
            descr(plan.label_type),
            format!("{side}, {side}"),
            label_bytes,
        )?;
        self.open = Some(Open {
            images,
            masks,
            done,
            buffers: Mutex::default(),
            folder,
        });
        Ok(())
    }

    fn has(&self, _: &TileRecord) -> bool {
        self.open.as_ref().is_some_and(|open| open.done)
    }

    fn write(&self, tile: &Tile<'_>) -> Result<()> {
        let open = self.open.as_ref().ok_or_else(not_begun)?;
        let lock = || open.buffers.lock().unwrap_or_else(PoisonError::into_inner);
        let mut buffer = lock().pop().unwrap_or_default();
        match self.layout {
            ImageLayout::ChannelsLast => open.images.write(tile.record.index, tile.image)?,
            ImageLayout::ChannelsFirst => {
                buffer.clear();
                for channel in 0..3 {
                    buffer.extend(tile.image.chunks_exact(3).map(|pixel| pixel[channel]));
                }
                open.images.write(tile.record.index, &buffer)?;
            }
        }
        if cfg!(target_endian = "little") || tile.label_type == LabelType::U8 {
            open.masks.write(tile.record.index, tile.labels)?;
        } else {
            let bytes = tile.label_type.bytes();
            buffer.clear();
            buffer.extend(
                tile.labels
                    .chunks_exact(bytes)
                    .flat_map(|label| label.iter().rev()),
            );
            open.masks.write(tile.record.index, &buffer)?;
        }
        lock().push(buffer);
        Ok(())
    }

    fn finish(&mut self, tiles: &[TileRecord], failed: &[FailedTile]) -> Result<()> {
        let open = self.open.take().ok_or_else(not_begun)?;
        if !open.done {
            open.images.finish(tiles)?;
            open.masks.finish(tiles)?;
        }
        open.folder
            .finish(tiles, failed, |_| (IMAGES.to_owned(), MASKS.to_owned()))
    }

    fn abandon(&mut self) {
        if let Some(open) = self.open.take() {
            open.folder.abandon();
        }
    }
}

/// A stack that is being written. Format: NumPy's NEP 1, version 1.0.
#[derive(Debug)]
struct Stack {
    /// `None` where the stack was there before.
    file: Option<File>,
    partial: PathBuf,
    path: PathBuf,
    descr: &'static str,
    shape: String,
    tile_bytes: u64,
}

impl Stack {
    fn open(
        folder: &Folder,
        name: &str,
        descr: &'static str,
        shape: String,
        tile_bytes: u64,
        done: bool,
    ) -> Result<Self> {
        let (partial, path) = (folder.partial(name), folder.path(name));
        let create = || {
            File::options()
                .read(true)
                .write(true)
                .create(true)
                .truncate(true)
                .open(&partial)
        };
        let file = match done {
            true => None,
            false => Some(create().map_err(|error| io("cannot write", &path, error))?),
        };
        Ok(Self {
            file,
            partial,
            path,
            descr,
            shape,
            tile_bytes,
        })
    }

    fn write(&self, index: usize, bytes: &[u8]) -> Result<()> {
        let Some(file) = &self.file else {
            return Ok(());
        };
        write_at(file, bytes, self.place(index))
            .map_err(|error| io("cannot write", &self.path, error))
    }

    fn place(&self, index: usize) -> u64 {
        HEADER as u64 + index as u64 * self.tile_bytes
    }

    /// Closes gaps of failed tiles, writes the header, and gives the stack its final name.
    fn finish(&self, tiles: &[TileRecord]) -> Result<()> {
        let Some(file) = &self.file else {
            return Ok(());
        };
        let complete = || -> std::io::Result<()> {
            let mut tile_bytes = Vec::new();
            for (position, tile) in tiles.iter().enumerate() {
                if tile.index != position {
                    tile_bytes.resize(usize::try_from(self.tile_bytes).unwrap_or(0), 0);
                    read_at(file, &mut tile_bytes, self.place(tile.index))?;
                    write_at(file, &tile_bytes, self.place(position))?;
                }
            }
            file.set_len(self.place(tiles.len()))?;
            write_at(file, &header(self.descr, tiles.len(), &self.shape), 0)?;
            fs::rename(&self.partial, &self.path)
        };
        complete().map_err(|error| io("cannot write", &self.path, error))
    }
}

/// The header, always [`HEADER`] bytes: magic, version, length, and a Python dictionary padded
/// with blanks to a newline.
fn header(descr: &str, count: usize, shape: &str) -> Vec<u8> {
    let dictionary =
        format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({count}, {shape}), }}");
    let mut header = b"\x93NUMPY\x01\x00".to_vec();
    let length = HEADER - header.len() - 2;
    header.extend_from_slice(&u16::try_from(length).unwrap_or(0).to_le_bytes());
    header.extend_from_slice(format!("{dictionary:<width$}\n", width = length - 1).as_bytes());
    header
}

const fn descr(labels: LabelType) -> &'static str {
    match labels {
        LabelType::U8 => "|u1",
        LabelType::U16 => "<u2",
        LabelType::U32 => "<u4",
    }
}

#[cfg(unix)]
fn write_at(file: &File, bytes: &[u8], offset: u64) -> std::io::Result<()> {
    std::os::unix::fs::FileExt::write_all_at(file, bytes, offset)
}

#[cfg(unix)]
fn read_at(file: &File, bytes: &mut [u8], offset: u64) -> std::io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, bytes, offset)
}

#[cfg(windows)]
fn write_at(file: &File, mut bytes: &[u8], mut offset: u64) -> std::io::Result<()> {
    use std::os::windows::fs::FileExt;
    while !bytes.is_empty() {
        let written = file.seek_write(bytes, offset)?;
        if written == 0 {
            return Err(std::io::ErrorKind::WriteZero.into());
        }
        bytes = &bytes[written..];
        offset += written as u64;
    }
    Ok(())
}

#[cfg(windows)]
fn read_at(file: &File, mut bytes: &mut [u8], mut offset: u64) -> std::io::Result<()> {
    use std::os::windows::fs::FileExt;
    while !bytes.is_empty() {
        let read = file.seek_read(bytes, offset)?;
        if read == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        bytes = &mut bytes[read..];
        offset += read as u64;
    }
    Ok(())
}

const IMAGES: &str = "images.npy";
const MASKS: &str = "masks.npy";

/// Bytes before the first tile: a multiple of 64, as NEP 1 asks.
const HEADER: usize = 128;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn header_is_as_long_for_any_number_of_tiles() {
        for count in [0, 1, usize::MAX] {
            let header = header("<u2", count, "16384, 16384, 3");
            assert_eq!(header.len(), HEADER);
            assert_eq!(header[8..10], [118, 0]);
            assert_eq!(header.last(), Some(&b'\n'));
        }
    }
}
