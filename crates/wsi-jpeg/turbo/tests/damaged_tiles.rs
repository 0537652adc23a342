//! Tiles with one byte changed end as libjpeg-turbo ends: clean, with a warning, or failed, and in
//! the first two cases with its pixels.

use std::collections::BTreeMap;

use wsi_jpeg::{
    ColorModel, Decoder, Error, Info, Options, Outcome, PixelFormat, RowIndex, Scale, Window,
};
use wsi_jpeg_turbo::compare::{self, SCALES};
use wsi_jpeg_turbo::picture::Subject;
use wsi_jpeg_turbo::random::Random;
use wsi_jpeg_turbo::recipe::Recipe;
use wsi_jpeg_turbo::slides;
use wsi_jpeg_turbo::stream::{self, Transform};
use wsi_jpeg_turbo::turbo::{Encoding, Ending, Turbo};

/// Changed sizes may be large; beyond this nothing is compared.
const MOST_PIXELS: usize = 1 << 20;

fn encoded(color: ColorModel, sampling: (u8, u8), quality: u8, side: u16) -> Recipe {
    Recipe {
        width: side,
        height: side,
        subject: Subject::Tissue,
        seed: u64::from(side),
        color,
        encoding: Encoding {
            quality,
            sampling,
            restart: 0,
            optimised: false,
            progressive: false,
        },
        other_encoder: false,
    }
}

/// Kinds of tiles that slides have, and some that they might.
fn kinds() -> Vec<(&'static str, Vec<u8>)> {
    let mut kinds = Vec::new();
    let mut add = |name, recipe: Recipe| kinds.push((name, recipe.encode()));
    add("256 4:2:0 Q70", encoded(ColorModel::YCbCr, (2, 2), 70, 256));
    add("256 4:4:4 Q90", encoded(ColorModel::YCbCr, (1, 1), 90, 256));
    add("240 4:2:2 Q30", encoded(ColorModel::YCbCr, (2, 1), 30, 240));
    add("120 4:4:0 Q60", encoded(ColorModel::YCbCr, (1, 2), 60, 120));
    add("97 4:1:1 Q80", encoded(ColorModel::YCbCr, (4, 1), 80, 97));
    add("128 RGB Q50", encoded(ColorModel::Rgb, (1, 1), 50, 128));
    add("200 gray Q70", encoded(ColorModel::Gray, (1, 1), 70, 200));
    add("64 CMYK Q75", encoded(ColorModel::Cmyk, (1, 1), 75, 64));
    add(
        "64 YCCK 4:2:0 Q75",
        encoded(ColorModel::Ycck, (2, 2), 75, 64),
    );
    let mut recipe = encoded(ColorModel::YCbCr, (2, 2), 70, 200);
    recipe.encoding.restart = 5;
    add("200 4:2:0 Q70 restarts", recipe);
    recipe.encoding.restart = 0;
    recipe.encoding.optimised = true;
    add("200 4:2:0 Q70 optimised", recipe);
    recipe.encoding.progressive = true;
    add("200 4:2:0 Q70 progressive", recipe);
    recipe = encoded(ColorModel::YCbCr, (2, 2), 100, 100);
    recipe.subject = Subject::Noise;
    add("100 4:2:0 Q100 noise", recipe);
    recipe = encoded(ColorModel::YCbCr, (2, 2), 5, 150);
    recipe.subject = Subject::Stripes;
    add("150 4:2:0 Q5 stripes", recipe);
    let slide = slides::root().join("fixtures/CMU-1-Small-Region.svs");
    if let Ok(file) = std::fs::read(slide) {
        let pages = slides::jpeg_pages(&file).expect("a TIFF");
        let page = &pages[0];
        let (offset, length) = page.chunks[page.chunks.len() / 2];
        let tables = page.tables.as_deref().expect("shared tables");
        let whole = stream::join(tables, &file[offset..offset + length]).expect("whole headers");
        let whole = stream::mark(&whole, Transform::None).expect("whole headers");
        kinds.push(("a tile of CMU-1-Small-Region", whole));
    }
    kinds
}

#[test]
fn one_changed_byte_ends_as_in_libjpeg_turbo() {
    let kinds = kinds();
    let count = compare::count("WSI_TURBO_DAMAGES", 6_000);
    let mut turbo = Turbo::new();
    let mut decoders = compare::decoders();
    let mut seen = BTreeMap::<(&str, &str), usize>::new();
    let mut wrong = Vec::new();
    for number in 0..count {
        let mut random = Random::new(number as u64);
        let (kind, tile) = &kinds[number % kinds.len()];
        let (data, at) = damage(&mut random, tile.clone());
        let scale = if random.once_in(2) {
            Scale::Full
        } else {
            random.pick(&SCALES)
        };
        let (class, problem) = compare_damaged(&mut turbo, &mut decoders, &data, scale);
        *seen.entry((kind, class)).or_default() += 1;
        for problem in problem {
            wrong.push(format!(
                "seed {number} ({kind}, byte {at} of {} now {:#04x}), {scale:?}, {problem}",
                data.len(),
                data[at]
            ));
        }
    }
    for ((kind, class), count) in &seen {
        println!("{kind}, {class}: {count}");
    }
    println!("{count} damages, {} sets of kernels", decoders.len());
    compare::assert_none(&wrong);
}

