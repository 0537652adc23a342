//! Every JPEG stream in the test slides decodes to libjpeg-turbo's bytes, or fails where it does.

use std::collections::BTreeMap;

use wsi_jpeg::{ColorModel, Decoder, Info, Options, PixelFormat, Tables};
use wsi_jpeg_turbo::compare::{self, SCALES};
use wsi_jpeg_turbo::slides;
use wsi_jpeg_turbo::stream::{self, Transform};
use wsi_jpeg_turbo::turbo::{Ending, Turbo};

/// A stream as the container has it, and as libjpeg-turbo takes it.
struct Stream<'f> {
    stored: &'f [u8],
    tables: Option<&'f Tables>,
    color: Option<ColorModel>,
    whole: Vec<u8>,
}

#[derive(Default)]
struct Tally {
    counts: BTreeMap<String, usize>,
    wrong: Vec<String>,
}

struct Both {
    turbo: Turbo,
    decoders: Vec<(&'static str, Decoder)>,
}

#[test]
fn tiles_and_strips_of_tiffs_are_equal() {
    let Some(folder) = slides::folder() else {
        return;
    };
    let bundled = slides::root().join("fixtures/CMU-1-Small-Region.svs");
    let mut both = Both::new();
    let mut tally = Tally::default();
    let mut streams = 0;
    for path in [slides::files(&folder), vec![bundled]].concat() {
        let file = std::fs::read(&path).expect("a readable file");
        let Some(pages) = slides::jpeg_pages(&file) else {
            continue;
        };
        let before = streams;
        for (number, page) in pages.iter().enumerate() {
            let shared = page.tables.as_deref().filter(|tables| !tables.is_empty());
            let tables = match shared.map(Tables::parse).transpose() {
                Ok(tables) if tables.as_ref().is_none_or(|t| t.outcome().is_clean()) => tables,
                _ => {
                    tally.count("pages with damaged tables, not compared");
                    continue;
                }
            };
            for (chunk, &(offset, length)) in page.chunks.iter().enumerate() {
                let Some(stored) = file.get(offset..offset.saturating_add(length)) else {
                    tally.count("chunks outside of their file, not compared");
                    continue;
                };
                let Some(whole) = whole(stored, shared, page.color) else {
                    tally.count("chunks without a header, not compared");
                    continue;
                };
                let stream = Stream {
                    stored,
                    tables: tables.as_ref(),
                    color: page.color,
                    whole,
                };
                streams += 1;
                let place = format!("{}, page {number}, chunk {chunk}", path.display());
                both.compare(&stream, &place, &mut tally);
            }
        }
        if streams > before {
            println!("{}: {}", path.display(), streams - before);
        }
    }
    tally.report(streams);
}

#[test]
fn streams_in_other_containers_are_equal() {
    let Some(folder) = slides::folder() else {
        return;
    };
    let mut both = Both::new();
    let mut tally = Tally::default();
    let mut streams = 0;
    for path in slides::files(&folder.join("wsi")) {
        let file = std::fs::read(&path).expect("a readable file");
        if slides::jpeg_pages(&file).is_some() {
            continue;
        }
        let starts = slides::jpeg_starts(&file);
        for start in &starts {
            // To the end of the file: both decoders stop at the end of the picture.
            let stored = &file[*start..];
            if Info::read(stored, None).is_err() {
                continue;
            }
            streams += 1;
            let stream = Stream {
                stored,
                tables: None,
                color: None,
                whole: stored.to_vec(),
            };
            both.compare(
                &stream,
                &format!("{}, byte {start}", path.display()),
                &mut tally,
            );
        }
    }
    tally.report(streams);
}

/// The stream with shared tables in it and a mark that says what the container says.
fn whole(stored: &[u8], tables: Option<&[u8]>, color: Option<ColorModel>) -> Option<Vec<u8>> {
    let whole = match tables {
        Some(tables) => stream::join(tables, stored)?,
        None => stored.to_vec(),
    };
    match color {
        Some(ColorModel::Rgb) => stream::mark(&whole, Transform::None),
        Some(ColorModel::YCbCr) => stream::mark(&whole, Transform::Ycc),
        _ => Some(whole),
    }
}

impl Both {
    fn new() -> Self {
        Self {
            turbo: Turbo::new(),
            decoders: compare::decoders(),
        }
    }

    fn compare(&mut self, stream: &Stream<'_>, place: &str, tally: &mut Tally) {
        let Ok(info) = Info::read(stream.stored, stream.tables) else {
            tally.count("headers refused");
            let theirs =
                self.turbo
                    .decode(&stream.whole, SCALES[0], PixelFormat::Gray8, usize::MAX);
            if !matches!(theirs.ending, Ending::Failed(_)) {
                tally.wrong.push(format!("{place}: headers refused"));
            }
            return;
        };
        if info.bits() > 8 {
            tally.count("more than 8 bits, not compared");
            return;
        }
        let components = info.components().len();
        let (format, color) = match (components, info.color()) {
            (1, _) => (PixelFormat::Gray8, Some(ColorModel::Gray)),
            (3, _) => (PixelFormat::Rgb8, stream.color),
            (4, ColorModel::Cmyk | ColorModel::Ycck) => (PixelFormat::Cmyk8, None),
            _ => {
                tally.count("no colour model, not compared");
                return;
            }
        };
        for scale in SCALES {
            let theirs = self.turbo.decode(&stream.whole, scale, format, 1 << 26);
            let (width, height) = info.scaled_size(scale);
            let extent = compare::extent((width as usize, height as usize), format, components);
            let options = Options::new(format)
                .with_tables(stream.tables)
                .with_color(color)
                .with_scale(scale);
            for (kernels, decoder) in &mut self.decoders {
                let ours = compare::decode(decoder, stream.stored, &options, extent, 0);
                if let Err(what) = compare::same_ending(ours, &theirs, extent.0) {
                    tally
                        .wrong
                        .push(format!("{place}, {scale:?}, {kernels}: {what}"));
                }
            }
            let ending = match theirs.ending {
                Ending::Clean => "clean",
                Ending::Warned(_) => "with warnings",
                Ending::Failed(_) => "failed",
            };
            tally.count(&format!("{scale:?}, {ending}"));
        }
    }
}

impl Tally {
    fn count(&mut self, what: &str) {
        *self.counts.entry(what.to_owned()).or_default() += 1;
    }

    fn report(&self, streams: usize) {
        for (what, count) in &self.counts {
            println!("{what}: {count}");
        }
        println!("{streams} streams");
        assert!(streams > 0, "no stream was found");
        compare::assert_none(&self.wrong);
    }
}
