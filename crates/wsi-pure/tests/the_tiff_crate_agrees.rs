//! Files that the `tiff` crate writes read as what was written: an encoder that is not ours.

use std::io::Cursor;

use proptest::prelude::*;
use tiff::encoder::{Compression, DeflateLevel, TiffEncoder, colortype};
use wsi_core::{OpenOptions, PixelFormat, Slide};
use wsi_pure::PureDriver;

const COMPRESSIONS: [Compression; 4] = [
    Compression::Uncompressed,
    Compression::Lzw,
    Compression::Packbits,
    Compression::Deflate(DeflateLevel::Fast),
];

/// What a slide of one picture holds, and in which format.
fn read(bytes: Vec<u8>) -> (PixelFormat, Vec<u8>) {
    let source = PureDriver::new().open_source(Box::new(bytes), &OpenOptions::default());
    let slide = Slide::new(source.expect("a TIFF file"), "written.tif");
    let format = slide.info().pixel_format;
    (
        format,
        slide
            .read_level(0, format)
            .expect("its pixels")
            .into_bytes(),
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn written_pictures_read_as_written(
        compression in 0_usize..4,
        width in 1_u32..80,
        height in 1_u32..60,
        seed in any::<u32>(),
    ) {
        let compression = COMPRESSIONS[compression];
        let samples: Vec<u16> = (0..width * height * 3)
            .map(|index| (index / 5).wrapping_mul(seed).to_le_bytes())
            .map(|[low, high, ..]| u16::from_le_bytes([low, high]))
            .collect();
        let narrow: Vec<u8> = samples.iter().map(|sample| sample.to_le_bytes()[0]).collect();
        let mut file = Cursor::new(Vec::new());
        TiffEncoder::new(&mut file)
            .and_then(|encoder| {
                encoder.with_compression(compression)
                    .write_image::<colortype::RGB8>(width, height, &narrow)
            })
            .expect("an encoder that works");
        prop_assert_eq!(read(file.into_inner()), (PixelFormat::RGB8, narrow));

        let gray = &samples[..(width * height) as usize];
        let mut file = Cursor::new(Vec::new());
        TiffEncoder::new_big(&mut file)
            .and_then(|encoder| {
                encoder.with_compression(compression)
                    .write_image::<colortype::Gray16>(width, height, gray)
            })
            .expect("an encoder that works");
        let native: Vec<u8> = gray.iter().flat_map(|sample| sample.to_ne_bytes()).collect();
        prop_assert_eq!(read(file.into_inner()), (PixelFormat::GRAY16, native));
    }
}
