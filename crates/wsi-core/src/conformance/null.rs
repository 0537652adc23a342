//! A slide of computed pixels: the seams without files or devices, and the oracle of geometry.

use std::path::Path;

use crate::driver::{Driver, OpenOptions, Probe};
use crate::error::{Error, Result};
use crate::geometry::{Plane, Pyramid, Rect, Region, Size};
use crate::pixels::{Channels, Image, PixelFormat, PixelsMut, SampleType};
use crate::source::{Properties, SlideInfo, SlideSource};

/// A slide whose every byte is a function of level, plane and place: see [`pixel`].
///
/// It holds nothing, so it may be as large as a test wants. It reads its own format, and RGB as
/// RGBA; level-0 origins are truncated to level pixels.
#[derive(Clone, Debug)]
pub struct NullSource {
    info: SlideInfo,
    properties: Properties,
}

/// The bytes of the pixel at column `x`, row `y` of a level of a [`NullSource`]: well mixed, and
/// different from those of its neighbours.
#[must_use]
pub fn pixel(level: usize, plane: Plane, x: u32, y: u32) -> [u8; 32] {
    let mut bytes = [0; 32];
    let seed = u64::from(x) ^ (u64::from(y) << 32);
    let mut state = seed ^ ((level as u64) << 24) ^ (u64::from(plane.0) << 56);
    for word in bytes.chunks_exact_mut(8) {
        state = super::next_random(state);
        word.copy_from_slice(&state.to_le_bytes());
    }
    bytes
}

impl NullSource {
    /// A slide of these levels and this format.
    ///
    /// # Errors
    /// `Unsupported` if a pixel has more than 32 bytes.
    pub fn new(pyramid: Pyramid, format: PixelFormat) -> Result<Self> {
        if format.bytes_per_pixel() > 32 {
            return Err(Error::unsupported(format!("computed pixels of {format}")));
        }
        let mut properties = Properties::new();
        properties.set("openslide.vendor", "null");
        properties.set("openslide.level-count", pyramid.len().to_string());
        Ok(Self {
            info: SlideInfo::new("null", pyramid, format),
            properties,
        })
    }

    /// Gives the slide more than one plane.
    #[must_use]
    pub fn with_planes(mut self, planes: u32) -> Self {
        self.info.planes = planes;
        self
    }
}

impl SlideSource for NullSource {
    fn info(&self) -> &SlideInfo {
        &self.info
    }

    fn properties(&self) -> Result<&Properties> {
        Ok(&self.properties)
    }

    fn read_region(&self, region: &Region, mut out: PixelsMut<'_>) -> Result<()> {
        let native = self.info.pixel_format;
        let adds_alpha = native == PixelFormat::RGB8 && out.format() == PixelFormat::RGBA8;
        if out.format() != native && !adds_alpha {
            return Err(Error::unsupported(format!(
                "{} of a slide of {native}",
                out.format()
            )));
        }
        let level = self.info.pyramid.level(region.level)?;
        let wanted = region.rect_on(level);
        let inside = wanted.intersection(Rect::new((0, 0), level.size));
        let target = inside.map(|inside| {
            let x = inside.origin.x.saturating_sub(wanted.origin.x);
            let y = inside.origin.y.saturating_sub(wanted.origin.y);
            Rect::new((x, y), inside.size)
        });
        out.fill_outside(target, region.fill);
        let (Some(inside), Some(target)) = (inside, target) else {
            return Ok(());
        };
        let mut out = out.part_mut(target);
        let bytes_per_pixel = out.format().bytes_per_pixel();
        let start = |coordinate: i64| u32::try_from(coordinate).unwrap_or(0);
        for (row, y) in (0..inside.size.height).zip(start(inside.origin.y)..) {
            let pixels = out.row_mut(row).chunks_exact_mut(bytes_per_pixel);
            for (to, x) in pixels.zip(start(inside.origin.x)..) {
                to.copy_from_slice(&pixel(region.level, region.plane, x, y)[..bytes_per_pixel]);
                if let (true, Some(alpha)) = (adds_alpha, to.last_mut()) {
                    *alpha = u8::MAX;
                }
            }
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

/// A driver that opens every path named `null` as an RGB [`NullSource`] of three levels.
#[derive(Clone, Copy, Debug, Default)]
#[expect(clippy::exhaustive_structs, reason = "there is nothing in it")]
pub struct NullDriver;

impl Driver for NullDriver {
    fn name(&self) -> &'static str {
        "null"
    }

    fn probe(&self, path: &Path) -> Result<Probe> {
        Ok(match path.file_name().is_some_and(|name| name == "null") {
            true => Probe::Yes { format: "null" },
            false => Probe::No {
                reason: "not named `null`".to_owned(),
            },
        })
    }

    fn open(&self, _path: &Path, _options: &OpenOptions) -> Result<Box<dyn SlideSource>> {
        let sizes = [(1000, 700), (250, 175), (62, 43)].map(Size::from);
        let format = PixelFormat::new(Channels::Rgb, SampleType::U8);
        Ok(Box::new(NullSource::new(
            Pyramid::from_sizes(sizes)?,
            format,
        )?))
    }
}
