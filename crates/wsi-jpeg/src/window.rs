//! The part of a picture that is wanted.

use crate::error::Error;

/// A rectangle of the decoded picture, in pixels of the scale it is decoded at.
///
/// # Example
/// ```
/// use wsi_jpeg::{Options, PixelFormat, Window};
///
/// // 224 x 224 pixels from column 100 and row 30 on.
/// let options = Options::new(PixelFormat::Rgb8).with_window(Some(Window::new(100, 30, 224, 224)));
/// assert_eq!(options.window(), Some(Window::new(100, 30, 224, 224)));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Window {
    /// First column.
    pub x: u32,
    /// First row.
    pub y: u32,
    /// Columns, at least 1.
    pub width: u32,
    /// Rows, at least 1.
    pub height: u32,
}

impl Window {
    /// A window of `width` x `height` pixels whose first one is at column `x`, row `y`.
    #[must_use]
    pub fn new(x: u32, y: u32, width: u32, height: u32) -> Self {
        Self {
            x,
            y,
            width,
            height,
        }
    }
}

/// The wanted part in the numbers that the decoder works with: rows and columns of the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct View {
    pub(crate) left: usize,
    pub(crate) top: usize,
    /// Column and row behind the last.
    pub(crate) right: usize,
    pub(crate) bottom: usize,
}

impl View {
    /// The whole picture, or a window of it.
    ///
    /// # Errors
    /// `InvalidArgument` if the window is empty or leaves the picture.
    pub(crate) fn new(window: Option<Window>, width: usize, height: usize) -> Result<Self, Error> {
        let Some(window) = window else {
            return Ok(Self {
                left: 0,
                top: 0,
                right: width,
                bottom: height,
            });
        };
        let end = |start: u32, length: u32, limit: usize| {
            let end = (start as usize).checked_add(length as usize)?;
            (length > 0 && end <= limit).then_some(end)
        };
        match (
            end(window.x, window.width, width),
            end(window.y, window.height, height),
        ) {
            (Some(right), Some(bottom)) => Ok(Self {
                left: window.x as usize,
                top: window.y as usize,
                right,
                bottom,
            }),
            _ => Err(Error::argument(format!(
                "window of {} x {} pixels at {}, {} in a picture of {width} x {height}",
                window.width, window.height, window.x, window.y
            ))),
        }
    }

    pub(crate) fn width(&self) -> usize {
        self.right - self.left
    }

    pub(crate) fn height(&self) -> usize {
        self.bottom - self.top
    }
}
