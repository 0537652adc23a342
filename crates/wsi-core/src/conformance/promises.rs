//! One promise a function.

use super::{Outcome, Random, What};
use crate::error::{Error, ErrorKind};
use crate::geometry::{Plane, Point, Rect, Region, Size};
use crate::pixels::{Channels, Fill, Image, PixelFormat, PixelsMut};
use crate::slide::Slide;
use crate::source::RegionRead;

/// Levels of more pixels are left out.
const MAX_PIXELS: u64 = 16_000_000;
/// Random regions per level.
const REGIONS: u32 = 40;
const FILL: Fill = Fill::Color([11, 22, 33, 44]);

/// A level read whole.
struct Whole {
    level: usize,
    image: Image,
}

/// The levels that are small enough, each read whole, what the file leaves out filled with [`FILL`].
/// A level with parts that the backend does
/// not support is left out.
fn wholes(slide: &Slide) -> Result<Vec<Whole>, What> {
    let mut wholes = Vec::new();
    for (level, described) in slide.pyramid().levels().iter().enumerate() {
        if described.size.area() > MAX_PIXELS {
            continue;
        }
        let region = Region::at_level(level, (0, 0), described.size).with_fill(FILL);
        match slide.read_region(&region) {
            Ok(image) => wholes.push(Whole { level, image }),
            Err(error) if error.kind() == ErrorKind::Unsupported => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(wholes)
}

/// What a region of a level must hold, pixel by pixel.
fn expected(image: &Image, rect: Rect, fill: Fill) -> Vec<u8> {
    let format = image.format();
    let bytes = format.bytes_per_pixel();
    let filled = fill.pixel(format);
    let inside = Rect::new((0, 0), image.size());
    let mut expected = Vec::new();
    for y in rect.origin.y..rect.bottom() {
        for x in rect.origin.x..rect.right() {
            let here = Rect::new((x, y), (1, 1));
            match (inside.contains(here), usize::try_from(x), u32::try_from(y)) {
                (true, Ok(x), Ok(y)) => {
                    expected.extend(&image.row(y)[x * bytes..(x + 1) * bytes]);
                }
                _ => expected.extend(&filled),
            }
        }
    }
    expected
}

/// A rectangle that touches the level, or nearly.
fn random_rect(random: &mut Random, size: Size) -> Rect {
    let width = 1 + random.below(size.width.min(300) + 20);
    let height = 1 + random.below(size.height.min(300) + 20);
    let x = random.between(-i64::from(width), i64::from(size.width) + 10);
    let y = random.between(-i64::from(height), i64::from(size.height) + 10);
    Rect::new((x, y), (width, height))
}

fn compare(read: &[u8], expected: &[u8], what: &str) -> Outcome {
    match read.iter().zip(expected).position(|(a, b)| a != b) {
        None if read.len() == expected.len() => Ok(()),
        None => Err(format!("{what}: {} bytes, not {}", read.len(), expected.len()).into()),
        Some(index) => {
            let different = read.iter().zip(expected).filter(|(a, b)| a != b).count();
            Err(format!(
                "{what}: byte {index} is {}, not {}; {different} bytes differ",
                read[index], expected[index]
            )
            .into())
        }
    }
}

pub(super) fn regions_are_crops(slide: &Slide) -> Outcome {
    let mut random = Random(1);
    for Whole { level, image } in wholes(slide)? {
        for _ in 0..REGIONS {
            let rect = random_rect(&mut random, image.size());
            let region = Region::at_level(level, rect.origin, rect.size).with_fill(FILL);
            let read = slide.read_region(&region)?;
            compare(
                read.as_bytes(),
                &expected(&image, rect, FILL),
                &format!("{region:?}"),
            )?;
        }
    }
    Ok(())
}

pub(super) fn parts_are_the_whole(slide: &Slide) -> Outcome {
    let mut random = Random(2);
    for Whole { level, image } in wholes(slide)? {
        let rect = random_rect(&mut random, image.size());
        let mut pieced = Image::zeroed(rect.size, image.format())?;
        let cut = Size::new(
            random.below(rect.size.width + 1),
            random.below(rect.size.height + 1),
        );
        let (right, lower) = (rect.size.width - cut.width, rect.size.height - cut.height);
        for (x, y, width, height) in [
            (0, 0, cut.width, cut.height),
            (cut.width, 0, right, cut.height),
            (0, cut.height, cut.width, lower),
            (cut.width, cut.height, right, lower),
        ] {
            let part = Rect::new((i64::from(x), i64::from(y)), (width, height));
            let origin = (rect.origin.x + i64::from(x), rect.origin.y + i64::from(y));
            let region = Region::at_level(level, origin, part.size).with_fill(FILL);
            slide.read_region_into(&region, pieced.pixels_mut().part_mut(part))?;
        }
        compare(
            pieced.as_bytes(),
            &expected(&image, rect, FILL),
            &format!("{rect:?}"),
        )?;
    }
    Ok(())
}

/// Regions near each other, so that they share stored tiles, and among them some that cannot be read.
pub(super) fn regions_can_be_read_together(slide: &Slide) -> Outcome {
    let mut random = Random(9);
    for Whole { level, image } in wholes(slide)? {
        let (width, height) = (image.size().width, image.size().height);
        let around = (random.below(width), random.below(height));
        let mut rects = Vec::new();
        for _ in 0..REGIONS / 2 {
            let x = i64::from(around.0) + random.between(-300, 300);
            let y = i64::from(around.1) + random.between(-300, 300);
            let size = (random.below(200), random.below(200));
            rects.push(Rect::new((x, y), size));
        }
        let regions = rects.iter().enumerate().map(|(number, rect)| {
            // Every ninth is of a level that there is none of.
            let level = if number % 9 == 4 { usize::MAX } else { level };
            Region::at_level(level, rect.origin, rect.size).with_fill(FILL)
        });
        let regions: Vec<Region> = regions.collect();
        let mut images = Vec::new();
        for rect in &rects {
            images.push(Image::zeroed(rect.size, image.format())?);
        }
        let reads = regions.iter().zip(&mut images);
        let reads = reads.map(|(&region, image)| RegionRead {
            region,
            out: image.pixels_mut(),
        });
        let results = slide.read_regions(reads.collect());
        if results.len() != regions.len() {
            return Err(format!("{} results of {}", results.len(), regions.len()).into());
        }
        for ((result, region), (rect, read)) in results
            .into_iter()
            .zip(&regions)
            .zip(rects.iter().zip(&images))
        {
            match result {
                Ok(()) if region.level == level => {
                    let expected = expected(&image, *rect, FILL);
                    compare(read.as_bytes(), &expected, &format!("{region:?}"))?;
                }
                Err(error) if region.level != level => {
                    if error.kind() != ErrorKind::InvalidArgument {
                        return Err(error.into());
                    }
                }
                Ok(()) => return Err(format!("{region:?} was read").into()),
                Err(error) => return Err(error.into()),
            }
        }
    }
    Ok(())
}

/// Only where the source offers it, which it need not do everywhere.
pub(super) fn first_channels_are_those_of_pixels(slide: &Slide) -> Outcome {
    let mut random = Random(10);
    for Whole { level, image } in wholes(slide)? {
        let size = image.size();
        let pixel = image.format().bytes_per_pixel();
        let whole = Rect::new((0, 0), size);
        // Sources that read in tiles may offer it for them alone.
        let tile = slide.pyramid().level(level)?.tile_size.unwrap_or(size);
        let tiles = (0..i64::from(size.height))
            .step_by(tile.height.max(1) as usize)
            .flat_map(|y| {
                let columns = (0..i64::from(size.width)).step_by(tile.width.max(1) as usize);
                columns.map(move |x| Rect::new((x, y), tile))
            })
            .filter_map(|tile| tile.intersection(whole))
            .take(REGIONS as usize);
        let rects = (0..REGIONS / 4).map(|_| random_rect(&mut random, size));
        for rect in std::iter::once(whole).chain(tiles).chain(rects) {
            let region = Region::at_level(level, rect.origin, rect.size).with_fill(FILL);
            if let Some(runs) = slide.read_first_channel(&region)? {
                let expected = expected(&image, rect, FILL);
                let first: Vec<u8> = expected.chunks_exact(pixel).map(|pixel| pixel[0]).collect();
                let rows = (0..runs.rows()).flat_map(|row| runs.within(row, 0..rect.size.width));
                let read: Vec<u8> = rows
                    .flat_map(|run| (run.start..run.end).map(move |_| run.sample))
                    .collect();
                compare(&read, &first, &format!("{region:?}"))?;
            }
        }
    }
    Ok(())
}

pub(super) fn outside_is_filled(slide: &Slide) -> Outcome {
    let format = slide.info().pixel_format;
    for (level, described) in slide.pyramid().levels().iter().enumerate() {
        let (width, height) = (
            i64::from(described.size.width),
            i64::from(described.size.height),
        );
        for origin in [
            (-50, 0),
            (0, -50),
            (width, 0),
            (0, height),
            (i64::MIN, i64::MAX),
        ] {
            for fill in [Fill::Default, FILL] {
                let region = Region::at_level(level, origin, (50, 3)).with_fill(fill);
                let read = slide.read_region(&region)?;
                let expected = fill.pixel(format).repeat(150);
                compare(read.as_bytes(), &expected, &format!("{region:?}"))?;
            }
        }
    }
    Ok(())
}

pub(super) fn strides_are_kept(slide: &Slide) -> Outcome {
    let format = slide.info().pixel_format;
    let mut random = Random(3);
    for Whole { level, image } in wholes(slide)? {
        let rect = random_rect(&mut random, image.size());
        let row_bytes = rect.size.width as usize * format.bytes_per_pixel();
        let stride = row_bytes + 13;
        let mut data = vec![0xA5; stride * rect.size.height as usize];
        let region = Region::at_level(level, rect.origin, rect.size).with_fill(FILL);
        slide.read_region_into(
            &region,
            PixelsMut::new(&mut data, rect.size, stride, format)?,
        )?;
        let expected = expected(&image, rect, FILL);
        for (row, expected) in data
            .chunks_exact(stride)
            .zip(expected.chunks_exact(row_bytes))
        {
            compare(&row[..row_bytes], expected, &format!("{region:?}"))?;
            compare(
                &row[row_bytes..],
                &[0xA5; 13],
                &format!("gap behind a row of {region:?}"),
            )?;
        }
    }
    Ok(())
}

#[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "small numbers")]
pub(super) fn frames_agree(slide: &Slide) -> Outcome {
    let mut random = Random(4);
    for (level, described) in slide.pyramid().levels().iter().enumerate() {
        for _ in 0..REGIONS {
            let x = random.between(-20, i64::from(described.size.width));
            let y = random.between(-20, i64::from(described.size.height));
            let level0 = Point::new(
                (x as f64 * described.downsample).round() as i64,
                (y as f64 * described.downsample).round() as i64,
            );
            let region = Region::level0(level, level0, (40, 30)).with_fill(FILL);
            // Only origins that fall on the pixel exactly: others blend, or truncate.
            let parts = region.placements(described);
            if !matches!(parts.as_slice(), [part] if part.aligned() == Some(Point::new(x, y))
                && part.target.size == region.size)
            {
                continue;
            }
            if region.rect_on(described).origin != Point::new(x, y) {
                continue;
            }
            let by_level = Region::at_level(level, (x, y), (40, 30)).with_fill(FILL);
            let (a, b) = match (slide.read_region(&region), slide.read_region(&by_level)) {
                (Ok(a), Ok(b)) => (a, b),
                (Err(error), _) | (_, Err(error)) if error.kind() == ErrorKind::Unsupported => {
                    continue;
                }
                (Err(error), _) | (_, Err(error)) => return Err(error.into()),
            };
            compare(a.as_bytes(), b.as_bytes(), &format!("{region:?}"))?;
        }
    }
    Ok(())
}

pub(super) fn empty_regions_are_read(slide: &Slide) -> Outcome {
    for size in [(0, 0), (0, 7), (7, 0)] {
        let read = slide.read_region(&Region::at_level(0, (3, 3), size))?;
        if !read.as_bytes().is_empty() {
            return Err(format!("{} bytes for {size:?}", read.as_bytes().len()).into());
        }
    }
    Ok(())
}

pub(super) fn wrong_calls_are_refused(slide: &Slide) -> Outcome {
    let format = slide.info().pixel_format;
    let refused = |result: Result<(), Error>, what: &str| -> Outcome {
        match result {
            Err(error) if error.kind() == ErrorKind::InvalidArgument => Ok(()),
            Err(error) => Err(format!("{what}: {error}").into()),
            Ok(()) => Err(format!("{what} was accepted").into()),
        }
    };
    let before = slide.read_region(&Region::at_level(0, (0, 0), (9, 9)))?;
    let beyond = Region::at_level(slide.pyramid().len(), (0, 0), (1, 1));
    refused(slide.read_region(&beyond).map(drop), "a level too far")?;
    let plane = Plane(slide.info().planes);
    let beyond = Region::at_level(0, (0, 0), (1, 1)).with_plane(plane);
    refused(slide.read_region(&beyond).map(drop), "a plane too far")?;
    let mut image = Image::zeroed(Size::new(5, 4), format)?;
    let region = Region::at_level(0, (0, 0), (4, 5));
    refused(
        slide.read_region_into(&region, image.pixels_mut()),
        "a picture of another size",
    )?;
    refused(
        slide.read_associated("no such image").map(drop),
        "an unknown associated image",
    )?;
    let after = slide.read_region(&Region::at_level(0, (0, 0), (9, 9)))?;
    compare(after.as_bytes(), before.as_bytes(), "after the wrong calls")
}

pub(super) fn threads_agree(slide: &Slide) -> Outcome {
    let wholes = wholes(slide)?;
    std::thread::scope(|scope| {
        #[expect(clippy::needless_collect, reason = "all threads start before one is joined")]
        let readers: Vec<_> = (0..16)
            .map(|seed| {
                let wholes = &wholes;
                scope.spawn(move || -> Outcome {
                    let mut random = Random(seed);
                    for Whole { level, image } in wholes {
                        for _ in 0..REGIONS / 4 {
                            let rect = random_rect(&mut random, image.size());
                            let region =
                                Region::at_level(*level, rect.origin, rect.size).with_fill(FILL);
                            let read = slide.read_region(&region)?;
                            let expected = expected(image, rect, FILL);
                            compare(read.as_bytes(), &expected, &format!("{region:?}"))?;
                        }
                    }
                    Ok(())
                })
            })
            .collect();
        readers
            .into_iter()
            .try_for_each(|reader| reader.join().unwrap_or_else(|_| Err("a panic".into())))
    })
}

pub(super) fn alpha_is_added(slide: &Slide) -> Outcome {
    if slide.info().pixel_format != PixelFormat::RGB8 {
        return Ok(());
    }
    let size = slide.pyramid().level(slide.pyramid().lowest())?.size;
    let size = Size::new(size.width.min(300) + 5, size.height.min(300) + 5);
    let region = Region::at_level(slide.pyramid().lowest(), (-3, -2), size);
    let color = slide.read_region_as(&region, PixelFormat::RGB8)?;
    let alpha = slide.read_region_as(&region, PixelFormat::RGBA8)?;
    let pixels = color
        .as_bytes()
        .chunks_exact(3)
        .zip(alpha.as_bytes().chunks_exact(4));
    for (index, (rgb, rgba)) in pixels.enumerate() {
        let transparent = rgba == [0; 4] && rgb == [255; 3];
        if !transparent && (rgba[..3] != *rgb || rgba[3] != 255) {
            return Err(format!("pixel {index} is {rgba:?} and {rgb:?}").into());
        }
    }
    Ok(())
}

pub(super) fn associated_images_are_as_announced(slide: &Slide) -> Outcome {
    for announced in &slide.info().associated {
        if announced.size.area() > MAX_PIXELS {
            continue;
        }
        let image = slide.read_associated(&announced.name)?;
        if (image.size(), image.format()) != (announced.size, announced.format) {
            return Err(format!("`{}` is {image:?}, not {announced:?}", announced.name).into());
        }
    }
    Ok(())
}

pub(super) fn properties_agree(slide: &Slide) -> Outcome {
    let properties = slide.properties()?;
    let levels = properties.get("openslide.level-count");
    if levels.as_deref() != Some(slide.pyramid().len().to_string().as_str()) {
        return Err(format!("openslide.level-count is {levels:?}").into());
    }
    let vendor = properties.get("openslide.vendor");
    if vendor.as_deref() != Some(slide.info().format) {
        return Err(format!(
            "openslide.vendor is {vendor:?}, not {}",
            slide.info().format
        )
        .into());
    }
    let channels = slide.info().pixel_format.channels;
    if channels == Channels::Other(0) {
        return Err("a pixel without samples".into());
    }
    Ok(())
}