/// The same for pictures encoded in random ways, of one scan or several, with restarts or without.
#[test]
fn one_changed_byte_of_random_encodes_ends_as_in_libjpeg_turbo() {
    let count = compare::count("WSI_TURBO_DAMAGES", 6_000);
    let mut turbo = Turbo::new();
    let mut decoders = compare::decoders();
    let mut seen = BTreeMap::<&str, usize>::new();
    let mut wrong = Vec::new();
    for number in 0..count {
        let mut random = Random::new(number as u64);
        let recipe = Recipe::random(&mut random, 200);
        let (data, at) = damage(&mut random, recipe.encode());
        let scale = random.pick(&SCALES);
        let (class, problem) = compare_damaged(&mut turbo, &mut decoders, &data, scale);
        *seen.entry(class).or_default() += 1;
        for problem in problem {
            wrong.push(format!(
                "seed {number}, byte {at} of {} now {:#04x}, {scale:?}, {problem}\n  {recipe:?}",
                data.len(),
                data[at]
            ));
        }
    }
    println!("{count} damages: {seen:?}");
    compare::assert_none(&wrong);
}

/// Changes one byte, mostly in the data and sometimes anywhere, headers included; says which.
fn damage(random: &mut Random, mut data: Vec<u8>) -> (Vec<u8>, usize) {
    let header = data
        .windows(2)
        .position(|pair| pair == [0xFF, 0xDA])
        .unwrap_or(0)
        + 10;
    let at = match random.below(5) {
        0 => random.below(data.len()),
        _ => random.between(header, data.len() - 1),
    };
    data[at] ^= random.between(1, 255) as u8;
    (data, at)
}

/// How libjpeg-turbo ended, and what each of ours did otherwise.
fn compare_damaged(
    turbo: &mut Turbo,
    decoders: &mut [(&'static str, Decoder)],
    data: &[u8],
    scale: Scale,
) -> (&'static str, Vec<String>) {
    let info = match Info::read(data, None) {
        Ok(info) => info,
        Err(error) => {
            // Without headers there is no format to ask for; any that libjpeg-turbo takes will do.
            let theirs = [PixelFormat::Rgb8, PixelFormat::Gray8, PixelFormat::Cmyk8]
                .map(|format| turbo.decode(data, scale, format, MOST_PIXELS).ending);
            let refused = theirs
                .iter()
                .all(|ending| matches!(ending, Ending::Failed(_)));
            let problem = format!("headers refused with \"{error}\" for {theirs:?}");
            return if refused {
                ("headers refused", Vec::new())
            } else {
                ("headers refused", vec![problem])
            };
        }
    };
    let format = match info.color() {
        ColorModel::Gray => PixelFormat::Gray8,
        ColorModel::YCbCr | ColorModel::Rgb => PixelFormat::Rgb8,
        ColorModel::Cmyk | ColorModel::Ycck => PixelFormat::Cmyk8,
        _ => return ("no colour model", Vec::new()),
    };
    if info.width() as usize * info.height() as usize > MOST_PIXELS {
        return ("too large", Vec::new());
    }
    let theirs = turbo.decode(data, scale, format, MOST_PIXELS);
    let options = Options::new(format).with_scale(scale);
    let extent = compare::wanted(data, scale, &options).expect("headers, as above");
    let mut problems = Vec::new();
    for (kernels, decoder) in decoders {
        let ours = compare::decode(decoder, data, &options, extent, 0);
        if let Ok((_, outcome)) = &ours {
            let clean = lower_part_is_clean(decoder, data, &options, extent);
            if clean != Ok(outcome.is_clean()) {
                problems.push(format!(
                    "{kernels}: {clean:?} for the lower part by an index"
                ));
            }
        }
        if let Err(what) = compare::same_ending(ours, &theirs, extent.0) {
            problems.push(format!("{kernels}: {what}"));
        }
    }
    let class = match theirs.ending {
        Ending::Clean => "clean",
        Ending::Warned(_) => "warned",
        Ending::Failed(_) => "failed",
    };
    (class, problems)
}

/// Whether the lower part has no warnings when it is decoded from a row on that an index knows.
fn lower_part_is_clean(
    decoder: &mut Decoder,
    data: &[u8],
    options: &Options<'_>,
    (row_bytes, rows): (usize, usize),
) -> Result<bool, Error> {
    let mut index = RowIndex::new();
    let _: (Vec<u8>, Outcome) =
        compare::decode_indexed(decoder, data, options, (row_bytes, rows), 0, &mut index)?;
    let width = row_bytes / options.format().bytes_per_pixel();
    let height = rows.div_ceil(3);
    let window = Window::new(0, (rows - height) as u32, width as u32, height as u32);
    let options = options.with_window(Some(window));
    let extent = (row_bytes, height);
    let (_, outcome) = compare::decode_indexed(decoder, data, &options, extent, 0, &mut index)?;
    Ok(outcome.is_clean())
}
