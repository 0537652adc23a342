//! A map that knows which of its entries was used longest ago.

use std::collections::{BTreeMap, HashMap};

use super::TileKey;

/// Values by tile, with the order of their last use.
///
/// Times come from the caller and are never twice the same.
#[derive(Debug)]
pub(super) struct Lru<V> {
    entries: HashMap<TileKey, Entry<V>>,
    /// Keys in the order of their last use.
    order: BTreeMap<u64, TileKey>,
}

#[derive(Debug)]
struct Entry<V> {
    value: V,
    used_at: u64,
}

impl<V> Default for Lru<V> {
    fn default() -> Self {
        Self {
            entries: HashMap::default(),
            order: BTreeMap::default(),
        }
    }
}

impl<V> Lru<V> {
    /// The value, used `now`.
    pub(super) fn get(&mut self, key: TileKey, now: u64) -> Option<&mut V> {
        let entry = self.entries.get_mut(&key)?;
        self.order.remove(&entry.used_at);
        self.order.insert(now, key);
        entry.used_at = now;
        Some(&mut entry.value)
    }

    /// The value, used when it was.
    pub(super) fn peek(&mut self, key: TileKey) -> Option<&mut V> {
        self.entries.get_mut(&key).map(|entry| &mut entry.value)
    }

    /// Puts a value in, used `now`; gives back the one that was there.
    pub(super) fn insert(&mut self, key: TileKey, value: V, now: u64) -> Option<V> {
        let entry = Entry {
            value,
            used_at: now,
        };
        let old = self.entries.insert(key, entry);
        if let Some(old) = &old {
            self.order.remove(&old.used_at);
        }
        self.order.insert(now, key);
        old.map(|old| old.value)
    }

    /// Takes out the value that was used longest ago, except that of `spared`.
    pub(super) fn remove_oldest(&mut self, spared: TileKey) -> Option<V> {
        let oldest = self.order.iter().find(|&(_, &key)| key != spared);
        let (&used_at, &key) = oldest?;
        self.order.remove(&used_at);
        self.entries.remove(&key).map(|entry| entry.value)
    }
}
