//! The first of several interleaved bytes alone, out of LZW: a label mask's only channel of use.
//!
//! Pixels of a mask repeat, and so do the bytes of an LZW phrase with the period of a pixel. A
//! phrase is kept as the runs of equal pixels that it is made of, each behind the phrase before it,
//! so that a code costs a store for each run and not a copy of its bytes. Where pixels do not
//! repeat this is slower than decoding everything, and is given up.

use super::{CLEAR, CODES, END, FIRST_FREE, MAX_WIDTH, MIN_WIDTH, Msb, Order, is_old};

/// What a code stands for.
#[derive(Clone, Copy, Debug, Default)]
struct Phrase {
    /// Bytes of all of it.
    length: u32,
    /// Bytes of its last run, whose every byte is the one a pixel before.
    run: u32,
    /// The first bytes of that run, as many as a pixel has, the very first in the lowest bits.
    pixel: u32,
    /// The phrase before that run, if there is one.
    before: u16,
    first: u8,
}

/// The table of codes, kept between tiles.
pub(in crate::codec) struct Table(Box<[Phrase; CODES]>);

impl Default for Table {
    fn default() -> Self {
        let phrases = vec![Phrase::default(); CODES].into_boxed_slice();
        let mut phrases: Box<[Phrase; CODES]> =
            phrases.try_into().expect("as many as were asked for");
        // Clear and end keep a length of 0.
        for (byte, phrase) in (0_u8..=255).zip(phrases.iter_mut().take(CLEAR)) {
            *phrase = Phrase {
                length: 1,
                run: 1,
                pixel: byte.into(),
                before: NONE,
                first: byte,
            };
        }
        Self(phrases)
    }
}

/// Fills `out` with the first byte of every `step`, of a stream of `out.len() * step` bytes.
/// `None` if that does not pay or the stream is damaged: what `out` then holds is unspecified.
pub(in crate::codec) fn decode(
    stored: &[u8],
    step: usize,
    out: &mut [u8],
    table: &mut Table,
) -> Option<()> {
    if is_old(stored) {
        return None;
    }
    match step {
        2 => decode_every::<2>(stored, out, table),
        3 => decode_every::<3>(stored, out, table),
        4 => decode_every::<4>(stored, out, table),
        _ => None,
    }
}

fn decode_every<const STEP: usize>(stored: &[u8], out: &mut [u8], table: &mut Table) -> Option<()> {
    let phrases = &mut *table.0;
    let wanted = out.len().checked_mul(STEP)?;
    u32::try_from(wanted).ok()?;
    let mut rest = stored;
    let (mut bits, mut count) = (0_u64, 0_u32);
    let mut written = 0_usize;
    let mut width = MIN_WIDTH;
    let mut next = FIRST_FREE;
    let mut stores = 0_usize;
    // The code before: none after a clear.
    let mut previous = CLEAR;

    while written < wanted {
        if count < width {
            let bytes = Msb::refill(&mut bits, count, rest);
            rest = rest.get(bytes..).unwrap_or_default();
            count += 8 * u32::try_from(bytes).ok()?;
            if count < width {
                return None;
            }
        }
        let code = Msb::take(&mut bits, width);
        count -= width;
        if code == CLEAR {
            (width, next, previous) = (MIN_WIDTH, FIRST_FREE, CLEAR);
            if stores.saturating_mul(WORTH) > written.saturating_add(4096) {
                return None;
            }
            continue;
        }
        if code == END || code > next || (code == next && previous == CLEAR) {
            return None;
        }
        if previous != CLEAR && next < CODES {
            let before = phrases[previous & (CODES - 1)];
            let byte = match code == next {
                true => before.first,
                false => phrases[code & (CODES - 1)].first,
            };
            phrases[next] = before.followed_by::<STEP>(byte, previous);
            next += 1;
            if next + Msb::EARLY >= 1 << width && width < MAX_WIDTH {
                width += 1;
            }
        } else if code == next {
            return None;
        }
        let phrase = phrases[code & (CODES - 1)];
        stores += emit::<STEP>(out, written, phrase, phrases);
        written += phrase.length as usize;
        previous = code;
    }
    Some(())
}

impl Phrase {
    /// This phrase, whose code is `code`, and one more byte.
    #[inline(always)]
    #[expect(clippy::cast_possible_truncation, reason = "a byte, a code of 12 bits, a small step")]
    fn followed_by<const STEP: usize>(mut self, byte: u8, code: usize) -> Self {
        let at = 8 * (self.run % STEP as u32);
        let goes_on = self.run >= STEP as u32 && (self.pixel >> at) as u8 == byte;
        if goes_on || self.run < STEP as u32 {
            self.pixel |= u32::from(byte) << at;
            self.run += 1;
        } else {
            self.before = code as u16;
            self.run = 1;
            self.pixel = byte.into();
        }
        self.length += 1;
        self
    }
}

/// Writes what a phrase at byte `at` of the stream has of the first bytes, from its last run to its
/// first; says how many runs there are.
#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "a byte")]
fn emit<const STEP: usize>(
    out: &mut [u8],
    at: usize,
    mut phrase: Phrase,
    phrases: &[Phrase; CODES],
) -> usize {
    let mut end = at + phrase.length as usize;
    let mut runs = 1;
    loop {
        let start = end.saturating_sub(phrase.run as usize);
        let (from, to) = (start.div_ceil(STEP), end.div_ceil(STEP).min(out.len()));
        if let Some(out) = out.get_mut(from..to)
            && !out.is_empty()
        {
            fill(
                out,
                (phrase.pixel >> (8 * ((from * STEP - start) % STEP))) as u8,
            );
        }
        if phrase.before == NONE {
            return runs;
        }
        runs += 1;
        end = start;
        phrase = phrases[usize::from(phrase.before) & (CODES - 1)];
    }
}

#[inline(always)]
fn fill(out: &mut [u8], value: u8) {
    match out.len() {
        0..=4 => out.iter_mut().for_each(|out| *out = value),
        _ => out.fill(value),
    }
}

/// No code.
const NONE: u16 = u16::MAX;

/// Bytes of the stream that a store has to save to be worth it.
const WORTH: usize = 20;
