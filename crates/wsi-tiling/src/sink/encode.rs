//! Tiles and overviews as PNG files.

use wsi_core::{Error, Result, Size};
use wsi_png::{Color, Encoder, Picture};

use crate::mask::LabelType;

/// Encodes tiles, and keeps its memory from one to the next.
#[derive(Debug, Default)]
pub(crate) struct PngEncoder {
    encoder: Encoder,
    file: Vec<u8>,
    /// Labels as PNG stores them, where the memory's order is another.
    labels: Vec<u8>,
}

impl PngEncoder {
    /// The file of a picture of 8-bit RGB pixels.
    pub(crate) fn rgb(&mut self, size: Size, pixels: &[u8]) -> Result<&[u8]> {
        encode(&mut self.encoder, size, Color::Rgb8, pixels, &mut self.file)
    }

    /// The file of a gray picture of labels of 8 or 16 bits, neither scaled nor interpolated.
    ///
    /// Labels of 32 bits are written in 16; one that does not fit is an error.
    pub(super) fn labels(
        &mut self,
        size: Size,
        labels: &[u8],
        label_type: LabelType,
    ) -> Result<&[u8]> {
        if label_type == LabelType::U8 {
            return encode(
                &mut self.encoder,
                size,
                Color::Gray8,
                labels,
                &mut self.file,
            );
        }
        self.labels.clear();
        for label in label_type.read(labels) {
            let label = u16::try_from(label).map_err(|_| {
                Error::unsupported(format!(
                    "label {label} in a PNG, which holds labels up to 65535"
                ))
            })?;
            self.labels.extend_from_slice(&label.to_be_bytes());
        }
        encode(
            &mut self.encoder,
            size,
            Color::Gray16,
            &self.labels,
            &mut self.file,
        )
    }
}

fn encode<'f>(
    encoder: &mut Encoder,
    size: Size,
    color: Color,
    pixels: &[u8],
    file: &'f mut Vec<u8>,
) -> Result<&'f [u8]> {
    let picture = Picture::new((size.width, size.height), color, pixels)
        .map_err(|error| Error::invalid("cannot encode a PNG").with_source(error))?;
    encoder.encode(&picture, file);
    Ok(file)
}
