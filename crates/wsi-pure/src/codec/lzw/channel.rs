//! The first of several interleaved bytes alone, out of LZW, as runs: the labels of a mask.
//!
//! Pixels of a mask repeat, and so do the bytes of an LZW phrase with the period of a pixel. A
//! phrase is kept as the runs of equal pixels that it is made of, each behind the phrase before it,
//! so that a code costs a look at each run and not a copy of its bytes. Where pixels do not
//! repeat this is slower than decoding everything, and is given up.

use wsi_core::{Runs, Size};

use super::{CLEAR, CODES, END, FIRST_FREE, MAX_WIDTH, MIN_WIDTH, Msb, Order, is_old};

/// What a code stands for, in two words, so that a byte more is an addition and not six.
#[derive(Clone, Copy, Debug, Default)]
struct Phrase {
    /// Bytes of all of it, and above them those of its last run, whose every byte is the one a pixel
    /// before.
    lengths: u64,
    /// From the lowest bits up: the first bytes of that run, as many as a pixel has, the very first
    /// lowest, in 32 bits; the phrase before that run, if there is one, in 16; the phrase's first
    /// byte; and where among the first bytes the one is that would go on with the run, in bits.
    content: u64,
}

/// The table of codes and a phrase's runs from its last to its first, kept between tiles.
pub(in crate::codec) struct Table {
    phrases: Box<[Phrase; CODES]>,
    backwards: Vec<(u8, u32)>,
    /// Bytes of a pixel that the single bytes are entered for.
    step: u32,
}

impl Default for Table {
    fn default() -> Self {
        let phrases = vec![Phrase::default(); CODES].into_boxed_slice();
        Self {
            // `CODES` of them have just been made.
            phrases: phrases.try_into().expect("as many as were asked for"),
            backwards: Vec::new(),
            step: 0,
        }
    }
}

impl Table {
    /// Enters the single bytes. Clear and end keep a length of 0.
    fn prepare<const STEP: u32>(&mut self) {
        if self.step == STEP {
            return;
        }
        self.step = STEP;
        for (byte, phrase) in (0_u8..=255).zip(self.phrases.iter_mut().take(CLEAR)) {
            *phrase = Phrase::run_of::<STEP>(byte, byte, 1, NONE);
        }
    }
}

/// The first byte of every `step` of a stream, in rows of `size`. `None` if that does not pay or the
/// stream is damaged.
pub(in crate::codec) fn decode(
    stored: &[u8],
    step: usize,
    size: Size,
    table: &mut Table,
) -> Option<Runs> {
    // Each row takes a run at least.
    if is_old(stored) || size.height == 0 || (size.width as usize) < WORTH {
        return None;
    }
    match step {
        1 => decode_every::<1>(stored, size, table),
        2 => decode_every::<2>(stored, size, table),
        3 => decode_every::<3>(stored, size, table),
        4 => decode_every::<4>(stored, size, table),
        _ => None,
    }
}

fn decode_every<const STEP: u32>(stored: &[u8], size: Size, table: &mut Table) -> Option<Runs> {
    table.prepare::<STEP>();
    let Table {
        phrases, backwards, ..
    } = table;
    // With this, and a phrase more, all numbers of bytes stay below 2^32.
    let wanted = size.area().checked_mul(u64::from(STEP))?;
    let wanted = u32::try_from(wanted)
        .ok()
        .filter(|&bytes| bytes < 1 << 31)?;
    let mut out = Out::new(size, wanted / STEP, stored.len());
    let mut rest = stored;
    let (mut bits, mut count) = (0_u64, 0_u32);
    let mut written = 0_u32;
    let mut width = MIN_WIDTH;
    let mut next = FIRST_FREE;
    // The code before, none after a clear, and what it stands for.
    let (mut previous, mut before) = (CLEAR, Phrase::default());

    while written < wanted {
        if count < width {
            let bytes = Msb::refill(&mut bits, count, rest);
            rest = rest.get(bytes..).unwrap_or_default();
            count += 8 * u32::try_from(bytes).ok()?;
            // Here, and not after each code: what a few codes add is little.
            if count < width || !out.pays() {
                return None;
            }
        }
        let code = Msb::take(&mut bits, width);
        count -= width;
        if code == CLEAR {
            (width, next, previous) = (MIN_WIDTH, FIRST_FREE, CLEAR);
            continue;
        }
        if code == END || code > next || (code == next && previous == CLEAR) {
            return None;
        }
        let mut phrase = phrases[code & (CODES - 1)];
        if previous != CLEAR && next < CODES {
            let is_new = code == next;
            let byte = if is_new {
                before.first()
            } else {
                phrase.first()
            };
            let new = before.followed_by::<STEP>(byte, previous);
            phrases[next] = new;
            if is_new {
                phrase = new;
            }
            next += 1;
            if next + Msb::EARLY >= 1 << width && width < MAX_WIDTH {
                width += 1;
            }
        }
        let start = written;
        written = written.wrapping_add(phrase.length());
        if phrase.before() == NONE {
            out.add(phrase.label::<STEP>(start), written.div_ceil(STEP));
        } else {
            let (mut end, mut part) = (written, phrase);
            loop {
                let start = end.wrapping_sub(part.run());
                backwards.push((part.label::<STEP>(start), end.div_ceil(STEP)));
                if part.before() == NONE {
                    break;
                }
                end = start;
                part = phrases[usize::from(part.before()) & (CODES - 1)];
            }
            for (label, end) in backwards.drain(..).rev() {
                out.add(label, end);
            }
        }
        (previous, before) = (code, phrase);
    }
    out.end()
}

