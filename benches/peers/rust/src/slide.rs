//! A slide of `wsi-rs`, and work shared among threads.

use std::sync::Mutex;

use anyhow::{Context, Result, ensure};
use wsi_rs::{CpuTileLayout, FormatRegistry, RegionRequest};

/// Bytes of decoded tiles that may be kept, as the other peers may.
const CACHE: u64 = 512 << 20;

/// A rectangle in pixels of a level.
#[derive(Clone, Copy)]
pub(crate) struct Rect {
    pub(crate) x: u32,
    pub(crate) y: u32,
    pub(crate) width: u32,
    pub(crate) height: u32,
}

/// A level of a slide.
pub(crate) struct Level {
    pub(crate) width: u32,
    pub(crate) height: u32,
}

/// An open slide.
pub(crate) struct Slide {
    slide: wsi_rs::Slide,
    pub(crate) levels: Vec<Level>,
}

impl Slide {
    pub(crate) fn open(path: &str) -> Result<Self> {
        let slide = wsi_rs::Slide::open_with_cache_bytes(path, &FormatRegistry::builtin(), CACHE)?;
        let series = &slide.dataset().scenes[0].series[0];
        let level = |level: &wsi_rs::Level| {
            Ok(Level {
                width: u32::try_from(level.dimensions.0)?,
                height: u32::try_from(level.dimensions.1)?,
            })
        };
        let levels = series.levels.iter().map(level).collect::<Result<_>>()?;
        Ok(Self { slide, levels })
    }

    /// RGB of a rectangle, row by row.
    pub(crate) fn region(&self, level: usize, rect: Rect) -> Result<Vec<u8>> {
        let request = RegionRequest::builder(0_usize, 0_usize, u32::try_from(level)?)
            .origin_px((i64::from(rect.x), i64::from(rect.y)))
            .size_px((rect.width, rect.height))
            .build()?;
        let pixels = self.slide.read_region(&request)?;
        ensure!(
            pixels.layout() == CpuTileLayout::Interleaved,
            "planar pixels"
        );
        let bytes = pixels.data().as_u8().context("not 8 bits a sample")?;
        Ok(match pixels.channels() {
            3 => bytes.to_vec(),
            4 => bytes
                .chunks_exact(4)
                .flat_map(|p| [p[0], p[1], p[2]])
                .collect(),
            channels => anyhow::bail!("{channels} channels"),
        })
    }
}

/// Does work in so many threads, each item by the first that is free.
pub(crate) fn each<T: Send>(
    threads: usize,
    items: Vec<T>,
    work: impl Fn(T) -> Result<()> + Sync,
) -> Result<()> {
    if threads == 1 {
        return items.into_iter().try_for_each(work);
    }
    let items = Mutex::new(items.into_iter());
    let next = || items.lock().ok()?.next();
    std::thread::scope(|scope| {
        let run = || std::iter::from_fn(next).try_for_each(&work);
        let running: Vec<_> = (0..threads).map(|_| scope.spawn(run)).collect();
        running
            .into_iter()
            .try_for_each(|thread| thread.join().map_err(|_| anyhow::anyhow!("a panic"))?)
    })
}
