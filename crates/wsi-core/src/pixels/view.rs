//! A borrowed picture that a read writes into.

use super::{Fill, PixelFormat};
use crate::error::{Error, Result};
use crate::geometry::{Rect, Size};

/// A borrowed picture to write into: rows of pixels with a stride.
///
/// It can be cut into disjoint cells that are written at the same time by several threads
/// ([`split`](Self::split)). Bytes between the rows are never touched.
///
/// ```
/// # use wsi_core::{Fill, PixelFormat, PixelsMut, Size};
/// let mut data = [9_u8; 2 * 8];                         // two rows of 2 RGB pixels, stride 8
/// let mut pixels = PixelsMut::new(&mut data, Size::new(2, 2), 8, PixelFormat::RGB8)?;
/// pixels.fill(Fill::Color([1, 2, 3, 255]));
/// assert_eq!(data[..8], [1, 2, 3, 1, 2, 3, 9, 9]);
/// # Ok::<(), wsi_core::Error>(())
/// ```
pub struct PixelsMut<'a> {
    size: Size,
    format: PixelFormat,
    memory: Memory<'a>,
}

enum Memory<'a> {
    /// One slice; row y starts at y * stride.
    Strided { data: &'a mut [u8], stride: usize },
    /// A cell cut out of a wider picture: its rows are slices of their own.
    Rows(Vec<&'a mut [u8]>),
}

impl<'a> PixelsMut<'a> {
    /// A picture of `size` in `data`, whose rows start `stride` bytes apart.
    ///
    /// # Errors
    /// `InvalidArgument` if a row is longer than `stride` or the picture does not fit in `data`.
    pub fn new(data: &'a mut [u8], size: Size, stride: usize, format: PixelFormat) -> Result<Self> {
        let row_bytes = row_bytes(size, format)?;
        let needed = match size.is_empty() {
            true => Some(0),
            false => stride
                .checked_mul(size.height as usize - 1)
                .and_then(|before| before.checked_add(row_bytes)),
        };
        if (row_bytes > stride && size.height > 1)
            || needed.is_none_or(|needed| needed > data.len())
        {
            return Err(Error::invalid(format!(
                "{size} pixels of {format} with a stride of {stride} do not fit in {} bytes",
                data.len()
            )));
        }
        Ok(Self {
            size,
            format,
            memory: Memory::Strided { data, stride },
        })
    }

    /// A picture of `size` in `data` without gaps between its rows.
    ///
    /// # Errors
    /// `InvalidArgument` if the picture does not fit in `data`.
    pub fn packed(data: &'a mut [u8], size: Size, format: PixelFormat) -> Result<Self> {
        let stride = row_bytes(size, format)?;
        Self::new(data, size, stride, format)
    }

    /// A picture `width` pixels wide whose rows lie apart, each a slice of its own.
    ///
    /// # Errors
    /// `InvalidArgument` if a row is not exactly as long as `width` pixels, or there are more rows than
    /// a picture can have.
    pub fn from_rows(rows: Vec<&'a mut [u8]>, width: u32, format: PixelFormat) -> Result<Self> {
        let row_bytes = row_bytes(Size::new(width, 1), format)?;
        if let Some(row) = rows.iter().find(|row| row.len() != row_bytes) {
            return Err(Error::invalid(format!(
                "a row of {} bytes for {width} pixels of {format}",
                row.len()
            )));
        }
        let height = u32::try_from(rows.len())
            .map_err(|_| Error::invalid(format!("a picture of {} rows", rows.len())))?;
        Ok(Self {
            size: Size::new(width, height),
            format,
            memory: Memory::Rows(rows),
        })
    }

    /// The picture that an `Image` holds: its data was made for its size and format.
    pub(super) fn of_image(data: &'a mut [u8], size: Size, format: PixelFormat) -> Self {
        let stride = size.width as usize * format.bytes_per_pixel();
        Self {
            size,
            format,
            memory: Memory::Strided { data, stride },
        }
    }

    /// Width and height in pixels.
    #[must_use]
    pub fn size(&self) -> Size {
        self.size
    }

    /// The format of a pixel.
    #[must_use]
    pub fn format(&self) -> PixelFormat {
        self.format
    }

    /// Bytes of one row, without the gap to the next.
    #[must_use]
    pub fn row_bytes(&self) -> usize {
        self.size.width as usize * self.format.bytes_per_pixel()
    }

    /// Row `y`, exactly [`row_bytes`](Self::row_bytes) long.
    ///
    /// # Panics
    /// If there is no row `y`.
    #[must_use]
    pub fn row_mut(&mut self, y: u32) -> &mut [u8] {
        assert!(y < self.size.height, "row {y} of {}", self.size.height);
        let row_bytes = self.row_bytes();
        match &mut self.memory {
            Memory::Strided { data, stride } => {
                let start = y as usize * *stride;
                &mut data[start..start + row_bytes]
            }
            Memory::Rows(rows) => &mut *rows[y as usize],
        }
    }

    /// The whole picture as one slice, if there are no gaps between its rows.
    #[must_use]
    pub fn packed_mut(&mut self) -> Option<&mut [u8]> {
        let row_bytes = self.row_bytes();
        let height = self.size.height as usize;
        match &mut self.memory {
            Memory::Strided { data, stride } if *stride == row_bytes || height <= 1 => {
                data.get_mut(..row_bytes * height)
            }
            Memory::Rows(rows) if height == 1 => rows.first_mut().map(|row| &mut **row),
            Memory::Strided { .. } | Memory::Rows(_) => None,
        }
    }

    /// A part of the picture, borrowed for as long as `self` is not used.
    ///
    /// # Panics
    /// If `rect` is not inside of the picture.
    #[must_use]
    pub fn part_mut(&mut self, rect: Rect) -> PixelsMut<'_> {
        let whole = Rect::new((0, 0), self.size);
        assert!(
            rect.is_empty() || whole.contains(rect),
            "{rect:?} of {}",
            self.size
        );
        let pixel = self.format.bytes_per_pixel();
        let (x, y) = match rect.is_empty() {
            true => (0, 0),
            false => (clamp(rect.origin.x) * pixel, clamp(rect.origin.y)),
        };
        let width = rect.size.width as usize * pixel;
        let memory = match &mut self.memory {
            _ if rect.is_empty() => Memory::Rows(empty_rows(rect.size.height)),
            Memory::Strided { data, stride } => {
                let start = y * *stride + x;
                let end = start + (rect.size.height as usize - 1) * *stride + width;
                Memory::Strided {
                    data: &mut data[start..end],
                    stride: *stride,
                }
            }
            Memory::Rows(rows) => Memory::Rows(
                rows[y..y + rect.size.height as usize]
                    .iter_mut()
                    .map(|row| &mut row[x..x + width])
                    .collect(),
            ),
        };
        PixelsMut {
            size: rect.size,
            format: self.format,
            memory,
        }
    }

    /// Cuts the picture into a grid of disjoint cells, row by row, left to right.
    ///
    /// `columns` and `rows` are the widths and heights of the cells; their sums must be the size
    /// of the picture.
    ///
    /// # Panics
    /// If the sums differ from the picture's size.
    #[must_use]
    pub fn split(self, columns: &[u32], rows: &[u32]) -> Vec<Self> {
        let sum = |lengths: &[u32]| lengths.iter().map(|&length| u64::from(length)).sum::<u64>();
        assert_eq!(
            sum(columns),
            u64::from(self.size.width),
            "widths of the cells"
        );
        assert_eq!(
            sum(rows),
            u64::from(self.size.height),
            "heights of the cells"
        );
        let format = self.format;
        if let ([width], [height]) = (columns, rows) {
            return vec![Self {
                size: Size::new(*width, *height),
                ..self
            }];
        }
        let pixel = format.bytes_per_pixel();
        let mut lines = self.into_rows().into_iter();
        let mut cells = Vec::with_capacity(columns.len() * rows.len());
        for &height in rows {
            let mut row_cells: Vec<Vec<&'a mut [u8]>> = columns
                .iter()
                .map(|_| Vec::with_capacity(height as usize))
                .collect();
            for mut line in lines.by_ref().take(height as usize) {
                for (cell, &width) in row_cells.iter_mut().zip(columns) {
                    let (piece, rest) = line.split_at_mut(width as usize * pixel);
                    cell.push(piece);
                    line = rest;
                }
            }
            cells.extend(
                row_cells
                    .into_iter()
                    .zip(columns)
                    .map(|(lines, &width)| Self {
                        size: Size::new(width, height),
                        format,
                        memory: Memory::Rows(lines),
                    }),
            );
        }
        cells
    }

    /// Fills every pixel.
    pub fn fill(&mut self, fill: Fill) {
        let pixel = fill.pixel(self.format);
        let uniform = pixel
            .first()
            .copied()
            .filter(|first| pixel.iter().all(|b| b == first));
        for y in 0..self.size.height {
            let row = self.row_mut(y);
            match uniform {
                Some(byte) => row.fill(byte),
                None => row
                    .chunks_exact_mut(pixel.len())
                    .for_each(|out| out.copy_from_slice(&pixel)),
            }
        }
    }

    /// Fills every pixel that is not in `inside`.
    pub fn fill_outside(&mut self, inside: Option<Rect>, fill: Fill) {
        let whole = Rect::new((0, 0), self.size);
        let Some(inside) = inside.and_then(|rect| rect.intersection(whole)) else {
            return self.fill(fill);
        };
        if inside == whole {
            return;
        }
        let (left, top) = (clamp_u32(inside.origin.x), clamp_u32(inside.origin.y));
        let (right, bottom) = (left + inside.size.width, top + inside.size.height);
        let (width, height) = (self.size.width, self.size.height);
        for (x, y, w, h) in [
            (0, 0, width, top),
            (0, bottom, width, height - bottom),
            (0, top, left, bottom - top),
            (right, top, width - right, bottom - top),
        ] {
            self.part_mut(Rect::new((i64::from(x), i64::from(y)), (w, h)))
                .fill(fill);
        }
    }

    /// The rows as slices of their own.
    fn into_rows(self) -> Vec<&'a mut [u8]> {
        let row_bytes = self.row_bytes();
        let height = self.size.height as usize;
        match self.memory {
            Memory::Rows(rows) => rows,
            Memory::Strided { .. } if row_bytes == 0 => empty_rows(self.size.height),
            Memory::Strided { data, stride } => data
                .chunks_mut(stride.max(1))
                .take(height)
                .map(|chunk| &mut chunk[..row_bytes])
                .collect(),
        }
    }
}

