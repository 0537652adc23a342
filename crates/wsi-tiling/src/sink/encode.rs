//! PNG, fast: what tiles and overviews are written with.

use png::{BitDepth, ColorType, Compression, EncodingError, Filter};
use wsi_core::{Error, ErrorKind, Result, Size};

use crate::mask::LabelType;

/// Replaces `out` with a PNG of 8-bit RGB pixels.
pub(crate) fn write_rgb(out: &mut Vec<u8>, size: Size, pixels: &[u8]) -> Result<()> {
    encode(
        out,
        size,
        (ColorType::Rgb, BitDepth::Eight),
        Filter::Adaptive,
        pixels,
    )
}

/// Replaces `out` with a gray PNG of labels of 8 or 16 bits, neither scaled nor interpolated.
///
/// Labels of 32 bits are written in 16; one that does not fit is an error.
pub(super) fn write_labels(
    out: &mut Vec<u8>,
    size: Size,
    labels: &[u8],
    label_type: LabelType,
) -> Result<()> {
    if label_type == LabelType::U8 {
        return encode(
            out,
            size,
            (ColorType::Grayscale, BitDepth::Eight),
            Filter::Up,
            labels,
        );
    }
    let mut wide = Vec::with_capacity(labels.len());
    for label in label_type.read(labels) {
        let label = u16::try_from(label).map_err(|_| {
            Error::unsupported(format!(
                "label {label} in a PNG, which holds labels up to 65535"
            ))
        })?;
        wide.extend_from_slice(&label.to_be_bytes());
    }
    encode(
        out,
        size,
        (ColorType::Grayscale, BitDepth::Sixteen),
        Filter::Up,
        &wide,
    )
}

fn encode(
    out: &mut Vec<u8>,
    size: Size,
    (color, depth): (ColorType, BitDepth),
    filter: Filter,
    data: &[u8],
) -> Result<()> {
    out.clear();
    let mut encoder = png::Encoder::new(out, size.width, size.height);
    encoder.set_color(color);
    encoder.set_depth(depth);
    encoder.set_compression(Compression::Fast);
    encoder.set_filter(filter);
    let write = |encoder: png::Encoder<'_, &mut Vec<u8>>| -> Result<(), EncodingError> {
        let mut writer = encoder.write_header()?;
        writer.write_image_data(data)?;
        writer.finish()
    };
    write(encoder)
        .map_err(|error| Error::new(ErrorKind::Io, "cannot encode a PNG").with_source(error))
}
