//! What is known of tiles: their pixels, and where their rows start.
//!
//! Pixels are bounded by bytes and shared by the slides of a driver. Beside them stand notes on the
//! tiles that were read in part: a few hundred bytes each, so there can be many more of them.
//! Everything is spread over shards, so that threads rarely wait for one another. When several want
//! the same tile decoded at once, one decodes it and the others wait for that one.

mod lru;

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use wsi_core::{Image, Rect};

use crate::codec::RowIndex;
use lru::Lru;

const SHARDS: usize = 16;

/// Notes may take this part of what pixels may take.
const NOTES_SHARE: usize = 16;

/// Which decoded tile of which page of which open slide.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct TileKey {
    /// A number that no other open page has: see [`TileCache::page_id`].
    pub(crate) page: u64,
    pub(crate) column: u32,
    pub(crate) row: u32,
}

/// A cache of decoded tiles. The least recently used go first; a tile larger than the whole cache
/// is never kept.
pub(crate) struct TileCache {
    shards: Vec<Mutex<Shard>>,
    hasher: RandomState,
    capacity: usize,
    used: AtomicUsize,
    clock: AtomicU64,
    /// Bytes of all tiles that were kept, or would have been, had they been decoded whole.
    demand: AtomicU64,
    pages: AtomicU64,
}

#[derive(Default)]
struct Shard {
    tiles: Lru<Arc<Image>>,
    notes: Lru<Note>,
    /// Bytes of the notes.
    noted: usize,
    /// Tiles that somebody is decoding now.
    in_flight: HashMap<TileKey, Arc<Flight>>,
}

/// What earlier reads of parts of a tile left.
#[derive(Default)]
struct Note {
    index: RowIndex,
    /// Reads that a cached tile would have served, and the first. A read of a part beside those that
    /// were read before is none: so sweeps read, which come to no part twice.
    visits: u32,
    /// The rectangle around all parts that were read, in pixels of the tile.
    seen: Rect,
    /// The demand at the last of them.
    demand: u64,
}

/// A read of part of a tile that is not in the cache.
#[derive(Debug)]
pub(crate) struct Visit {
    /// Which visit this is since the tile, had it been kept, would have been dropped: from 1 on.
    pub(crate) count: u32,
    /// What is known of the tile's rows; goes back by [`TileCache::give_index`].
    pub(crate) index: RowIndex,
}

/// The answer to somebody who wants a tile decoded whole.
pub(crate) enum Claim<'c> {
    /// It is there.
    Kept(Arc<Image>),
    /// The one who asks is to decode it.
    Mine(Landing<'c>),
    /// Another is decoding it now.
    Flying(Arc<Flight>),
}

/// A tile that is being decoded, for those who wait for it.
#[derive(Default)]
pub(crate) struct Flight {
    state: Mutex<FlightState>,
    landed: Condvar,
}

#[derive(Default)]
enum FlightState {
    #[default]
    Flying,
    Decoded(Arc<Image>),
    Failed,
}

impl TileCache {
    /// A cache of at most `capacity` bytes of pixels.
    pub(crate) fn new(capacity: usize) -> Self {
        Self {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            hasher: RandomState::new(),
            capacity,
            used: AtomicUsize::new(0),
            clock: AtomicU64::new(0),
            demand: AtomicU64::new(0),
            pages: AtomicU64::new(0),
        }
    }

    /// A number for a page that is about to use the cache.
    pub(crate) fn page_id(&self) -> u64 {
        self.pages.fetch_add(1, Ordering::Relaxed)
    }

    /// Whether a tile of so many bytes can be kept at all.
    pub(crate) const fn has_room(&self, bytes: u64) -> bool {
        bytes <= self.capacity as u64
    }

    /// The tile, if it is there.
    pub(crate) fn get(&self, key: TileKey) -> Option<Arc<Image>> {
        self.touch(&mut lock(self.shard(key)), key)
    }