impl Phrase {
    /// One run that a byte begins, behind the phrase of code `before`.
    #[inline(always)]
    const fn run_of<const STEP: u32>(byte: u8, first: u8, length: u32, before: u16) -> Self {
        let turn = 8 % (8 * STEP);
        Self {
            lengths: length as u64 | 1 << 32,
            content: byte as u64
                | (before as u64) << 32
                | (first as u64) << 48
                | (turn as u64) << 56,
        }
    }

    #[inline(always)]
    #[expect(clippy::cast_possible_truncation, reason = "the lower half")]
    const fn length(self) -> u32 {
        self.lengths as u32
    }

    /// Bytes of the last run.
    #[inline(always)]
    const fn run(self) -> u32 {
        (self.lengths >> 32) as u32
    }

    #[inline(always)]
    #[expect(clippy::cast_possible_truncation, reason = "the lower half")]
    const fn pixel(self) -> u32 {
        self.content as u32
    }

    #[inline(always)]
    #[expect(clippy::cast_possible_truncation, reason = "16 of its bits")]
    const fn before(self) -> u16 {
        (self.content >> 32) as u16
    }

    #[inline(always)]
    #[expect(clippy::cast_possible_truncation, reason = "8 of its bits")]
    const fn first(self) -> u8 {
        (self.content >> 48) as u8
    }

    /// This phrase, whose code is `code`, and one more byte.
    #[inline(always)]
    #[expect(clippy::cast_possible_truncation, reason = "a byte, a code of 12 bits")]
    const fn followed_by<const STEP: u32>(self, byte: u8, code: usize) -> Self {
        let turn = (self.content >> 56) as u32;
        let is_short = self.run() < STEP;
        if !is_short && (self.content >> turn) as u8 != byte {
            return Self::run_of::<STEP>(
                byte,
                self.first(),
                self.length().wrapping_add(1),
                code as u16,
            );
        }
        // The first of its pixel goes on behind the last.
        let turned = if turn == 8 * (STEP - 1) {
            self.content.wrapping_sub((8 * (STEP - 1) as u64) << 56)
        } else {
            self.content.wrapping_add(8 << 56)
        };
        Self {
            lengths: self.lengths.wrapping_add(1 << 32 | 1),
            content: turned | (byte as u64) << turn,
        }
    }

    /// What the last run, which starts at byte `start` of the stream, has at the first pixel that
    /// begins in it.
    #[inline(always)]
    #[expect(clippy::cast_possible_truncation, reason = "a byte")]
    const fn label<const STEP: u32>(self, start: u32) -> u8 {
        let to_pixel = start.div_ceil(STEP).wrapping_mul(STEP).wrapping_sub(start);
        (self.pixel() >> (8 * (to_pixel & 3))) as u8
    }
}

/// Where runs go.
struct Out {
    runs: Runs,
    /// Pixels in `runs`, and the number of all.
    done: u32,
    all: u32,
    /// The run that is being made: from `done` on.
    label: u8,
    end: u32,
}

impl Out {
    fn new(size: Size, all: u32, stored: usize) -> Self {
        let mut runs = Runs::new(size.width);
        // Two of three codes of a mask go on with the run before, as a rule.
        runs.reserve(size.height as usize, stored / 3);
        Self {
            runs,
            done: 0,
            all,
            label: 0,
            end: 0,
        }
    }

    /// Pixels up to `end` are `label`; none if they are there already.
    #[inline(always)]
    fn add(&mut self, label: u8, end: u32) {
        if end > self.end {
            if label != self.label {
                self.flush();
                self.label = label;
            }
            self.end = end;
        }
    }

    #[inline(always)]
    fn flush(&mut self) {
        let end = self.end.min(self.all);
        self.runs.push(self.label, u64::from(end - self.done));
        self.done = end;
    }

    /// Whether runs take less memory, and were less work, than pixels.
    fn pays(&self) -> bool {
        self.runs.len().saturating_mul(WORTH) <= self.end as usize + 4096
    }

    fn end(mut self) -> Option<Runs> {
        self.flush();
        self.pays().then_some(self.runs)
    }
}

/// No code.
const NONE: u16 = u16::MAX;

/// Pixels that a run has to hold on the average to be worth it.
const WORTH: usize = 8;
