//! Tiles on their way to the sink.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bytes::BytesMut;
use wsi_core::{PixelFormat, PixelsMut, Rect, Region, Result};

use super::in_flight::Counted;
use super::{PIXEL, Pipeline, Run, lock};
use crate::arch::{Canvas, Part};
use crate::occupancy::{LabelScratch, TileLabels};
use crate::room::Room;
use crate::select::TileRecord;
use crate::sink::{Tile, TileMemory};

/// A tile whose pixels are to be read.
pub(super) struct Work<'s, 'm> {
    record: TileRecord,
    /// The tile in level pixels.
    rect: Rect,
    labels: TileLabels<'m>,
    /// Pieces that have not come yet.
    pub(super) missing: AtomicUsize,
    /// Whether one of the pieces could not be read.
    failed: AtomicBool,
    memory: Mutex<Option<Memory>>,
    _in_flight: Counted<'s>,
}

/// The memory of a tile that is being filled.
struct Memory {
    image: Arc<Canvas>,
    /// Parts of the image that nobody has taken to fill them.
    parts: Vec<Option<Part>>,
    /// Memory for labels, if the sink has lent the memory of this tile.
    labels: Option<BytesMut>,
}

impl<'s, 'm> Work<'s, 'm> {
    /// A tile that will come in so many pieces.
    pub(super) fn new(
        record: TileRecord,
        rect: Rect,
        labels: TileLabels<'m>,
        pieces: usize,
        in_flight: Counted<'s>,
    ) -> Self {
        Self {
            record,
            rect,
            labels,
            missing: AtomicUsize::new(pieces),
            failed: AtomicBool::new(false),
            memory: Mutex::default(),
            _in_flight: in_flight,
        }
    }

    /// Notes that a piece could not be read.
    pub(super) fn has_failed(&self) {
        self.failed.store(true, Ordering::Relaxed);
    }
}

/// Memory that tiles have left, for others.
#[derive(Default)]
pub(super) struct Spare {
    room: Room,
    images: Vec<BytesMut>,
    labels: Vec<BytesMut>,
    scratch: Vec<LabelScratch>,
}

impl Spare {
    /// For as many tiles as wait for their pixels at once, as a rule: what is not needed is not
    /// touched.
    pub(super) fn new(job: &Pipeline<'_>) -> Self {
        let (image, _) = tile_bytes(job);
        let tiles = (2 * job.grid.columns() as usize).min(MOST_SPARE / image.max(1));
        Self {
            room: Room::new(image, tiles),
            ..Self::default()
        }
    }
}

/// Bytes of the pixels and of the labels of a tile.
fn tile_bytes(job: &Pipeline<'_>) -> (usize, usize) {
    let side = job.grid.tile_size() as usize;
    (
        side * side * PIXEL,
        side * side * job.mask.label_type().bytes(),
    )
}