    /// The tile, or the duty to decode it, or somebody to wait for.
    ///
    /// Who holds a [`Landing`] must not wait for a flight: two could wait for one another.
    pub(crate) fn claim(&self, key: TileKey) -> Claim<'_> {
        let mut shard = lock(self.shard(key));
        if let Some(image) = self.touch(&mut shard, key) {
            return Claim::Kept(image);
        }
        if let Some(flight) = shard.in_flight.get(&key) {
            return Claim::Flying(Arc::clone(flight));
        }
        let flight = Arc::new(Flight::default());
        shard.in_flight.insert(key, Arc::clone(&flight));
        Claim::Mine(Landing {
            cache: self,
            key,
            flight,
            image: None,
        })
    }

    /// Notes a read of `part` of a tile of `bytes` that is not in the cache, and lends its index.
    pub(crate) fn visit(&self, key: TileKey, part: Rect, bytes: u64) -> Visit {
        let demand = self.demand.fetch_add(bytes, Ordering::Relaxed);
        let mut shard = lock(self.shard(key));
        let Some(note) = shard.notes.get(key, self.now()) else {
            let note = Note {
                visits: 1,
                seen: part,
                demand,
                ..Note::default()
            };
            self.note(&mut shard, key, note);
            return Visit {
                count: 1,
                index: RowIndex::default(),
            };
        };
        let would_be_there = demand.saturating_sub(note.demand) < self.capacity as u64;
        let again = part.intersection(note.seen).is_some();
        (note.visits, note.seen) = match would_be_there {
            true => (
                note.visits.saturating_add(again.into()),
                note.seen.around(part),
            ),
            false => (1, part),
        };
        note.demand = demand;
        let visit = Visit {
            count: note.visits,
            index: std::mem::take(&mut note.index),
        };
        shard.noted = shard.noted.saturating_sub(index_bytes(&visit.index));
        visit
    }

    /// Takes an index back, unless there is one that knows more.
    pub(crate) fn give_index(&self, key: TileKey, index: RowIndex) {
        let mut shard = lock(self.shard(key));
        let Some(note) = shard.notes.peek(key) else {
            return;
        };
        if index.rows() > note.index.rows() {
            let more = index_bytes(&index) - index_bytes(&note.index);
            note.index = index;
            shard.noted += more;
            self.forget(&mut shard, key);
        }
    }

    fn note(&self, shard: &mut Shard, key: TileKey, note: Note) {
        shard.noted += note_bytes(&note);
        if let Some(old) = shard.notes.insert(key, note, self.now()) {
            shard.noted = shard.noted.saturating_sub(note_bytes(&old));
        }
        self.forget(shard, key);
    }

    /// Lets go of the oldest notes, that of `key` last, until the bound is kept.
    fn forget(&self, shard: &mut Shard, key: TileKey) {
        while shard.noted > self.capacity / NOTES_SHARE / SHARDS {
            let Some(old) = shard.notes.remove_oldest(key) else {
                return;
            };
            shard.noted = shard.noted.saturating_sub(note_bytes(&old));
        }
    }

    fn land(&self, key: TileKey, flight: &Flight, image: Option<Arc<Image>>) {
        {
            let mut shard = lock(self.shard(key));
            shard.in_flight.remove(&key);
            if let Some(image) = &image {
                self.keep(&mut shard, key, Arc::clone(image));
            }
        }
        *lock(&flight.state) = image.map_or(FlightState::Failed, FlightState::Decoded);
        flight.landed.notify_all();
        self.make_room(key);
    }

    fn touch(&self, shard: &mut Shard, key: TileKey) -> Option<Arc<Image>> {
        shard
            .tiles
            .get(key, self.now())
            .map(|image| Arc::clone(image))
    }

    fn now(&self) -> u64 {
        self.clock.fetch_add(1, Ordering::Relaxed)
    }

    fn keep(&self, shard: &mut Shard, key: TileKey, image: Arc<Image>) {
        let bytes = image.as_bytes().len();
        if self.has_room(bytes as u64) && shard.tiles.insert(key, image, self.now()).is_none() {
            self.used.fetch_add(bytes, Ordering::Relaxed);
        }
    }

    /// Lets go of the oldest tiles, of the shard of `key` first, until the bound is kept.
    fn make_room(&self, key: TileKey) {
        let start = self.shard_index(key);
        for index in (start..SHARDS).chain(0..start) {
            if self.used.load(Ordering::Relaxed) <= self.capacity {
                return;
            }
            let mut shard = lock(&self.shards[index]);
            while self.used.load(Ordering::Relaxed) > self.capacity {
                // The tile that has just come in goes last.
                let Some(image) = shard.tiles.remove_oldest(key) else {
                    break;
                };
                self.used
                    .fetch_sub(image.as_bytes().len(), Ordering::Relaxed);
            }
        }
    }

    fn shard(&self, key: TileKey) -> &Mutex<Shard> {
        &self.shards[self.shard_index(key)]
    }

    #[expect(clippy::cast_possible_truncation, reason = "a remainder of 16")]
    fn shard_index(&self, key: TileKey) -> usize {
        self.hasher.hash_one(key) as usize % SHARDS
    }
}

