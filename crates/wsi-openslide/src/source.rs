//! One open slide.

use std::ffi::{CStr, CString};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use wsi_core::pixels::FromPremultiplied;
use wsi_core::source::AssociatedImage;
use wsi_core::{
    Error, ErrorKind, Fill, Image, Level, Limits, Mpp, Origin, PixelFormat, PixelsMut, Point,
    Properties, Pyramid, Rect, Region, Result, Size, SlideInfo, SlideSource,
};

use crate::driver::vendor_name;
use crate::ffi::{Api, Cache, Handle};

/// Columns and rows that one call of OpenSlide reads: the blocks that it cuts regions into itself
/// (`openslide_read_region`), so that cutting along them changes no pixel.
const BLOCK: u32 = 4096;

/// Level-0 coordinates beyond this are outside of any slide, and OpenSlide is not asked: its
/// arithmetic would leave the range of its integers.
const FAR: f64 = (1_u64 << 48) as f64;

/// A slide that OpenSlide has opened.
pub(crate) struct OpenSlideSource {
    api: &'static Api,
    path: CString,
    cache: Option<Arc<Cache>>,
    /// What all threads read with; none after an error, until a handle opened anew has read well.
    shared: Mutex<Option<Arc<Handle>>>,
    info: SlideInfo,
    properties: Properties,
    limits: Limits,
}

impl OpenSlideSource {
    pub(crate) fn open(
        api: &'static Api,
        path: CString,
        cache: Option<Arc<Cache>>,
        limits: &Limits,
    ) -> Result<Self> {
        let handle = open_handle(api, &path, cache.as_deref())?;
        let mut properties = Properties::new();
        for (name, value) in handle.properties() {
            properties.set(name, value);
        }
        let info = slide_info(&handle, &properties)?;
        if let Some(message) = handle.error() {
            return Err(Error::corrupt(message));
        }
        Ok(Self {
            api,
            path,
            cache,
            shared: Mutex::new(Some(Arc::new(handle))),
            info,
            properties,
            limits: limits.clone(),
        })
    }

    /// Calls OpenSlide and asks whether it went well.
    ///
    /// An error sticks to a handle, whichever thread ran into it. So that nobody gets another's
    /// error, a call that finds its handle in error is made again, with a handle of its own.
    fn call<T>(&self, mut call: impl FnMut(&Handle) -> Result<T>) -> Result<T> {
        let shared = self.shared().clone();
        if let Some(handle) = shared {
            let answer = call(&handle);
            if handle.error().is_none() {
                return answer;
            }
            let mut shared = self.shared();
            if shared.as_ref().is_some_and(|now| Arc::ptr_eq(now, &handle)) {
                *shared = None;
            }
        }
        let handle = open_handle(self.api, &self.path, self.cache.as_deref())?;
        let answer = call(&handle);
        if let Some(message) = handle.error() {
            return Err(Error::corrupt(message));
        }
        self.shared().get_or_insert_with(|| Arc::new(handle));
        answer
    }

    fn shared(&self) -> MutexGuard<'_, Option<Arc<Handle>>> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn open_handle(api: &'static Api, path: &CStr, cache: Option<&Cache>) -> Result<Handle> {
    let handle = api.open(path).ok_or_else(|| {
        let message = format!("OpenSlide {} does not recognise it", api.version());
        Error::new(ErrorKind::NotRecognised, message)
    })?;
    if let Some(message) = handle.error() {
        return Err(Error::corrupt(message));
    }
    if let Some(cache) = cache {
        handle.set_cache(cache);
    }
    Ok(handle)
}

fn slide_info(handle: &Handle, properties: &Properties) -> Result<SlideInfo> {
    let mut levels = Vec::new();
    for level in 0..handle.level_count().max(0) {
        let index = levels.len();
        let size = size(handle.level_dimensions(level)).map_err(|error| error.at_level(index))?;
        let made = Level::new(size, handle.level_downsample(level));
        let side = |name: &str| {
            let value = properties.get(&format!("openslide.level[{index}].tile-{name}"))?;
            value.parse::<u32>().ok().filter(|&side| side > 0)
        };
        levels.push(match (side("width"), side("height")) {
            (Some(width), Some(height)) => made.with_tile_size(Size::new(width, height)),
            _ => made,
        });
    }
    let caveats = levels
        .iter()
        .enumerate()
        .filter(|(_, level)| level.downsample.fract() != 0.0)
        .map(|(index, level)| {
            format!(
                "level {index} has downsample {}: OpenSlide blends pixels where a region starts between them, \
                 and is asked in level-0 pixels only",
                level.downsample
            )
        })
        .collect();
    let vendor = properties.get("openslide.vendor").unwrap_or_default();
    let mut info = SlideInfo::new(
        vendor_name(&vendor),
        Pyramid::new(levels)?,
        PixelFormat::RGBA8,
    );
    info.caveats = caveats;
    let number = |name| -> Option<f64> { properties.get(name)?.parse().ok() };
    info.mpp = number("openslide.mpp-x")
        .zip(number("openslide.mpp-y"))
        .map(|(x, y)| Mpp { x, y });
    info.objective_power = number("openslide.objective-power");
    for name in handle.associated_names() {
        info.associated.push(AssociatedImage {
            name: name.to_string_lossy().into_owned(),
            size: size(handle.associated_dimensions(name))?,
            format: PixelFormat::RGBA8,
        });
    }
    Ok(info)
}

