//! Decoding by `wsi-jpeg` under guard, and holding pixels against each other.

use wsi_jpeg::{
    Decoder, Error, Info, Kernels, Options, Outcome, Picture, PixelFormat, RowIndex, Scale,
    StridedRows, Warning, Window,
};

use crate::random::Random;
use crate::stream::{self, Transform};
use crate::turbo::{Decoded, Ending, Turbo};

/// One decoder for each set of kernels that this machine can run.
#[must_use]
pub fn decoders() -> Vec<(&'static str, Decoder)> {
    Kernels::available()
        .into_iter()
        .map(|kernels| (kernels.name(), Decoder::with_kernels(kernels)))
        .collect()
}

/// All scales.
pub const SCALES: [Scale; 4] = [Scale::Full, Scale::Half, Scale::Quarter, Scale::Eighth];

/// Value of bytes that no decode may touch.
const GUARD: u8 = 0xA5;

/// Memory for a decode, with guard bytes before, between and behind the rows.
#[derive(Debug)]
pub struct Canvas {
    memory: Vec<u8>,
    stride: usize,
    row_bytes: usize,
    rows: usize,
}

const MARGIN: usize = 96;

impl Canvas {
    /// Room for `rows` rows of `row_bytes`, `gap` bytes between them.
    #[must_use]
    pub fn new(row_bytes: usize, rows: usize, gap: usize) -> Self {
        let stride = row_bytes + gap;
        Self {
            memory: vec![GUARD; stride * rows + 2 * MARGIN],
            stride,
            row_bytes,
            rows,
        }
    }

    /// The rows; the last one is as short as it may be.
    pub fn rows(&mut self) -> StridedRows<'_> {
        let end = MARGIN + self.length();
        StridedRows::new(&mut self.memory[MARGIN..end], self.stride)
    }

    fn length(&self) -> usize {
        match self.rows {
            0 => 0,
            rows => (rows - 1) * self.stride + self.row_bytes,
        }
    }

    /// The pixels without gaps.
    ///
    /// # Panics
    /// If a guard byte was written to.
    #[must_use]
    pub fn into_pixels(self) -> Vec<u8> {
        let mut pixels = Vec::with_capacity(self.row_bytes * self.rows);
        let mut expected = vec![GUARD; self.memory.len()];
        for y in 0..self.rows {
            let start = MARGIN + y * self.stride;
            let row = &self.memory[start..start + self.row_bytes];
            expected[start..start + self.row_bytes].copy_from_slice(row);
            pixels.extend_from_slice(row);
        }
        assert!(
            expected == self.memory,
            "bytes outside of the rows were written"
        );
        pixels
    }
}

/// The size of a decode in bytes a row and rows.
#[must_use]
pub fn extent(
    (width, height): (usize, usize),
    format: PixelFormat,
    components: usize,
) -> (usize, usize) {
    let planes = if format == PixelFormat::Planes8 {
        components
    } else {
        1
    };
    (width * format.bytes_per_pixel(), height * planes)
}

/// The size of what `options` ask for, in bytes a row and rows, by the headers.
///
/// # Errors
/// If there are no headers.
pub fn wanted(data: &[u8], scale: Scale, options: &Options<'_>) -> Result<(usize, usize), Error> {
    let info = Info::read(data, None)?;
    let size = match options.window() {
        Some(window) => (window.width, window.height),
        None => info.scaled_size(scale),
    };
    let size = (size.0 as usize, size.1 as usize);
    Ok(extent(size, options.format(), info.components().len()))
}

/// Decodes one picture.
///
/// # Errors
/// As [`Decoder::decode`].
pub fn decode(
    decoder: &mut Decoder,
    data: &[u8],
    options: &Options<'_>,
    (row_bytes, rows): (usize, usize),
    gap: usize,
) -> Result<(Vec<u8>, Outcome), Error> {
    let mut canvas = Canvas::new(row_bytes, rows, gap);
    let outcome = decoder.decode(data, options, &mut canvas.rows())?;
    Ok((canvas.into_pixels(), outcome))
}