/// Bytes that a note takes, about.
fn note_bytes(note: &Note) -> usize {
    // The entries of both maps of the list, and their slack.
    const ENTRY: usize = 2 * (size_of::<Note>() + 3 * size_of::<TileKey>());
    ENTRY + index_bytes(&note.index)
}

fn index_bytes(index: &RowIndex) -> usize {
    index.rows() * 16
}

impl std::fmt::Debug for TileCache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TileCache")
            .field("capacity", &self.capacity)
            .field("used", &self.used)
            .finish_non_exhaustive()
    }
}

impl Flight {
    /// Waits for the decoder; `None` if it failed: then whoever waited tries by itself.
    pub(crate) fn wait(&self) -> Option<Arc<Image>> {
        let mut state = lock(&self.state);
        loop {
            match &*state {
                FlightState::Flying => {
                    state = self
                        .landed
                        .wait(state)
                        .unwrap_or_else(PoisonError::into_inner);
                }
                FlightState::Decoded(image) => return Some(Arc::clone(image)),
                FlightState::Failed => return None,
            }
        }
    }
}

/// The duty to decode a tile. It ends when this goes out of scope, so that nobody waits for ever.
pub(crate) struct Landing<'c> {
    cache: &'c TileCache,
    key: TileKey,
    flight: Arc<Flight>,
    image: Option<Arc<Image>>,
}

impl Landing<'_> {
    /// Hands in the tile, to the cache and to those who wait.
    pub(crate) fn land(mut self, image: Arc<Image>) {
        self.image = Some(image);
    }
}

impl Drop for Landing<'_> {
    fn drop(&mut self) {
        self.cache.land(self.key, &self.flight, self.image.take());
    }
}

