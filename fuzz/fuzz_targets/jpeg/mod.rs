//! What the JPEG targets share: how to decode, drawn from the input, and decoding so.
//!
//! The last bytes of the input say how to decode it. They stay part of it, so that JPEG files are
//! good seeds as they are.

#![allow(dead_code, reason = "each target uses a part")]

use wsi_jpeg::{
    ColorModel, Decoder, Error, Info, Kernels, Limits, Options, Outcome, PixelFormat, RowIndex,
    Scale, StridedRows, Tables, Window,
};

/// Pixels of a picture that is decoded at all.
const MOST_PIXELS: u64 = 1 << 15;

/// Bytes that say how to decode.
const WAY: usize = 16;

/// Pixels and outcome.
pub type Decoded = Result<(Vec<u8>, Outcome), Error>;

/// A picture, and how to decode it.
pub struct Job<'d> {
    pub data: &'d [u8],
    pub info: Info,
    tables: Option<Tables>,
    format: PixelFormat,
    color: Option<ColorModel>,
    scale: Scale,
    gap: usize,
    windows: [[u8; 4]; 2],
}

impl<'d> Job<'d> {
    /// `None` for what has no headers, or too many pixels to be quick.
    ///
    /// A tables-only stream before the picture becomes shared tables.
    pub fn new(data: &'d [u8]) -> Option<Self> {
        let way: &[u8; WAY] = data.last_chunk()?;
        let (data, tables) = match split(data) {
            Some((first, second)) => match Tables::parse(first) {
                Ok(tables) => (second, Some(tables)),
                Err(_) => (data, None),
            },
            None => (data, None),
        };
        let info = Info::read(data, tables.as_ref()).ok()?;
        if u64::from(info.width()) * u64::from(info.height()) > MOST_PIXELS {
            return None;
        }
        let formats: &[PixelFormat] = match info.bits() > 8 {
            true => &[
                PixelFormat::Planes16,
                PixelFormat::Gray16,
                PixelFormat::Rgb16,
                PixelFormat::Cmyk16,
            ],
            false => &[
                PixelFormat::Planes8,
                PixelFormat::Gray8,
                PixelFormat::Rgb8,
                PixelFormat::Bgr8,
                PixelFormat::Rgba8,
                PixelFormat::Bgra8,
                PixelFormat::Cmyk8,
            ],
        };
        let colors = [
            None,
            None,
            Some(ColorModel::Gray),
            Some(ColorModel::YCbCr),
            Some(ColorModel::Rgb),
            Some(ColorModel::Cmyk),
            Some(ColorModel::Ycck),
        ];
        let scales = [
            Scale::Full,
            Scale::Full,
            Scale::Half,
            Scale::Quarter,
            Scale::Eighth,
        ];
        Some(Self {
            data,
            info,
            tables,
            format: formats[usize::from(way[0]) % formats.len()],
            color: colors[usize::from(way[1]) % colors.len()],
            scale: scales[usize::from(way[2]) % scales.len()],
            gap: usize::from(way[3] % 40),
            windows: [
                [way[4], way[5], way[6], way[7]],
                [way[8], way[9], way[10], way[11]],
            ],
        })
    }

    /// Two windows.
    pub fn windows(&self) -> [Window; 2] {
        let (width, height) = self.size();
        self.windows.map(|[x, y, across, down]| {
            let span = |start: u8, length: u8, all: u32| {
                let start = u32::from(start) * (all - 1) / 255;
                (start, 1 + u32::from(length) * (all - start - 1) / 255)
            };
            let (x, width) = span(x, across, width);
            let (y, height) = span(y, down, height);
            Window::new(x, y, width, height)
        })
    }

    /// Size of the output.
    pub fn size(&self) -> (u32, u32) {
        if self.info.process() == wsi_jpeg::Process::Lossless {
            (self.info.width(), self.info.height())
        } else {
            self.info.scaled_size(self.scale)
        }
    }

