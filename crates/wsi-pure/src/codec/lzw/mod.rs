//! LZW as TIFF uses it (TIFF 6.0 section 13), and the bit order that older writers used.
//!
//! Every string that a code stands for lies in the output already, except single bytes: the table
//! keeps where, how long, and the first eight bytes, so that a short string is one store and a long
//! one a block copy. Runs of a label mask cost a few copies each.

pub(super) mod channel;

use wsi_core::{Error, Result};

use super::ends_early;

const CLEAR: usize = 256;
const END: usize = 257;
const FIRST_FREE: usize = 258;
const MIN_WIDTH: u32 = 9;
const MAX_WIDTH: u32 = 12;
const CODES: usize = 1 << MAX_WIDTH;
/// Bytes that an entry holds itself.
const INLINE: usize = 8;

/// What a code stands for.
#[derive(Clone, Copy, Debug, Default)]
struct Entry {
    /// The first bytes, the very first in the lowest bits.
    head: u64,
    /// Where the whole string lies in the output, if it is longer than `head`.
    start: u32,
    length: u32,
}

/// The table of codes, kept between tiles.
pub(super) struct Table(Box<[Entry; CODES]>);

impl Default for Table {
    fn default() -> Self {
        let entries = vec![Entry::default(); CODES].into_boxed_slice();
        let mut entries: Box<[Entry; CODES]> =
            entries.try_into().expect("as many as were asked for");
        // Clear and end keep a length of 0.
        for (byte, entry) in (0_u64..).zip(entries.iter_mut().take(CLEAR)) {
            *entry = Entry {
                head: byte,
                start: 0,
                length: 1,
            };
        }
        Self(entries)
    }
}

/// Decodes exactly `out.len()` bytes; what follows in `stored` is not looked at.
///
/// # Errors
/// `Corrupt` if a code has no meaning yet or the data ends early.
pub(super) fn decode(stored: &[u8], out: &mut [u8], table: &mut Table) -> Result<()> {
    match is_old(stored) {
        true => decode_with::<Lsb>(stored, out, table),
        false => decode_with::<Msb>(stored, out, table),
    }
}

/// Whether codes lie from the least significant bit on.
///
/// The clear code that opens every stream is 1 0000 0000 from the most significant bit in TIFF
/// 6.0, and the same from the least significant one in files from before (libtiff `LZWPreDecode`).
fn is_old(stored: &[u8]) -> bool {
    matches!(stored, [0, second, ..] if second & 1 == 1)
}

/// How codes lie in the bytes, and when they grow.
trait Order {
    /// How many codes before the table needs a longer one codes grow: TIFF 6.0 grows one early.
    const EARLY: usize;

    /// Adds bytes to the bits, as many as fit; returns their number.
    fn refill(bits: &mut u64, count: u32, stored: &[u8]) -> usize;

    /// Takes the next `width` bits.
    fn take(bits: &mut u64, width: u32) -> usize;
}

struct Msb;
struct Lsb;

impl Order for Msb {
    const EARLY: usize = 1;

    #[inline(always)]
    fn refill(bits: &mut u64, count: u32, stored: &[u8]) -> usize {
        let bytes = ((64 - count) / 8) as usize;
        if let Some(next) = stored.first_chunk::<8>() {
            // Bits beyond the counted ones are put in again, the same, by the next refill.
            *bits |= u64::from_be_bytes(*next) >> count;
            return bytes;
        }
        let bytes = bytes.min(stored.len());
        for (&byte, position) in stored.iter().take(bytes).zip(0_u32..) {
            *bits |= u64::from(byte) << (56 - count - 8 * position);
        }
        bytes
    }

    #[inline(always)]
    #[expect(clippy::cast_possible_truncation, reason = "at most 12 bits")]
    fn take(bits: &mut u64, width: u32) -> usize {
        let code = *bits >> (64 - width);
        *bits <<= width;
        code as usize
    }
}

