//! Plain TIFF pages are turned as their Orientation says: the pictures are Pillow's.

use sha2::{Digest, Sha256};
use wsi::{PixelFormat, conformance};

mod support;

fn hex(bytes: impl AsRef<[u8]>) -> String {
    Sha256::digest(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

#[test]
fn turned_pages_are_those_of_pillow() {
    let Some(folder) = support::slides() else {
        return;
    };
    let truth = support::truth(&folder, "tifffile.json");
    let expected = |name: &str| truth["files"][name]["pillow"]["sha256"].clone();

    // Orientation 6, colour in strips.
    let name = "tiff/exiv2__exiv2-bug922.tif";
    let slide = wsi::open(folder.join(name)).expect("a TIFF file");
    let image = slide.read_level(0, PixelFormat::RGB8).expect("its pixels");
    assert_eq!((image.size().width, image.size().height), (470, 40));
    assert_eq!(expected(name), hex(image.as_bytes()));
    conformance::check(&slide).expect("every promise");

    // Orientation 6, fax; Pillow has eight pixels in a byte, white as 1.
    let name = "tiff/Pillow__g4_orientation_6.tif";
    let slide = wsi::open(folder.join(name)).expect("a TIFF file");
    let image = slide.read_level(0, PixelFormat::GRAY8).expect("its pixels");
    assert_eq!((image.size().width, image.size().height), (590, 88));
    let mut packed = Vec::new();
    for y in 0..image.size().height {
        for pixels in image.row(y).chunks(8) {
            let bits = pixels.iter().enumerate();
            packed.push(bits.fold(0_u8, |byte, (bit, black)| byte | ((1 - black) << (7 - bit))));
        }
    }
    assert_eq!(expected(name), hex(packed));
    conformance::check(&slide).expect("every promise");
}
