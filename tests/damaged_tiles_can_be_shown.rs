//! A JPEG tile that libjpeg-turbo decodes with a warning is an error, as with OpenSlide, or shows
//! libjpeg-turbo's pixels: whoever opens the slide chooses.
//!
//! The pixels stand in `truth/turbojpeg.json`, by name of a file that becomes a tile here.

#![allow(clippy::print_stdout, reason = "the counts are what people read")]

use serde_json::Value;
use sha2::{Digest, Sha256};
use wsi::pure::PureDriver;
use wsi::{Damage, Error, ErrorKind, OpenOptions, PixelFormat, Region, Slide};

mod support;

/// What the components of a picture mean: in TIFF, a matter of its tags.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Color {
    Gray,
    Rgb,
    YCbCr,
}

impl Color {
    /// Of components whose numbers are letters, as libjpeg takes them where there is no marker.
    fn of_components(self, jpeg: &[u8]) -> Self {
        let named = |bytes: &[u8]| matches!(bytes, [3, b'R', _, _, b'G', _, _, b'B']);
        match jpeg.windows(8).any(named) {
            true => Self::Rgb,
            false => self,
        }
    }
}

/// A TIFF file of one strip that holds the JPEG picture `jpeg`.
fn tiff_of(jpeg: &[u8], (width, height): (u32, u32), color: Color) -> Vec<u8> {
    const SHORT: u32 = 3;
    const LONG: u32 = 4;
    // Behind the header, 11 entries and the offset of no other directory.
    let bits_at = 8 + 2 + 11 * 12 + 4;
    let data_at = bits_at + 6;
    let (photometric, samples, bits) = match color {
        Color::Gray => (1, 1, 8),
        Color::Rgb => (2, 3, bits_at),
        Color::YCbCr => (6, 3, bits_at),
    };
    let length = u32::try_from(jpeg.len()).expect("a small file");
    let entries = [
        (256, LONG, 1, width),
        (257, LONG, 1, height),
        (258, SHORT, samples, bits),
        (259, SHORT, 1, 7),
        (262, SHORT, 1, photometric),
        (273, LONG, 1, data_at),
        (277, SHORT, 1, samples),
        (278, LONG, 1, height),
        (279, LONG, 1, length),
        (284, SHORT, 1, 1),
        // Two shorts; the stream says itself how its chroma is sampled.
        (530, SHORT, 2, 2 << 16 | 2),
    ];
    let mut file = b"II\x2A\0\x08\0\0\0\x0B\0".to_vec();
    for (tag, kind, count, value) in entries {
        file.extend(
            [tag, kind]
                .map(|short: u32| short.to_le_bytes())
                .iter()
                .flat_map(|b| &b[..2]),
        );
        file.extend([count, value].map(u32::to_le_bytes).concat());
    }
    file.extend([0; 4]);
    file.extend([8, 0, 8, 0, 8, 0]);
    file.extend(jpeg);
    file
}

fn open(tiff: &[u8], damage: Damage, cache: usize) -> Result<Slide, Error> {
    let options = OpenOptions::default().with_damage(damage);
    let source = PureDriver::with_cache_bytes(cache).open_source(Box::new(tiff.to_vec()), &options);
    Ok(Slide::new(source?, "damaged.tif"))
}

/// The pictures that libjpeg-turbo warns of and a TIFF file can hold: name, size, colour, digest.
fn warned(truth: &Value) -> Vec<(&str, (u32, u32), Color, &str)> {
    let files = truth["files"].as_object().expect("files");
    let number = |value: &Value| u32::try_from(value.as_u64().unwrap_or(0)).expect("a size");
    files
        .iter()
        .filter(|(_, file)| file["ok"] == true && file["warning"].is_string())
        .filter(|(_, file)| {
            file["bits"] == 8
                && !file["process"]
                    .as_str()
                    .expect("a process")
                    .contains("arith")
        })
        .filter_map(|(name, file)| {
            let color = match file["output"].as_str()? {
                "RGB" if file["adobe"] == 0 => Color::Rgb,
                "RGB" => Color::YCbCr,
                "GRAY" => Color::Gray,
                _ => return None,
            };
            let size = (number(&file["size"][0]), number(&file["size"][1]));
            Some((name.as_str(), size, color, file["sha256"].as_str()?))
        })
        .collect()
}

fn digest(pixels: &[u8]) -> String {
    let digest = Sha256::digest(pixels);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn damaged_tiles_are_refused_or_shown_as_libjpeg_turbo_shows_them() {
    let Some(folder) = support::slides() else {
        return;
    };
    let truth = support::truth(&folder, "turbojpeg.json");
    let (mut count, mut wrong) = (0, Vec::new());
    for (name, size, color, expected) in warned(&truth) {
        let jpeg = std::fs::read(folder.join(name)).expect("a listed file");
        let tiff = tiff_of(&jpeg, size, color.of_components(&jpeg));
        let format = match color {
            Color::Gray => PixelFormat::GRAY8,
            Color::Rgb | Color::YCbCr => PixelFormat::RGB8,
        };
        let refused = open(&tiff, Damage::Refuse, 0).expect("a TIFF file");
        match refused.read_level(0, format) {
            Err(error) if error.kind() == ErrorKind::Corrupt => {}
            other => wrong.push(format!("{name} is not refused: {:?}", other.map(|_| ()))),
        }
        for cache in [0, 1 << 30] {
            let shown = open(&tiff, Damage::Show, cache).expect("a TIFF file");
            let whole = match shown.read_level(0, format) {
                Ok(whole) if digest(whole.as_bytes()) == expected => whole,
                Ok(_) => {
                    wrong.push(format!("{name} shows other pixels"));
                    continue;
                }
                Err(error) => {
                    wrong.push(format!("{name} is not shown: {error}"));
                    continue;
                }
            };
            // Parts: twice each, from the bottom up and down again.
            let (width, height) = (size.0.div_ceil(3), size.1.div_ceil(5));
            let tops = (0..size.1).step_by(height as usize);
            for top in tops.clone().rev().chain(tops) {
                for left in (0..size.0).step_by(width as usize) {
                    let (width, height) = (width.min(size.0 - left), height.min(size.1 - top));
                    let region = Region::at_level(0, (left.into(), top.into()), (width, height));
                    let part = shown.read_region(&region).expect("what was shown before");
                    let pixel = format.bytes_per_pixel();
                    let rows = (top..top + height).flat_map(|y| {
                        whole.row(y)[left as usize * pixel..][..width as usize * pixel].iter()
                    });
                    if !rows.eq(part.as_bytes()) {
                        wrong.push(format!("{name}: {region:?} differs from the whole"));
                    }
                }
            }
        }
        count += 1;
    }
    println!("{count} damaged pictures");
    assert!(
        wrong.is_empty(),
        "{} wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    assert!(count >= 50, "only {count} damaged pictures");
}
