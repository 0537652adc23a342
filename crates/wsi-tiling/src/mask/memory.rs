//! Labels in memory, as a source like any other.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use image::{ColorType, DynamicImage, ImageFormat, ImageReader};
use wsi_core::{
    Channels, Error, ErrorKind, Image, Level, PixelFormat, PixelsMut, Properties, Pyramid, Rect,
    Region, Result, SampleType, SlideInfo, SlideSource,
};

/// A picture of labels, or a pyramid of ones.
pub(super) struct LabelSource {
    info: SlideInfo,
    properties: Properties,
    /// Without a picture, every label is 1.
    picture: Option<Image>,
}

impl LabelSource {
    pub(super) fn picture(picture: Image) -> Result<Self> {
        let pyramid = Pyramid::new(vec![Level::new(picture.size(), 1.0)])?;
        Ok(Self {
            info: SlideInfo::new("labels", pyramid, picture.format()),
            properties: Properties::new(),
            picture: Some(picture),
        })
    }

    pub(super) fn ones(pyramid: Pyramid) -> Self {
        Self {
            info: SlideInfo::new("labels", pyramid, PixelFormat::GRAY8),
            properties: Properties::new(),
            picture: None,
        }
    }
}

impl SlideSource for LabelSource {
    fn info(&self) -> &SlideInfo {
        &self.info
    }

    fn properties(&self) -> Result<&Properties> {
        Ok(&self.properties)
    }

    fn read_region(&self, region: &Region, mut out: PixelsMut<'_>) -> Result<()> {
        let format = self.info.pixel_format;
        if out.format() != format {
            return Err(Error::unsupported(format!(
                "labels of {format} read as {}",
                out.format()
            )));
        }
        let level = self.info.pyramid.level(region.level)?;
        let wanted = region.rect_on(level);
        let inside = wanted.intersection(Rect::new((0, 0), level.size));
        let target = inside.map(|inside| {
            let origin = (
                inside.origin.x - wanted.origin.x,
                inside.origin.y - wanted.origin.y,
            );
            Rect::new(origin, inside.size)
        });
        out.fill_outside(target, region.fill);
        let (Some(inside), Some(target)) = (inside, target) else {
            return Ok(());
        };
        let mut part = out.part_mut(target);
        let Some(picture) = &self.picture else {
            part.fill(wsi_core::Fill::Color([1; 4]));
            return Ok(());
        };
        let pixel = format.bytes_per_pixel();
        let first = index(inside.origin.x)? * pixel;
        for y in 0..inside.size.height {
            let row = u32::try_from(inside.origin.y).unwrap_or(0) + y;
            let out = part.row_mut(y);
            out.copy_from_slice(&picture.row(row)[first..first + out.len()]);
        }
        Ok(())
    }

    fn read_associated(&self, name: &str) -> Result<Image> {
        Err(Error::invalid(format!("no associated image `{name}`")))
    }

    fn icc_profile(&self) -> Result<Option<Vec<u8>>> {
        Ok(None)
    }
}

fn index(coordinate: i64) -> Result<usize> {
    usize::try_from(coordinate)
        .map_err(|error| Error::invalid("a pixel left of 0").with_source(error))
}

/// The labels of a picture in a file, in the format that the file has.
pub(super) fn read_image(path: &Path) -> Result<Image> {
    let reader = ImageReader::open(path)?.with_guessed_format()?;
    match reader.format() {
        Some(ImageFormat::Png) => read_png(path),
        Some(ImageFormat::Jpeg) => Err(Error::unsupported(
            "a JPEG as a mask: its labels are not exactly what was drawn",
        )),
        Some(_) => reader
            .decode()
            .map_err(|error| Error::corrupt("cannot decode the mask").with_source(error))
            .and_then(from_dynamic),
        None => Err(Error::new(
            ErrorKind::NotRecognised,
            "not a picture of a kind known here",
        )),
    }
}

fn from_dynamic(image: DynamicImage) -> Result<Image> {
    let format = match image.color() {
        ColorType::L8 => PixelFormat::GRAY8,
        ColorType::La8 => PixelFormat::new(Channels::GrayAlpha, SampleType::U8),
        ColorType::Rgb8 => PixelFormat::RGB8,
        ColorType::Rgba8 => PixelFormat::RGBA8,
        ColorType::L16 => PixelFormat::GRAY16,
        ColorType::La16 => PixelFormat::new(Channels::GrayAlpha, SampleType::U16),
        ColorType::Rgb16 => PixelFormat::RGB16,
        ColorType::Rgba16 => PixelFormat::RGBA16,
        other => return Err(Error::unsupported(format!("a mask of {other:?} samples"))),
    };
    let size = (image.width(), image.height());
    Image::from_bytes(size.into(), format, image.into_bytes())
}

