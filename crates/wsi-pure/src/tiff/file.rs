//! The file: its header and its directories.
//!
//! Classic TIFF and BigTIFF, both byte orders. Directories are found once, at opening; their values
//! and chunks are read by position when asked for, by any number of threads.

#![warn(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use std::collections::BTreeMap;
use std::path::Path;

use wsi_core::{Error, ErrorKind, Limits, Result};

use super::container::Container;
use super::directory::{Directory, Entry, FieldType, Place};
use super::storage::ByteOrder;
use super::tags::tag;
use crate::io::{DiskFile, ReadAt};

/// An open TIFF or BigTIFF file: its directories, and its pages.
///
/// It holds no pixels: [`PageReader`](crate::PageReader) reads them.
///
/// ```no_run
/// use wsi_pure::tiff::{TiffFile, tag};
/// let file = TiffFile::open("image.tif", &wsi_core::Limits::default())?;
/// for (index, directory) in file.directories().iter().enumerate() {
///     println!("{index}: described {}", directory.contains(tag::IMAGE_DESCRIPTION));
/// }
/// # Ok::<(), wsi_core::Error>(())
/// ```
pub struct TiffFile {
    container: Container,
    directories: Vec<Directory>,
    /// For each directory of the chain: its SubIFDs (tag 330), as indices of `directories`.
    children: BTreeMap<usize, Vec<usize>>,
    /// How many directories form the chain; the SubIFDs follow them.
    chain: usize,
}

impl TiffFile {
    /// Opens a file of the file system.
    ///
    /// # Errors
    /// `Io` if it cannot be read, `NotRecognised` if it is no TIFF, `Corrupt` or `LimitExceeded`
    /// if its directories are broken; with the path.
    pub fn open(path: impl AsRef<Path>, limits: &Limits) -> Result<Self> {
        let path = path.as_ref();
        DiskFile::open(path)
            .map_err(|error| Error::new(ErrorKind::Io, "cannot open").with_source(error))
            .and_then(|file| Self::from_source(Box::new(file), limits))
            .map_err(|error| error.at_path(path))
    }

    /// Opens whatever can be read at positions.
    ///
    /// # Errors
    /// As [`open`](Self::open), without a path.
    pub fn from_source(io: Box<dyn ReadAt>, limits: &Limits) -> Result<Self> {
        let (order, big, first) = read_header(&*io)?;
        let container = Container {
            io,
            order,
            big,
            limits: limits.clone(),
        };
        let mut walk = Walk::new(&container);
        walk.chain(first)?;
        if walk.directories.is_empty() {
            return Err(Error::corrupt("no directory"));
        }
        let chain = walk.directories.len();
        let children = walk.sub_directories(chain)?;
        let directories = walk.directories;
        Ok(Self {
            container,
            directories,
            children,
            chain,
        })
    }

    /// Whether these first bytes are those of a TIFF or BigTIFF file.
    #[must_use]
    pub fn recognises(header: &[u8]) -> bool {
        parse_header(header).is_some()
    }

    /// The number of directories in the file's chain.
    #[must_use]
    pub const fn chain_len(&self) -> usize {
        self.chain
    }

    /// All directories: the chain in its order, then SubIFDs.
    #[must_use]
    pub fn directories(&self) -> &[Directory] {
        &self.directories
    }

    /// The SubIFDs (tag 330) of a directory of the chain, as indices of
    /// [`directories`](Self::directories).
    #[must_use]
    pub fn sub_directories(&self, index: usize) -> &[usize] {
        self.children.get(&index).map_or(&[], Vec::as_slice)
    }

    pub(super) const fn container(&self) -> &Container {
        &self.container
    }

    /// Byte order of the file.
    #[must_use]
    pub const fn byte_order(&self) -> ByteOrder {
        self.container.order
    }

    /// Whether it is a BigTIFF file.
    #[must_use]
    pub const fn is_big(&self) -> bool {
        self.container.big
    }

    /// Length of the file in bytes.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.container.size()
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.container.limits
    }

    /// First value of an integer tag of a directory.
    pub(crate) fn integer(&self, directory: usize, tag: u16) -> Result<Option<u64>> {
        self.directory(directory)?.integer(&self.container, tag)
    }

    /// Values of a rational or floating point tag of a directory.
    pub(crate) fn floats(&self, directory: usize, tag: u16) -> Result<Option<Vec<f64>>> {
        self.directory(directory)?.floats(&self.container, tag)
    }

    /// Bytes of a byte-like tag of a directory.
    pub(crate) fn bytes(&self, directory: usize, tag: u16) -> Result<Option<Vec<u8>>> {
        self.directory(directory)?.bytes(&self.container, tag)
    }

    /// Replaces `buffer` with `length` bytes at `offset`.
    pub(crate) fn read_into(&self, offset: u64, length: u64, buffer: &mut Vec<u8>) -> Result<()> {
        self.container.read_into(offset, length, buffer)
    }

    pub(super) fn directory(&self, index: usize) -> Result<&Directory> {
        self.directories.get(index).ok_or_else(|| {
            Error::invalid(format!("directory {index} of {}", self.directories.len()))
        })
    }
}