/// Decodes one picture by an index.
///
/// # Errors
/// As [`Decoder::decode_indexed`].
pub fn decode_indexed(
    decoder: &mut Decoder,
    data: &[u8],
    options: &Options<'_>,
    (row_bytes, rows): (usize, usize),
    gap: usize,
    index: &mut RowIndex,
) -> Result<(Vec<u8>, Outcome), Error> {
    let mut canvas = Canvas::new(row_bytes, rows, gap);
    let outcome = decoder.decode_indexed(data, options, &mut canvas.rows(), index)?;
    Ok((canvas.into_pixels(), outcome))
}

/// One picture of a batch.
#[derive(Debug)]
pub struct Entry<'e> {
    /// The stream.
    pub data: &'e [u8],
    /// How to decode it.
    pub options: Options<'e>,
    /// Bytes a row, and rows.
    pub extent: (usize, usize),
    /// Bytes between rows.
    pub gap: usize,
    /// A row index to use and extend.
    pub index: Option<&'e mut RowIndex>,
}

/// Pixels and outcome of each picture of a batch.
pub type Results = Vec<Result<(Vec<u8>, Outcome), Error>>;

/// Decodes several pictures at once: two by [`Decoder::decode_pair`], others by
/// [`Decoder::decode_batch`].
///
/// # Panics
/// If the decoder forgets one, or names one twice.
#[must_use]
pub fn decode_together(decoder: &mut Decoder, entries: Vec<Entry<'_>>) -> Results {
    let mut canvases: Vec<Canvas> = entries
        .iter()
        .map(|entry| Canvas::new(entry.extent.0, entry.extent.1, entry.gap))
        .collect();
    let mut rows: Vec<StridedRows<'_>> = canvases.iter_mut().map(Canvas::rows).collect();
    let (options, rest): (Vec<_>, Vec<_>) = entries
        .into_iter()
        .map(|entry| (entry.options, (entry.data, entry.index)))
        .unzip();
    let pictures: Vec<_> = options
        .iter()
        .zip(rest)
        .zip(&mut rows)
        .map(|((options, (data, index)), rows)| {
            let picture = Picture::new(data, options, rows);
            match index {
                Some(index) => picture.with_index(index),
                None => picture,
            }
        })
        .collect();
    let mut outcomes: Vec<Option<Result<Outcome, Error>>> = options.iter().map(|_| None).collect();
    match <[_; 2]>::try_from(pictures) {
        Ok([first, second]) => {
            let (first, second) = decoder.decode_pair(first, second);
            outcomes = vec![Some(first), Some(second)];
        }
        Err(pictures) => decoder.decode_batch(pictures, |number, outcome| {
            let before = outcomes[number].replace(outcome);
            assert!(before.is_none(), "picture {number} ended twice");
        }),
    }
    drop(rows);
    canvases
        .into_iter()
        .zip(outcomes)
        .map(|(canvas, outcome)| {
            let outcome = outcome.expect("every picture of a batch ends");
            let pixels = canvas.into_pixels();
            outcome.map(|outcome| (pixels, outcome))
        })
        .collect()
}

/// The reference for any format, planes included: those are what libjpeg-turbo gives for the same
/// stream marked as RGB or CMYK, component by component.
///
/// # Panics
/// If libjpeg-turbo has no such format, or there are no headers.
#[must_use]
pub fn reference(turbo: &mut Turbo, data: &[u8], scale: Scale, format: PixelFormat) -> Decoded {
    const MOST: usize = 1 << 26;
    match format {
        PixelFormat::Planes8 => {
            let components = Info::read(data, None).expect("headers").components().len();
            let format = match components {
                1 => PixelFormat::Gray8,
                3 => PixelFormat::Rgb8,
                _ => PixelFormat::Cmyk8,
            };
            let plain = match components {
                1 => data.to_vec(),
                _ => stream::mark(data, Transform::None).expect("headers"),
            };
            let mut decoded = turbo.decode(&plain, scale, format, MOST);
            decoded.pixels = (0..components)
                .flat_map(|component| {
                    decoded
                        .pixels
                        .iter()
                        .skip(component)
                        .step_by(components)
                        .copied()
                })
                .collect();
            decoded
        }
        _ => turbo.decode(data, scale, format, MOST),
    }
}