impl Order for Lsb {
    const EARLY: usize = 0;

    #[inline(always)]
    fn refill(bits: &mut u64, count: u32, stored: &[u8]) -> usize {
        let bytes = ((64 - count) / 8) as usize;
        if let Some(next) = stored.first_chunk::<8>() {
            *bits |= u64::from_le_bytes(*next) << count;
            return bytes;
        }
        let bytes = bytes.min(stored.len());
        for (&byte, position) in stored.iter().take(bytes).zip(0_u32..) {
            *bits |= u64::from(byte) << (count + 8 * position);
        }
        bytes
    }

    #[inline(always)]
    #[expect(clippy::cast_possible_truncation, reason = "at most 12 bits")]
    fn take(bits: &mut u64, width: u32) -> usize {
        let code = *bits & ((1 << width) - 1);
        *bits >>= width;
        code as usize
    }
}

fn decode_with<O: Order>(stored: &[u8], out: &mut [u8], table: &mut Table) -> Result<()> {
    let entries = &mut *table.0;
    let wanted = out.len();
    if u32::try_from(wanted).is_err() {
        return Err(Error::limit(format!("{wanted} bytes in one LZW stream")));
    }
    let mut rest = stored;
    let (mut bits, mut count) = (0_u64, 0_u32);
    let mut written = 0_usize;
    let mut width = MIN_WIDTH;
    let mut next = FIRST_FREE;
    // What the previous code stood for: nothing after a clear.
    let mut previous = Entry::default();

    while written < wanted {
        if count < width {
            let bytes = O::refill(&mut bits, count, rest);
            rest = rest.get(bytes..).unwrap_or_default();
            count += 8 * u32::try_from(bytes).unwrap_or(0);
            if count < width {
                return Err(ends_early("LZW", written, wanted));
            }
        }
        let code = O::take(&mut bits, width);
        count -= width;

        // A code that the table lacks by one is the previous string and its own first byte.
        let missing = code == next && previous.length > 0;
        let mut entry = match missing {
            true => previous,
            false if code < next => entries[code & (CODES - 1)],
            false => return Err(unknown(code, next)),
        };
        if entry.length == 0 {
            if code == END {
                return Err(ends_early("LZW", written, wanted));
            }
            (width, next, previous) = (MIN_WIDTH, FIRST_FREE, Entry::default());
            continue;
        }
        if previous.length > 0 && next < CODES {
            let added = previous.followed_by(entry.head, written);
            entries[next] = added;
            next += 1;
            if next + O::EARLY >= 1 << width && width < MAX_WIDTH {
                width += 1;
            }
            if missing {
                entry = added;
            }
        }
        emit(out, written, entry);
        written += entry.length as usize;
        previous = entry;
    }
    Ok(())
}

impl Entry {
    /// The string of this entry, which ends at `end` of the output, and one more byte.
    #[inline(always)]
    #[expect(clippy::cast_possible_truncation, reason = "the output is shorter than 4 GiB")]
    fn followed_by(self, byte: u64, end: usize) -> Self {
        let head = match self.length {
            length @ 0..8 => self.head | (byte & 0xFF) << (8 * length),
            _ => self.head,
        };
        Self {
            head,
            start: end as u32 - self.length,
            length: self.length + 1,
        }
    }
}

/// Writes a string at `at`, as much of it as fits. Up to eight bytes behind it may be written too.
#[inline(always)]
fn emit(out: &mut [u8], at: usize, entry: Entry) {
    let length = entry.length as usize;
    let head = entry.head.to_le_bytes();
    let Some(target) = out.get_mut(at..) else {
        return;
    };
    match target.first_chunk_mut::<INLINE>() {
        Some(target) => *target = head,
        None => target
            .iter_mut()
            .zip(head)
            .for_each(|(to, from)| *to = from),
    }
    if length > INLINE {
        copy(
            out,
            entry.start as usize + INLINE,
            at + INLINE,
            length - INLINE,
        );
    }
}