impl std::fmt::Debug for TiffFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TiffFile")
            .field("order", &self.container.order)
            .field("big", &self.container.big)
            .field("directories", &self.directories.len())
            .finish_non_exhaustive()
    }
}

/// Byte order, BigTIFF or not, and the offset of the first directory.
fn parse_header(header: &[u8]) -> Option<(ByteOrder, bool, u64)> {
    let order = match header.first_chunk()? {
        b"II" => ByteOrder::Little,
        b"MM" => ByteOrder::Big,
        _ => return None,
    };
    match order.u16(header.get(2..4)?) {
        42 => Some((order, false, order.u32(header.get(4..8)?).into())),
        43 if order.u16(header.get(4..6)?) == 8 && order.u16(header.get(6..8)?) == 0 => {
            Some((order, true, order.u64(header.get(8..16)?)))
        }
        _ => None,
    }
}

fn read_header(io: &dyn ReadAt) -> Result<(ByteOrder, bool, u64)> {
    let mut header = [0; 16];
    let length = usize::try_from(io.size())
        .unwrap_or(usize::MAX)
        .min(header.len());
    let header = header.get_mut(..length).unwrap_or_default();
    io.read_exact_at(header, 0)
        .map_err(|error| Error::new(ErrorKind::Io, "cannot read the header").with_source(error))?;
    parse_header(header).ok_or_else(|| Error::new(ErrorKind::NotRecognised, "not a TIFF file"))
}

/// Collects directories, each once.
struct Walk<'c> {
    container: &'c Container,
    directories: Vec<Directory>,
    /// Start and end of each directory found, by its start.
    taken: BTreeMap<u64, u64>,
}

impl<'c> Walk<'c> {
    const fn new(container: &'c Container) -> Self {
        Self {
            container,
            directories: Vec::new(),
            taken: BTreeMap::new(),
        }
    }

    /// Follows a chain of directories from `offset` to its end.
    fn chain(&mut self, mut offset: u64) -> Result<()> {
        while offset != 0 {
            offset = self.directory(offset)?;
        }
        Ok(())
    }

    /// Reads the SubIFDs of the first `chain` directories, one generation deep. A SubIFD that
    /// cannot be read is left out: the pages of the chain are good without it.
    fn sub_directories(&mut self, chain: usize) -> Result<BTreeMap<usize, Vec<usize>>> {
        let mut children = BTreeMap::new();
        for parent in 0..chain {
            let Some(directory) = self.directories.get(parent) else {
                break;
            };
            if !directory.contains(tag::SUB_IFDS) {
                continue;
            }
            let limit = self.container.limits.max_tag_bytes;
            let Ok(Some(offsets)) = directory.integers(self.container, tag::SUB_IFDS, limit) else {
                continue;
            };
            let mut found = Vec::new();
            for offset in offsets {
                let index = self.directories.len();
                match self.directory(offset) {
                    Ok(_) => found.push(index),
                    Err(error) if error.kind() == ErrorKind::LimitExceeded => return Err(error),
                    Err(_) => {}
                }
            }
            children.insert(parent, found);
        }
        Ok(children)
    }

    /// Reads the directory at `offset` and returns the offset of the next, 0 if it is the last.
    fn directory(&mut self, offset: u64) -> Result<u64> {
        let place = |error: Error| {
            let message = format!("directory at offset {offset}: {}", error.message());
            Error::new(error.kind(), message)
        };
        if self.directories.len() >= self.container.limits.max_directories {
            return Err(Error::limit(format!(
                "more than {} directories",
                self.container.limits.max_directories
            )));
        }
        if self.taken.contains_key(&offset) {
            return Err(Error::corrupt(format!(
                "directories loop back to offset {offset}"
            )));
        }
        let (entries, next, end) = read_entries(self.container, offset).map_err(place)?;
        let before = self.taken.range(..offset).next_back();
        let after = self.taken.range(offset..).next();
        if before.is_some_and(|(_, &before_end)| before_end > offset)
            || after.is_some_and(|(&start, _)| start < end)
        {
            return Err(Error::corrupt(format!(
                "directories overlap at offset {offset}"
            )));
        }
        self.taken.insert(offset, end);
        self.directories.push(Directory::new(offset, entries));
        Ok(next)
    }
}