fn size((width, height): (i64, i64)) -> Result<Size> {
    match (u32::try_from(width), u32::try_from(height)) {
        (Ok(width), Ok(height)) => Ok(Size::new(width, height)),
        _ => Err(Error::unsupported(format!("{width} x {height} pixels"))),
    }
}

impl SlideSource for OpenSlideSource {
    fn info(&self) -> &SlideInfo {
        &self.info
    }

    fn properties(&self) -> Result<&Properties> {
        Ok(&self.properties)
    }

    fn read_region(&self, region: &Region, mut out: PixelsMut<'_>) -> Result<()> {
        let writer = FromPremultiplied::new(out.format(), region.fill)?;
        let level = self.info.pyramid.level(region.level)?;
        let number = i32::try_from(region.level)
            .map_err(|_| Error::invalid(format!("level {}", region.level)))?;
        let origin = level0_origin(region, level);
        let mut words = Vec::new();
        for y in (0..region.size.height).step_by(BLOCK as usize) {
            for x in (0..region.size.width).step_by(BLOCK as usize) {
                let width = BLOCK.min(region.size.width - x);
                let height = BLOCK.min(region.size.height - y);
                let part = Rect::new((x.into(), y.into()), (width, height));
                let mut out = out.part_mut(part);
                let place = (
                    block_start(origin.x, x, level.downsample),
                    block_start(origin.y, y, level.downsample),
                );
                let (Some(left), Some(top)) = place else {
                    out.fill(region.fill);
                    continue;
                };
                words.resize(width as usize * height as usize, 0);
                self.call(|handle| {
                    handle.read_region(&mut words, (left, top), number, (width, height));
                    Ok(())
                })?;
                write(&words, &mut out, writer);
            }
        }
        Ok(())
    }

    fn read_associated(&self, name: &str) -> Result<Image> {
        let position = self
            .info
            .associated
            .iter()
            .position(|known| known.name == name);
        let index =
            position.ok_or_else(|| Error::invalid(format!("no associated image `{name}`")))?;
        let size = self
            .info
            .associated
            .get(index)
            .map_or_else(Size::default, |known| known.size);
        let bytes = size.area().saturating_mul(4);
        if bytes > self.limits.max_image_bytes {
            return Err(Error::limit(format!(
                "associated image `{name}` of {bytes} bytes, more than the {} allowed",
                self.limits.max_image_bytes
            )));
        }
        let words = self.call(|handle| {
            // By place: the name may not be text.
            let names = handle.associated_names();
            let read = names
                .get(index)
                .and_then(|name| handle.read_associated(name, (size.width, size.height)));
            read.ok_or_else(|| Error::corrupt(format!("associated image `{name}` has changed")))
        })?;
        let mut image = Image::zeroed(size, PixelFormat::RGBA8)?;
        let writer = FromPremultiplied::new(image.format(), Fill::Default)?;
        write(&words, &mut image.pixels_mut(), writer);
        Ok(image)
    }

    fn icc_profile(&self) -> Result<Option<Vec<u8>>> {
        self.call(|handle| Ok(handle.icc_profile()))
    }
}

/// Writes OpenSlide's words (alpha in the upper byte, then red, green, blue), row by row.
fn write(words: &[u32], out: &mut PixelsMut<'_>, writer: FromPremultiplied) {
    let width = out.size().width.max(1) as usize;
    for (y, words) in (0..out.size().height).zip(words.chunks_exact(width)) {
        let pixels = words.iter().map(|word| {
            let [alpha, red, green, blue] = word.to_be_bytes();
            [red, green, blue, alpha]
        });
        writer.write(pixels, out.row_mut(y));
    }
}

/// Where a region starts in level-0 pixels. One that is given in pixels of the level starts at the
/// nearest: exactly there where the downsample is whole.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "saturates; slides end long before 2^53 pixels"
)]
fn level0_origin(region: &Region, level: &Level) -> Point {
    let on_level0 = |position: i64| (position as f64 * level.downsample).round() as i64;
    match region.origin {
        Origin::Level0(point) => point,
        Origin::Level(point) => Point::new(on_level0(point.x), on_level0(point.y)),
    }
}

/// The level-0 column (or row) at which the block that starts `offset` pixels into a region starts,
/// by the arithmetic of `openslide_read_region`; `None` if it is far outside of any slide.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "OpenSlide's own casts, within bounds"
)]
fn block_start(origin: i64, offset: u32, downsample: f64) -> Option<i64> {
    let start = origin as f64 + f64::from(offset) * downsample;
    match offset {
        _ if start.abs() > FAR => None,
        0 => Some(origin),
        _ => Some(start as i64),
    }
}