/// Copies from earlier output; the last byte may be one that the same copy writes.
#[inline(always)]
fn copy(out: &mut [u8], mut from: usize, mut to: usize, length: usize) {
    let end = (to + length).min(out.len());
    if length <= SHORT && to + SHORT <= out.len() {
        // The source lies at least eight bytes back: what it reads has been written.
        while to < end {
            let Some(bytes) = out.get(from..).and_then(|bytes| bytes.first_chunk::<8>()) else {
                return;
            };
            let bytes = *bytes;
            let Some(target) = out.get_mut(to..).and_then(|out| out.first_chunk_mut::<8>()) else {
                return;
            };
            *target = bytes;
            (from, to) = (from + 8, to + 8);
        }
    } else if to < end {
        let length = (end - to).min(to - from);
        out.copy_within(from..from + length, to);
        if to + length < end {
            out[end - 1] = out[from + length];
        }
    }
}

#[cold]
fn unknown(code: usize, next: usize) -> Error {
    Error::corrupt(format!("LZW code {code} where the table ends at {next}"))
}

/// Strings up to this length are copied in steps of eight bytes.
const SHORT: usize = 64;

#[cfg(test)]
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "small test data")]
mod tests {
    use proptest::prelude::*;
    use wsi_core::Size;

    use super::*;

    fn decoded(stored: &[u8], length: usize) -> Result<Vec<u8>> {
        let mut out = vec![0xEE; length];
        decode(stored, &mut out, &mut Table::default()).map(|()| out)
    }

    fn encoded(data: &[u8]) -> Vec<u8> {
        weezl::encode::Encoder::with_tiff_size_switch(weezl::BitOrder::Msb, 8)
            .encode(data)
            .unwrap()
    }

    /// TIFF 6.0 section 13, the example of the encoder: 7 7 7 8 8 7 7 6 6.
    #[test]
    fn the_example_of_the_specification_is_decoded() {
        let codes = [256, 7, 258, 8, 8, 258, 6, 6, 257_u32];
        let bits: String = codes.iter().map(|code| format!("{code:09b}")).collect();
        let stored: Vec<u8> = format!("{bits:0<88}")
            .as_bytes()
            .chunks(8)
            .map(|byte| u8::from_str_radix(std::str::from_utf8(byte).unwrap(), 2).unwrap())
            .collect();
        let expected = [7, 7, 7, 8, 8, 7, 7, 6, 6];
        assert_eq!(decoded(&stored, 9).unwrap(), expected);
        assert_eq!(decoded(&stored, 4).unwrap(), expected[..4]);
    }

    #[test]
    fn data_that_ends_early_says_how_far_it_came() {
        let stored = encoded(&[5; 1203]);
        let error = decoded(&stored, 4096).unwrap_err();
        assert_eq!(error.message(), "LZW data ends after 1,203 of 4,096 bytes");
        assert!(decoded(&stored[..3], 1203).is_err());
        assert!(decoded(&[], 1).is_err());
        assert!(decoded(&[], 0).unwrap().is_empty());
    }

    #[test]
    fn a_code_beyond_the_table_is_refused() {
        // Clear, then 300.
        let error = decoded(&[0x80, 0x4B, 0x00, 0x00], 10).unwrap_err();
        assert_eq!(error.message(), "LZW code 300 where the table ends at 258");
    }

    #[test]
    fn old_files_run_from_the_least_significant_bit() {
        let data: Vec<u8> = (0..20_000_u32).map(|i| ((i * i) >> 7) as u8).collect();
        let stored = weezl::encode::Encoder::new(weezl::BitOrder::Lsb, 8)
            .encode(&data)
            .unwrap();
        assert_eq!(stored[0], 0);
        assert_eq!(decoded(&stored, data.len()).unwrap(), data);
    }