/// The part of decoded pixels that a window shows, as `wsi-jpeg` would lay it out.
#[must_use]
pub fn crop(decoded: &Decoded, format: PixelFormat, components: usize, window: Window) -> Vec<u8> {
    let pixel = format.bytes_per_pixel();
    let (row, rows) = extent((decoded.width, decoded.height), format, components);
    let (from, length) = (window.x as usize * pixel, window.width as usize * pixel);
    let mut cropped = Vec::new();
    for plane in 0..rows / decoded.height {
        for y in 0..window.height as usize {
            let start = (plane * decoded.height + window.y as usize + y) * row + from;
            cropped.extend_from_slice(&decoded.pixels[start..start + length]);
        }
    }
    cropped
}

/// Whether pixels are equal; if not, says where and by how much they differ.
///
/// # Errors
/// The first differing byte, how many differ, and the largest difference.
pub fn equal(ours: &[u8], theirs: &[u8], row_bytes: usize) -> Result<(), String> {
    if ours == theirs {
        return Ok(());
    }
    if ours.len() != theirs.len() {
        return Err(format!("{} bytes instead of {}", ours.len(), theirs.len()));
    }
    let differing: Vec<usize> = (0..ours.len()).filter(|&i| ours[i] != theirs[i]).collect();
    let largest = differing.iter().map(|&i| ours[i].abs_diff(theirs[i])).max();
    let first = differing[0];
    Err(format!(
        "{} of {} bytes differ, by {} at most; first at row {}, byte {}: {} instead of {}",
        differing.len(),
        ours.len(),
        largest.unwrap_or(0),
        first / row_bytes.max(1),
        first % row_bytes.max(1),
        ours[first],
        theirs[first]
    ))
}

/// Whether a decode ended as libjpeg-turbo's did: the same pixels and no warning, the same pixels
/// and a warning, or an error.
///
/// Where libjpeg-turbo fails on what stands behind the last MCU, all rows are there, and `wsi-jpeg`
/// gives them with the warning `CorruptTrailer`.
///
/// # Errors
/// What is different.
pub fn same_ending(
    ours: Result<(Vec<u8>, Outcome), Error>,
    theirs: &Decoded,
    row_bytes: usize,
) -> Result<(), String> {
    let (pixels, outcome) = match (ours, &theirs.ending) {
        (Err(_), Ending::Failed(_)) => return Ok(()),
        (Err(error), ending) => return Err(format!("failed with \"{error}\" for {ending:?}")),
        (Ok((pixels, outcome)), Ending::Failed(_))
            if outcome.warnings().contains(&Warning::CorruptTrailer) =>
        {
            return equal(&pixels, &theirs.pixels, row_bytes);
        }
        (Ok((_, outcome)), Ending::Failed(message)) => {
            return Err(format!(
                "{:?} for failure \"{message}\"",
                outcome.warnings()
            ));
        }
        (Ok(decoded), _) => decoded,
    };
    if outcome.is_clean() != (theirs.ending == Ending::Clean) {
        return Err(format!("{:?} for {:?}", outcome.warnings(), theirs.ending));
    }
    equal(&pixels, &theirs.pixels, row_bytes)
}

/// A window somewhere in a picture: any size, or a small one, or one that touches an edge.
#[must_use]
pub fn random_window(random: &mut Random, width: usize, height: usize) -> Window {
    let mut span = |length: usize| {
        let size = match random.below(4) {
            0 => length,
            1 => random.between(1, length.min(20)),
            _ => random.between(1, length),
        };
        let start = match random.below(4) {
            0 => 0,
            1 => length - size,
            _ => random.between(0, length - size),
        };
        (start as u32, size as u32)
    };
    let (x, width) = span(width);
    let (y, height) = span(height);
    Window::new(x, y, width, height)
}

/// How often to try: an environment variable, or the default.
///
/// # Panics
/// If the variable is no number.
#[must_use]
pub fn count(variable: &str, default: usize) -> usize {
    std::env::var(variable).map_or(default, |text| text.parse().expect("a number"))
}

/// Fails if anything went wrong, and shows the beginning of it; all of it goes to the file that
/// `WSI_TURBO_REPORT` names.
///
/// # Panics
/// If `wrong` is not empty.
pub fn assert_none(wrong: &[String]) {
    if let Some(path) = std::env::var_os("WSI_TURBO_REPORT") {
        std::fs::write(path, wrong.join("\n")).expect("a writable report");
    }
    let shown = &wrong[..wrong.len().min(12)];
    assert!(
        wrong.is_empty(),
        "{} are wrong, among them\n{}",
        wrong.len(),
        shown.join("\n")
    );
}