/// The entries of the directory at `offset`, the offset of the next one, and where this one ends.
/// An entry of unknown type is passed over (TIFF 6.0 page 16); of duplicate tags the last stays.
fn read_entries(container: &Container, offset: u64) -> Result<(BTreeMap<u16, Entry>, u64, u64)> {
    let order = container.order;
    let (count_bytes, entry_bytes, offset_bytes) = if container.big {
        (8, 20, 8)
    } else {
        (2, 12, 4)
    };
    let head = container.read(offset, count_bytes)?;
    let count = if container.big {
        order.u64(&head)
    } else {
        order.u16(&head).into()
    };
    let too_many = || Error::corrupt(format!("{count} entries"));
    if count > u64::from(u16::MAX) {
        return Err(too_many());
    }
    let table_bytes = count.checked_mul(entry_bytes).ok_or_else(too_many)?;
    let start = offset.checked_add(count_bytes).ok_or_else(too_many)?;
    let table = container.read(start, table_bytes)?;
    let table_end = start.checked_add(table_bytes).ok_or_else(too_many)?;
    // Some writers leave the last offset out at the end of the file.
    let (next, end) = match container.read(table_end, offset_bytes) {
        Ok(bytes) if container.big => (order.u64(&bytes), table_end.saturating_add(offset_bytes)),
        Ok(bytes) => (
            order.u32(&bytes).into(),
            table_end.saturating_add(offset_bytes),
        ),
        Err(_) => (0, table_end),
    };
    let mut entries = BTreeMap::new();
    for bytes in table.chunks_exact(usize::try_from(entry_bytes).unwrap_or(20)) {
        let (tag, rest) = bytes.split_at_checked(2).unwrap_or_default();
        let (code, rest) = rest.split_at_checked(2).unwrap_or_default();
        let width = if container.big { 8 } else { 4 };
        let (count, value) = rest.split_at_checked(width).unwrap_or_default();
        let Some(field_type) = FieldType::from_code(order.u16(code)) else {
            continue;
        };
        let number = |bytes| {
            if container.big {
                order.u64(bytes)
            } else {
                order.u32(bytes).into()
            }
        };
        let count = number(count);
        let inline = count
            .checked_mul(field_type.bytes())
            .is_some_and(|size| size <= width as u64);
        let place = if inline {
            let mut padded = [0; 8];
            padded
                .iter_mut()
                .zip(value)
                .for_each(|(to, from)| *to = *from);
            Place::Inline(padded)
        } else {
            Place::Offset(number(value))
        };
        entries.insert(
            order.u16(tag),
            Entry {
                field_type,
                count,
                place,
            },
        );
    }
    Ok((entries, next, end))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A classic little-endian file of directories that hold one entry each (width = 1).
    fn file(nexts: &[(u32, u32)]) -> Vec<u8> {
        let mut bytes = b"II\x2a\0".to_vec();
        bytes.extend(8_u32.to_le_bytes());
        for &(offset, next) in nexts {
            bytes.resize(offset as usize, 0);
            bytes.extend([1, 0, 0, 1, 4, 0, 1, 0, 0, 0, 1, 0, 0, 0]);
            bytes.extend(next.to_le_bytes());
        }
        bytes
    }

    fn open(bytes: Vec<u8>) -> Result<TiffFile> {
        TiffFile::from_source(Box::new(bytes), &Limits::default())
    }

    #[test]
    fn a_chain_is_followed_to_its_end() {
        let file = open(file(&[(8, 40), (40, 0)])).unwrap();
        assert_eq!((file.chain_len(), file.directories()[1].offset()), (2, 40));
        assert_eq!(file.integer(0, tag::IMAGE_WIDTH).unwrap(), Some(1));
    }

    #[test]
    fn loops_and_overlaps_are_corrupt() {
        for (nexts, words) in [
            (&[(8, 8)][..], "loop"),
            (&[(8, 40), (40, 8)], "loop"),
            (&[(8, 20)], "overlap"),
            (&[(8, 400)], "400"),
        ] {
            let error = open(file(nexts)).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Corrupt);
            assert!(error.to_string().contains(words), "{error}");
        }
    }

    #[test]
    fn directories_are_limited() {
        let limits = Limits::default().with_max_directories(1);
        let bytes = file(&[(8, 40), (40, 0)]);
        let error = TiffFile::from_source(Box::new(bytes), &limits).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::LimitExceeded);
    }

    #[test]
    fn other_files_are_not_recognised() {
        for bytes in [
            &b""[..],
            b"II",
            b"II\x2b\0\x08\0\x01\0",
            b"\x89PNG\r\n\x1a\n",
        ] {
            assert_eq!(
                open(bytes.to_vec()).unwrap_err().kind(),
                ErrorKind::NotRecognised
            );
        }
    }
}