/// PNG without any conversion: a palette's index is the label, and gray of fewer than 8 bits
/// counts from 0 up, not scaled to 255.
fn read_png(path: &Path) -> Result<Image> {
    let corrupt =
        |error: png::DecodingError| Error::corrupt("cannot decode the mask").with_source(error);
    let mut decoder = png::Decoder::new(BufReader::new(File::open(path)?));
    decoder.set_transformations(png::Transformations::IDENTITY);
    let mut reader = decoder.read_info().map_err(corrupt)?;
    let bytes = reader
        .output_buffer_size()
        .ok_or_else(|| Error::limit("a PNG larger than memory"))?;
    let mut data = vec![0; bytes];
    let frame = reader.next_frame(&mut data).map_err(corrupt)?;
    data.truncate(frame.buffer_size());
    let channels = match frame.color_type {
        png::ColorType::Grayscale | png::ColorType::Indexed => Channels::Gray,
        png::ColorType::GrayscaleAlpha => Channels::GrayAlpha,
        png::ColorType::Rgb => Channels::Rgb,
        png::ColorType::Rgba => Channels::Rgba,
    };
    let sample = match frame.bit_depth {
        png::BitDepth::Sixteen => {
            for sample in data.chunks_exact_mut(2) {
                let value = u16::from_be_bytes([sample[0], sample[1]]);
                sample.copy_from_slice(&value.to_ne_bytes());
            }
            SampleType::U16
        }
        png::BitDepth::Eight => SampleType::U8,
        depth => {
            data = unpack(&data, frame.width, frame.line_size, depth as u32);
            SampleType::U8
        }
    };
    let size = (frame.width, frame.height);
    Image::from_bytes(size.into(), PixelFormat::new(channels, sample), data)
}

/// Labels of 1, 2 or 4 bits, the first in the highest bits of its byte, one a byte.
fn unpack(data: &[u8], width: u32, line: usize, bits: u32) -> Vec<u8> {
    let per_byte = 8 / bits;
    let mask = (1_u8 << bits) - 1;
    data.chunks_exact(line)
        .flat_map(|row| {
            (0..width).map(move |x| {
                let shift = 8 - bits * (x % per_byte + 1);
                (row[(x / per_byte) as usize] >> shift) & mask
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn png(folder: &Path, color: png::ColorType, depth: png::BitDepth, data: &[u8]) -> Image {
        let path = folder.join("mask.png");
        let mut encoder = png::Encoder::new(File::create(&path).unwrap(), 3, 2);
        encoder.set_color(color);
        encoder.set_depth(depth);
        if color == png::ColorType::Indexed {
            encoder.set_palette(vec![9; 16 * 3]);
        }
        let mut writer = encoder.write_header().unwrap();
        writer.write_image_data(data).unwrap();
        writer.finish().unwrap();
        read_image(&path).unwrap()
    }

    #[test]
    fn labels_of_a_png_are_what_it_stores() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        let gray = png(
            folder,
            png::ColorType::Grayscale,
            png::BitDepth::Eight,
            &[1, 2, 3, 4, 5, 6],
        );
        assert_eq!(gray.as_bytes(), [1, 2, 3, 4, 5, 6]);
        let palette = png(
            folder,
            png::ColorType::Indexed,
            png::BitDepth::Four,
            &[0x12, 0x30, 0x45, 0x60],
        );
        assert_eq!(palette.format(), PixelFormat::GRAY8);
        assert_eq!(palette.as_bytes(), [1, 2, 3, 4, 5, 6]);
        let wide = png(
            folder,
            png::ColorType::Grayscale,
            png::BitDepth::Sixteen,
            &[1, 0, 0, 2, 0, 3, 0, 4, 0, 5, 0, 6],
        );
        assert_eq!(wide.samples::<u16>(), Some(vec![256, 2, 3, 4, 5, 6]));
    }

    #[test]
    fn a_file_that_is_no_picture_is_an_error_that_names_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notes.txt");
        std::fs::write(&path, "no picture").unwrap();
        let error = super::super::Mask::from_image_file(&path).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotRecognised);
        assert!(error.to_string().contains("notes.txt"));
        assert!(super::super::Mask::from_image_file(folder.path().join("missing.png")).is_err());
    }
}