impl Run<'_> {
    /// Takes a part of a tile, to be filled: the parts are one in each cell that the tile touches, in
    /// the order of the cells.
    pub(super) fn part_of(&self, work: &Work<'_, '_>, number: usize) -> Part {
        let mut memory = lock(&work.memory);
        let memory = memory.get_or_insert_with(|| self.memory_for(work));
        // As many parts as the tile touches cells, by `CellGrid::cuts`; each cell is read once.
        memory.parts[number].take().expect("a part that comes once")
    }

    /// Memory for a tile: no sooner than it is filled, so that little of it is in use at once.
    fn memory_for(&self, work: &Work<'_, '_>) -> Memory {
        let (bytes, _) = tile_bytes(self.job);
        let (mut image, labels) = match self.job.sink.lend(&work.record) {
            Some(TileMemory { image, labels }) => (image, Some(labels)),
            None => {
                let mut spare = lock(&self.spare);
                let image = spare.images.pop();
                (image.unwrap_or_else(|| spare.room.take()), None)
            }
        };
        // What a sink lends may be of any length.
        image.resize(bytes, 0);
        let (rect, part) = (work.rect, work.labels.part);
        if part != rect {
            image.fill(IMAGE_PAD);
        }
        let (columns, rows) = match part.is_empty() {
            true => Default::default(),
            false => self.image_cells.cuts(part),
        };
        let within = |cuts: &[i64], start: i64, bytes: usize| -> Vec<usize> {
            let place = |cut: &i64| usize::try_from(cut - start).unwrap_or(0) * bytes;
            cuts.iter().map(place).collect()
        };
        let (image, parts) = Canvas::cut(
            image,
            rect.size.width as usize * PIXEL,
            &within(&columns, rect.origin.x, PIXEL),
            &within(&rows, rect.origin.y, 1),
        );
        Memory {
            image,
            parts: parts.into_iter().map(Some).collect(),
            labels,
        }
    }

    /// Completes a tile that has its pixels, and hands it to the sink.
    pub(super) fn make(&self, work: &Work<'_, '_>) {
        if self.stopped.load(Ordering::Relaxed) {
            return;
        }
        let memory = lock(&work.memory).take();
        let memory = memory.unwrap_or_else(|| self.memory_for(work));
        let is_lent = memory.labels.is_some();
        let clock = self.job.clock;
        let completed = clock.assemble.time(|| self.complete(work, memory));
        match completed {
            Ok(memory) => {
                if let Err(error) = clock.save.time(|| self.save(work, memory, is_lent)) {
                    self.stop(error);
                }
            }
            Err(error) => self.fail(&work.record, error),
        }
        self.done.fetch_add(1, Ordering::Relaxed);
        self.report_progress();
    }

    fn complete(&self, work: &Work<'_, '_>, memory: Memory) -> Result<TileMemory> {
        let Memory {
            image,
            parts,
            labels,
        } = memory;
        // Those that were taken have gone before `missing` came to 0.
        drop(parts);
        let mut image = image.into_memory().expect("all parts have come");
        if work.failed.load(Ordering::Relaxed) {
            // A whole cell reaches further than the tile, so that the tile's own pixels can perhaps
            // be read nevertheless; if not, this gives the tile's own error.
            self.read_image(work, &mut image)?;
        }
        let (mut labels, mut scratch) = {
            let mut spare = lock(&self.spare);
            let labels = labels.or_else(|| spare.labels.pop()).unwrap_or_default();
            (labels, spare.scratch.pop().unwrap_or_default())
        };
        let (_, bytes) = tile_bytes(self.job);
        labels.resize(bytes, 0);
        if work.labels.part != work.rect {
            labels.fill(0);
        }
        work.labels.cut(&mut labels, work.rect, &mut scratch);
        lock(&self.spare).scratch.push(scratch);
        Ok(TileMemory::new(image, labels))
    }

    /// Reads a tile by itself.
    fn read_image(&self, work: &Work<'_, '_>, image: &mut [u8]) -> Result<()> {
        let part = work.labels.part;
        let mut out = PixelsMut::packed(image, work.rect.size, PixelFormat::RGB8)?;
        let place = (
            part.origin.x - work.rect.origin.x,
            part.origin.y - work.rect.origin.y,
        );
        let region = Region::at_level(self.job.roi.level, part.origin, part.size);
        let out = out.part_mut(Rect::new(place, part.size));
        self.job.slide.read_region_into(&region, out)
    }

    fn save(&self, work: &Work<'_, '_>, memory: TileMemory, is_lent: bool) -> Result<()> {
        let job = self.job;
        if is_lent {
            return job.sink.keep(&work.record, memory);
        }
        job.sink.write(&Tile {
            record: &work.record,
            size: job.grid.tile_size(),
            image: &memory.image,
            labels: &memory.labels,
            label_type: job.mask.label_type(),
        })?;
        let mut spare = lock(&self.spare);
        spare.images.push(memory.image);
        spare.labels.push(memory.labels);
        Ok(())
    }
}

/// What image tiles show beyond the region.
const IMAGE_PAD: u8 = 255;

/// Bytes that are set aside for tiles at once, at most; if more are on their way, each has memory of its
/// own.
const MOST_SPARE: usize = 1 << 24;
