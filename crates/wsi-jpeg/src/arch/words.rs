//! Entries of a look-up as words, which compilers take many at a time.

use crate::codes::Entry;

/// The same memory; an entry's first byte is the first in memory, whatever the machine.
pub(crate) fn as_words(entries: &mut [Entry]) -> &mut [u32] {
    const { assert!(size_of::<Entry>() == size_of::<u32>()) }
    const { assert!(align_of::<Entry>() == align_of::<u32>()) }
    let count = entries.len();
    // SAFETY: as many words of the same size and alignment, checked above. An entry is four bytes
    // without padding, so its memory is initialised, and any four bytes are an entry.
    unsafe { std::slice::from_raw_parts_mut(entries.as_mut_ptr().cast(), count) }
}