/// What the locks guard is whole after every step, so a panic elsewhere does not spoil it.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;
    use std::sync::atomic::AtomicUsize;

    use wsi_core::{PixelFormat, Point, Size};

    const PART: Rect = Rect {
        origin: Point::new(10, 10),
        size: Size::new(5, 5),
    };

    use super::*;

    fn key(column: u32) -> TileKey {
        TileKey {
            page: 0,
            column,
            row: 0,
        }
    }

    fn tile(bytes: u32) -> Option<Image> {
        Image::zeroed(Size::new(bytes, 1), PixelFormat::GRAY8).ok()
    }

    fn get_or_decode(
        cache: &TileCache,
        key: TileKey,
        decode: impl FnOnce() -> Option<Image>,
    ) -> Option<Arc<Image>> {
        loop {
            match cache.claim(key) {
                Claim::Kept(image) => return Some(image),
                Claim::Mine(landing) => {
                    let image = Arc::new(decode()?);
                    landing.land(Arc::clone(&image));
                    return Some(image);
                }
                Claim::Flying(flight) => {
                    if let Some(image) = flight.wait() {
                        return Some(image);
                    }
                }
            }
        }
    }

    #[test]
    fn the_bound_is_kept_and_the_latest_stay() {
        let cache = TileCache::new(1000);
        for column in 0..100 {
            get_or_decode(&cache, key(column), || tile(100)).unwrap();
            assert!(cache.used.load(Ordering::Relaxed) <= 1000);
            assert!(cache.get(key(column)).is_some());
        }
        let kept = (0..100)
            .filter(|&column| cache.get(key(column)).is_some())
            .count();
        assert_eq!(kept, 10);
    }

    #[test]
    fn a_tile_larger_than_the_cache_is_not_kept() {
        let cache = TileCache::new(99);
        let image = get_or_decode(&cache, key(0), || tile(100)).unwrap();
        assert_eq!(image.size().width, 100);
        assert!(cache.get(key(0)).is_none());
    }

    #[test]
    fn many_threads_decode_a_tile_once() {
        let cache = TileCache::new(1000);
        let (decodes, barrier) = (AtomicUsize::new(0), Barrier::new(16));
        std::thread::scope(|scope| {
            for _ in 0..16 {
                scope.spawn(|| {
                    barrier.wait();
                    let image = get_or_decode(&cache, key(7), || {
                        decodes.fetch_add(1, Ordering::Relaxed);
                        std::thread::sleep(std::time::Duration::from_millis(20));
                        tile(10)
                    });
                    assert_eq!(image.unwrap().size().width, 10);
                });
            }
        });
        assert_eq!(decodes.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn a_failed_decode_is_tried_again_by_the_next() {
        let cache = TileCache::new(1000);
        assert!(get_or_decode(&cache, key(1), || None).is_none());
        assert!(get_or_decode(&cache, key(1), || tile(10)).is_some());
    }

    #[test]
    fn visits_count_while_the_tile_would_have_been_kept() {
        let cache = TileCache::new(64 << 20);
        let tile = 1 << 20;
        let counts = [1, 2, 3].map(|_| cache.visit(key(0), PART, tile).count);
        assert_eq!(counts, [1, 2, 3]);
        let others =
            |number| (1..=number).for_each(|column| drop(cache.visit(key(column), PART, tile)));
        others(60);
        assert_eq!(
            cache.visit(key(0), PART, tile).count,
            4,
            "61 of 64 MiB were used since"
        );
        others(64);
        assert_eq!(cache.visit(key(0), PART, tile).count, 1);
    }

    #[test]
    fn parts_beside_those_that_were_read_are_no_visits() {
        let cache = TileCache::new(64 << 20);
        let mut count = |x: i64| {
            cache
                .visit(key(0), Rect::new((x, 0), (100, 100)), 1 << 20)
                .count
        };
        assert_eq!([0, 100, 200].map(&mut count), [1, 1, 1]);
        assert_eq!(count(150), 2);
    }

    #[test]
    fn notes_are_bounded_and_the_latest_stay() {
        let cache = TileCache::new(1 << 20);
        for column in 0..10_000 {
            cache.visit(key(column), PART, 100);
        }
        let bytes: usize = cache.shards.iter().map(|shard| lock(shard).noted).sum();
        assert!(
            (50_000..=(1 << 20) / NOTES_SHARE).contains(&bytes),
            "{bytes}"
        );
        assert_eq!(cache.visit(key(9_999), PART, 100).count, 2);
        assert_eq!(cache.visit(key(0), PART, 100).count, 1, "forgotten");
        let none = TileCache::new(0);
        none.visit(key(0), PART, 100);
        none.visit(key(1), PART, 100);
        let bytes: usize = none.shards.iter().map(|shard| lock(shard).noted).sum();
        assert!(bytes < 1000, "{bytes}");
    }
}
