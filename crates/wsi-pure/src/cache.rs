//! Decoded tiles, bounded by bytes, shared by the slides of a driver.
//!
//! Tiles are spread over shards, so that threads rarely wait for one another. When several ask for
//! the same tile at once, one decodes it and the others wait for that one.

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use wsi_core::{Image, Result};

const SHARDS: usize = 16;

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
    pages: AtomicU64,
}

#[derive(Default)]
struct Shard {
    tiles: HashMap<TileKey, Kept>,
    /// Keys in the order of their last use.
    order: BTreeMap<u64, TileKey>,
    /// Tiles that somebody is decoding now.
    in_flight: HashMap<TileKey, Arc<Flight>>,
}

struct Kept {
    image: Arc<Image>,
    used_at: u64,
}

/// A tile that is being decoded, for those who wait for it.
#[derive(Default)]
struct Flight {
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
            pages: AtomicU64::new(0),
        }
    }

    /// A number for a page that is about to use the cache.
    pub(crate) fn page_id(&self) -> u64 {
        self.pages.fetch_add(1, Ordering::Relaxed)
    }

    /// The tile, if it is there.
    pub(crate) fn get(&self, key: TileKey) -> Option<Arc<Image>> {
        self.touch(&mut lock(self.shard(key)), key)
    }

    /// The tile, decoded by `decode` if nobody has it.
    ///
    /// `decode` must not come back to this cache. It runs without any lock; its error goes to its
    /// own caller alone, and whoever waited tries by itself.
    pub(crate) fn get_or_decode(
        &self,
        key: TileKey,
        decode: impl FnOnce() -> Result<Image>,
    ) -> Result<Arc<Image>> {
        let flight = loop {
            let waiting = {
                let mut shard = lock(self.shard(key));
                if let Some(image) = self.touch(&mut shard, key) {
                    return Ok(image);
                }
                if let Some(flight) = shard.in_flight.get(&key) {
                    Arc::clone(flight)
                } else {
                    let flight = Arc::new(Flight::default());
                    shard.in_flight.insert(key, Arc::clone(&flight));
                    break flight;
                }
            };
            if let Some(image) = waiting.wait() {
                return Ok(image);
            }
        };
        // Lands the flight even if `decode` panics, so that nobody waits for ever.
        let mut landing = Landing {
            cache: self,
            key,
            flight: &flight,
            image: None,
        };
        let image = Arc::new(decode()?);
        landing.image = Some(Arc::clone(&image));
        drop(landing);
        Ok(image)
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
        let kept = shard.tiles.get_mut(&key)?;
        let now = self.clock.fetch_add(1, Ordering::Relaxed);
        shard.order.remove(&kept.used_at);
        shard.order.insert(now, key);
        kept.used_at = now;
        Some(Arc::clone(&kept.image))
    }

    fn keep(&self, shard: &mut Shard, key: TileKey, image: Arc<Image>) {
        let bytes = image.as_bytes().len();
        if bytes > self.capacity {
            return;
        }
        let used_at = self.clock.fetch_add(1, Ordering::Relaxed);
        shard.order.insert(used_at, key);
        if shard.tiles.insert(key, Kept { image, used_at }).is_none() {
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
                let oldest = shard.order.iter().find(|&(_, &old)| old != key);
                let Some((&used_at, &old)) = oldest else {
                    break;
                };
                shard.order.remove(&used_at);
                if let Some(kept) = shard.tiles.remove(&old) {
                    self.used
                        .fetch_sub(kept.image.as_bytes().len(), Ordering::Relaxed);
                }
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

impl std::fmt::Debug for TileCache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TileCache")
            .field("capacity", &self.capacity)
            .field("used", &self.used)
            .finish_non_exhaustive()
    }
}

impl Flight {
    /// Waits for the decoder; `None` if it failed.
    fn wait(&self) -> Option<Arc<Image>> {
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

/// Ends a flight when it goes out of scope.
struct Landing<'a> {
    cache: &'a TileCache,
    key: TileKey,
    flight: &'a Flight,
    image: Option<Arc<Image>>,
}

impl Drop for Landing<'_> {
    fn drop(&mut self) {
        self.cache.land(self.key, self.flight, self.image.take());
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

    use wsi_core::{Error, PixelFormat, Size};

    use super::*;

    fn key(column: u32) -> TileKey {
        TileKey {
            page: 0,
            column,
            row: 0,
        }
    }

    fn tile(bytes: u32) -> Result<Image> {
        Image::zeroed(Size::new(bytes, 1), PixelFormat::GRAY8)
    }

    #[test]
    fn the_bound_is_kept_and_the_latest_stay() {
        let cache = TileCache::new(1000);
        for column in 0..100 {
            cache.get_or_decode(key(column), || tile(100)).unwrap();
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
        assert_eq!(
            cache
                .get_or_decode(key(0), || tile(100))
                .unwrap()
                .size()
                .width,
            100
        );
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
                    let image = cache.get_or_decode(key(7), || {
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
        assert!(
            cache
                .get_or_decode(key(1), || Err(Error::corrupt("bad")))
                .is_err()
        );
        assert!(cache.get_or_decode(key(1), || tile(10)).is_ok());
    }
}