    fn samples() -> impl Strategy<Value = Vec<u8>> {
        let runs = prop::collection::vec((0..4_u8, 1..700_usize), 0..60)
            .prop_map(|runs| runs.iter().flat_map(|&(v, n)| vec![v; n]).collect());
        let noise = prop::collection::vec(any::<u8>(), 0..9000);
        let period = (prop::collection::vec(any::<u8>(), 1..40), 1..700_usize)
            .prop_map(|(bytes, times)| bytes.repeat(times));
        prop_oneof![runs, noise, period]
    }

    /// As one row.
    fn first_of(stored: &[u8], step: usize, length: usize) -> Option<Vec<u8>> {
        let size = Size::new(u32::try_from(length).unwrap(), 1);
        let runs = channel::decode(stored, step, size, &mut channel::Table::default())?;
        assert_eq!(runs.rows(), 1);
        let samples = runs.within(0, 0..size.width);
        Some(
            samples
                .flat_map(|run| vec![run.sample; (run.end - run.start) as usize])
                .collect(),
        )
    }

    fn every(data: &[u8], step: usize) -> Vec<u8> {
        data.chunks_exact(step).map(|pixel| pixel[0]).collect()
    }

    #[test]
    fn masks_are_worth_their_first_channel() {
        let row: Vec<u8> = [(0, 300), (2, 90), (5, 3), (0, 119)]
            .iter()
            .flat_map(|&(label, times)| [label, 0, 7].repeat(times))
            .collect();
        let data = row.repeat(400);
        let stored = encoded(&data);
        assert_eq!(first_of(&stored, 3, data.len() / 3), Some(every(&data, 3)));
        assert_eq!(
            first_of(&stored[..stored.len() / 2], 3, data.len() / 3),
            None
        );
        let noise: Vec<u8> = (0..60_000_u32).map(|i| ((i * i) >> 9) as u8).collect();
        assert_eq!(first_of(&encoded(&noise), 3, 20_000), None);
        // Rows that take more memory as runs than as labels.
        let narrow = |width| {
            let size = Size::new(width, 400);
            let stored = encoded(&vec![5; 3 * 400 * width as usize]);
            channel::decode(&stored, 3, size, &mut channel::Table::default())
        };
        assert!(narrow(7).is_none() && narrow(8).is_some());
    }

    proptest! {
        #[test]
        fn what_weezl_encodes_is_decoded(data in samples(), cut in 0.0..=1.0_f64) {
            let stored = encoded(&data);
            prop_assert_eq!(decoded(&stored, data.len()).unwrap(), &data[..]);
            let part = (data.len() as f64 * cut) as usize;
            prop_assert_eq!(decoded(&stored, part).unwrap(), &data[..part]);
        }

        #[test]
        fn first_channels_are_those_of_everything(data in samples(), step in 1..5_usize) {
            let length = data.len() / step;
            if let Some(found) = first_of(&encoded(&data), step, length) {
                prop_assert_eq!(found, every(&data, step));
            } else {
                // A few hundred runs come before they are given up.
                prop_assert!(!(8..=500).contains(&length));
            }
        }

        #[test]
        fn first_channels_of_any_bytes_are_those_of_everything(
            stored in prop::collection::vec(any::<u8>(), 0..3000),
            length in 0..7_000_usize,
        ) {
            let bytes = [&[0x80], &stored[..]].concat();
            if let Some(found) = first_of(&bytes, 3, length) {
                prop_assert_eq!(found, every(&decoded(&bytes, length * 3).unwrap(), 3));
            }
        }

        #[test]
        fn any_bytes_are_decoded_or_refused(
            stored in prop::collection::vec(any::<u8>(), 0..3000),
            length in 0..20_000_usize,
        ) {
            let first = decoded(&stored, length);
            let again = decoded(&stored, length);
            prop_assert_eq!(first.ok(), again.ok());
        }
    }
}