impl std::fmt::Debug for PixelsMut<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut debug = f.debug_struct("PixelsMut");
        debug
            .field("size", &self.size)
            .field("format", &self.format);
        if let Memory::Strided { stride, .. } = &self.memory {
            debug.field("stride", stride);
        }
        debug.finish_non_exhaustive()
    }
}

fn row_bytes(size: Size, format: PixelFormat) -> Result<usize> {
    (size.width as usize)
        .checked_mul(format.bytes_per_pixel())
        .ok_or_else(|| Error::invalid(format!("a row of {} pixels overflows", size.width)))
}

fn empty_rows<'a>(height: u32) -> Vec<&'a mut [u8]> {
    (0..height).map(|_| &mut [][..]).collect()
}

/// A coordinate that is known to lie inside of a picture.
fn clamp(coordinate: i64) -> usize {
    usize::try_from(coordinate).unwrap_or(0)
}

fn clamp_u32(coordinate: i64) -> u32 {
    u32::try_from(coordinate).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_of_a_split_are_the_whole() {
        let mut data: Vec<u8> = vec![0; 7 * 5];
        let pixels = PixelsMut::new(&mut data, Size::new(6, 5), 7, PixelFormat::GRAY8).unwrap();
        for (index, mut cell) in pixels.split(&[1, 0, 5], &[2, 3]).into_iter().enumerate() {
            let color = u8::try_from(index).unwrap() + 1;
            cell.fill(Fill::Color([color; 4]));
            let part = Rect::new((0, 0), cell.size());
            cell.part_mut(part).fill(Fill::Color([color; 4]));
        }
        let top = [1, 3, 3, 3, 3, 3, 0];
        let bottom = [4, 6, 6, 6, 6, 6, 0];
        assert_eq!(data, [top, top, bottom, bottom, bottom].concat());
    }

    #[test]
    fn rows_that_lie_apart_are_a_picture() {
        let mut data = [0; 10];
        let (top, bottom) = data.split_at_mut(7);
        let rows = vec![&mut top[1..4], bottom];
        let mut pixels = PixelsMut::from_rows(rows, 1, PixelFormat::RGB8).unwrap();
        assert_eq!(pixels.size(), Size::new(1, 2));
        pixels.fill(Fill::Color([1, 2, 3, 255]));
        assert_eq!(data, [0, 1, 2, 3, 0, 0, 0, 1, 2, 3]);
        let (top, bottom) = data.split_at_mut(7);
        assert!(PixelsMut::from_rows(vec![top, bottom], 1, PixelFormat::RGB8).is_err());
        let none = PixelsMut::from_rows(Vec::new(), 5, PixelFormat::RGB8).unwrap();
        assert!(none.size().is_empty());
    }

    #[test]
    fn outside_is_filled_and_inside_is_kept() {
        let mut data = vec![7_u8; 4 * 4];
        let mut pixels = PixelsMut::packed(&mut data, Size::new(4, 4), PixelFormat::GRAY8).unwrap();
        pixels.fill_outside(Some(Rect::new((1, -3), (2, 5))), Fill::Default);
        assert_eq!(data, [0, 7, 7, 0, 0, 7, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    }

    #[test]
    fn a_buffer_that_is_too_small_is_refused() {
        let size = Size::new(3, 2);
        assert!(PixelsMut::packed(&mut [0; 17], size, PixelFormat::RGB8).is_err());
        assert!(PixelsMut::packed(&mut [0; 18], size, PixelFormat::RGB8).is_ok());
        assert!(PixelsMut::new(&mut [0; 18], size, 8, PixelFormat::RGB8).is_err());
        assert!(PixelsMut::new(&mut [0; 19], size, usize::MAX, PixelFormat::RGB8).is_err());
        assert!(PixelsMut::packed(&mut [], Size::new(0, 9), PixelFormat::RGB8).is_ok());
    }

    #[test]
    fn zero_sizes_mean_nothing_to_do() {
        let mut pixels = PixelsMut::packed(&mut [], Size::new(0, 3), PixelFormat::RGB8).unwrap();
        pixels.fill(Fill::Default);
        assert_eq!(pixels.row_mut(2).len(), 0);
        assert_eq!(pixels.split(&[0], &[1, 2]).len(), 2);
    }
}