    pub fn options(&self, window: Option<Window>) -> Options<'_> {
        let limits = Limits::default()
            .with_max_scans(16)
            .with_max_pixels(MOST_PIXELS)
            .with_max_memory(64 << 20);
        Options::new(self.format)
            .with_tables(self.tables.as_ref())
            .with_color(self.color)
            .with_scale(self.scale)
            .with_limits(limits)
            .with_window(window)
    }

    /// Memory for the output.
    pub fn canvas(&self, window: Option<Window>) -> Canvas {
        let (width, height) = window.map_or(self.size(), |window| (window.width, window.height));
        let row = width as usize * self.format.bytes_per_pixel();
        let rows = height as usize * self.planes();
        Canvas {
            pixels: vec![GUARD; (row + self.gap) * rows],
            row,
            stride: row + self.gap,
        }
    }

    fn planes(&self) -> usize {
        match self.format {
            PixelFormat::Planes8 | PixelFormat::Planes16 => self.info.components().len(),
            _ => 1,
        }
    }

    pub fn decode(&self, decoder: &mut Decoder, window: Option<Window>) -> Decoded {
        let mut canvas = self.canvas(window);
        let outcome = decoder.decode(self.data, &self.options(window), &mut canvas.rows());
        canvas.finish(outcome)
    }

    pub fn decode_indexed(
        &self,
        decoder: &mut Decoder,
        window: Option<Window>,
        index: &mut RowIndex,
    ) -> Decoded {
        let mut canvas = self.canvas(window);
        let (options, rows) = (self.options(window), &mut canvas.rows());
        let outcome = decoder.decode_indexed(self.data, &options, rows, index);
        canvas.finish(outcome)
    }

    /// The part of a full decode that a window shows.
    pub fn crop(&self, pixels: &[u8], window: Window) -> Vec<u8> {
        let pixel = self.format.bytes_per_pixel();
        let (width, height) = self.size();
        let (width, height) = (width as usize, height as usize);
        let mut cropped = Vec::new();
        for plane in 0..self.planes() {
            for y in 0..window.height as usize {
                let row = plane * height + window.y as usize + y;
                let start = (row * width + window.x as usize) * pixel;
                cropped.extend_from_slice(&pixels[start..][..window.width as usize * pixel]);
            }
        }
        cropped
    }
}

/// Cuts before the second start of an image.
pub fn split(data: &[u8]) -> Option<(&[u8], &[u8])> {
    let start = data
        .windows(3)
        .skip(2)
        .position(|bytes| bytes == [0xFF, 0xD8, 0xFF])?;
    Some(data.split_at(start + 2))
}

/// Rows with guard bytes between them.
pub struct Canvas {
    pixels: Vec<u8>,
    row: usize,
    stride: usize,
}

const GUARD: u8 = 0xA5;

impl Canvas {
    pub fn rows(&mut self) -> StridedRows<'_> {
        StridedRows::new(&mut self.pixels, self.stride)
    }

    /// The pixels alone.
    pub fn finish(self, outcome: Result<Outcome, Error>) -> Decoded {
        let mut pixels = Vec::with_capacity(self.pixels.len());
        for row in self.pixels.chunks(self.stride) {
            let (row, gap) = row.split_at(self.row);
            pixels.extend_from_slice(row);
            assert!(
                gap.iter().all(|&byte| byte == GUARD),
                "the gap is left alone"
            );
        }
        outcome.map(|outcome| (pixels, outcome))
    }
}

/// One decoder for each set of kernels, the scalar one first.
pub fn decoders() -> Vec<(&'static str, Decoder)> {
    let sets = Kernels::available().into_iter();
    sets.map(|kernels| (kernels.name(), Decoder::with_kernels(kernels)))
        .collect()
}

/// Fails with as little output as will do.
#[track_caller]
pub fn assert_same(ours: &Decoded, expected: &Decoded, what: &str) {
    match (ours, expected) {
        (Ok((ours, outcome)), Ok((expected, wanted))) => {
            assert_eq!(outcome, wanted, "outcome, {what}");
            assert_pixels(ours, expected, what);
        }
        (Err(error), Err(wanted)) => assert_eq!(error, wanted, "error, {what}"),
        (ours, expected) => panic!(
            "{what}: {:?} instead of {:?}",
            ours.as_ref().map(|(_, outcome)| outcome),
            expected.as_ref().map(|(_, outcome)| outcome)
        ),
    }
}

#[track_caller]
pub fn assert_pixels(ours: &[u8], expected: &[u8], what: &str) {
    assert_eq!(ours.len(), expected.len(), "{what}");
    let first = ours.iter().zip(expected).position(|(a, b)| a != b);
    assert_eq!(first, None, "first different byte, {what}");
}
