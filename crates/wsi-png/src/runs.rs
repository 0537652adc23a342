//! Where bytes repeat: what is a match and what a literal.

use crate::tables::{END, LENGTH_CODE, LONGEST, SYMBOLS};

/// Literals, and then a run of the last byte before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    pub(crate) literals: u32,
    /// 0, or at least 4.
    pub(crate) run: u32,
}

/// How often each symbol occurs, over four tables so that the same byte twice does not wait.
pub(crate) struct Counts([[u32; SYMBOLS]; 4]);

impl Counts {
    pub(crate) const fn new() -> Self {
        Self([[0; SYMBOLS]; 4])
    }

    #[inline(always)]
    fn literals(&mut self, bytes: &[u8]) {
        let [a, b, c, d] = &mut self.0;
        let (fours, rest) = bytes.as_chunks::<4>();
        for four in fours {
            a[usize::from(four[0])] += 1;
            b[usize::from(four[1])] += 1;
            c[usize::from(four[2])] += 1;
            d[usize::from(four[3])] += 1;
        }
        for &byte in rest {
            a[usize::from(byte)] += 1;
        }
    }

    fn run(&mut self, run: usize) {
        for length in matches(run) {
            self.0[0][END + 1 + usize::from(LENGTH_CODE[length])] += 1;
        }
    }

    pub(crate) fn total(mut self) -> [u32; SYMBOLS] {
        self.0[0][END] += 1;
        let [a, b, c, d] = &self.0;
        std::array::from_fn(|symbol| a[symbol] + b[symbol] + c[symbol] + d[symbol])
    }
}

/// Cuts a run into matches, each of a length that DEFLATE has.
pub(crate) fn matches(run: usize) -> impl Iterator<Item = usize> {
    let mut left = run;
    std::iter::from_fn(move || {
        let next = match left {
            0 => return None,
            // None may be left that is shorter than three.
            left if left >= LONGEST + 3 || left == LONGEST => LONGEST,
            left if left > LONGEST => left - 3,
            left => left,
        };
        left -= next;
        Some(next)
    })
}

/// Cuts `data` into pieces and counts their symbols.
///
/// Runs are found eight bytes at a time, so that noise costs little: those of four to six bytes
/// that lie across two steps stay literals. `skip` may pass steps in which no run begins: it gets the
/// data and the place of a step, and gives that of a later one.
#[inline(always)]
pub(crate) fn find(
    data: &[u8],
    pieces: &mut Vec<Piece>,
    skip: impl Fn(&[u8], usize) -> usize,
) -> Counts {
    let mut counts = Counts::new();
    pieces.clear();
    // The first byte has none before it.
    let (mut start, mut at) = (0, 1);
    loop {
        at = skip(data, at);
        let Some(step) = data.get(at - 1..).and_then(|rest| rest.first_chunk::<9>()) else {
            break;
        };
        let differences = differences(step);
        // A byte of `four` is 0 where it and the three behind it are as those before them.
        let four = differences | differences >> 8 | differences >> 16 | differences >> 24;
        if has_no_zero_in_first_five(four) {
            at += 8;
            continue;
        }
        let first = at + first_zero(four);
        let run = length_of_run(&data[first - 1..]);
        counts.literals(&data[start..first]);
        counts.run(run);
        pieces.push(Piece {
            literals: length(first - start),
            run: length(run),
        });
        start = first + run;
        at = start.max(at + 1);
    }
    if start < data.len() {
        counts.literals(&data[start..]);
        pieces.push(Piece {
            literals: length(data.len() - start),
            run: 0,
        });
    }
    counts
}

/// Of eight bytes, each as its difference to the one before it: the first in the lowest place.
#[inline(always)]
fn differences(step: &[u8; 9]) -> u64 {
    let [before @ .., _] = step;
    let [_, bytes @ ..] = step;
    u64::from_le_bytes(*before) ^ u64::from_le_bytes(*bytes)
}

/// Whether none of the lowest five bytes is 0: the others lack bytes behind them.
#[inline(always)]
const fn has_no_zero_in_first_five(bytes: u64) -> bool {
    const ONES: u64 = 0x01_0101_0101;
    // Exact for the lowest byte that is 0, and only whether there is one matters.
    bytes.wrapping_sub(ONES) & !bytes & (ONES << 7) == 0
}

/// The lowest byte that is 0.
#[inline(always)]
const fn first_zero(bytes: u64) -> usize {
    let mut position = 0;
    while position < 4 && (bytes >> (8 * position)) & 0xFF != 0 {
        position += 1;
    }
    position
}

/// How many bytes behind the first are like it.
fn length_of_run(data: &[u8]) -> usize {
    let Some((&byte, rest)) = data.split_first() else {
        return 0;
    };
    let all = u64::from_ne_bytes([byte; 8]);
    let (eights, tail) = rest.as_chunks::<8>();
    let whole = eights
        .iter()
        .take_while(|eight| u64::from_ne_bytes(**eight) == all)
        .count();
    let rest = eights.get(whole).map_or(tail, |eight| &eight[..]);
    8 * whole + rest.iter().take_while(|&&next| next == byte).count()
}

#[expect(clippy::cast_possible_truncation, reason = "a band is shorter than 4 GiB")]
const fn length(bytes: usize) -> u32 {
    bytes as u32
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn runs_are_cut_into_matches_of_legal_length() {
        for run in 4..3000 {
            let cut: Vec<usize> = matches(run).collect();
            assert_eq!(cut.iter().sum::<usize>(), run);
            assert!(
                cut.iter().all(|length| (3..=LONGEST).contains(length)),
                "{run}"
            );
        }
    }

    fn unpacked(data: &[u8], pieces: &[Piece]) -> Vec<u8> {
        let mut out: Vec<u8> = Vec::new();
        for piece in pieces {
            let from = out.len();
            out.extend_from_slice(&data[from..from + piece.literals as usize]);
            let last = out.last().copied().unwrap_or(0);
            out.extend(std::iter::repeat_n(last, piece.run as usize));
        }
        out
    }

    proptest! {
        #[test]
        fn pieces_are_the_data(
            runs in prop::collection::vec((0..3_u8, 1..40_usize), 0..200),
        ) {
            let data: Vec<u8> = runs.iter().flat_map(|&(v, n)| vec![v; n]).collect();
            let mut pieces = Vec::new();
            let total = find(&data, &mut pieces, |_, at| at).total();
            prop_assert_eq!(&unpacked(&data, &pieces), &data);
            prop_assert!(pieces.iter().all(|piece| piece.run == 0 || piece.run >= 4));
            let literals: u32 = total[..END].iter().sum();
            prop_assert_eq!(literals, pieces.iter().map(|piece| piece.literals).sum::<u32>());
            // Long runs are found wherever they lie.
            let mut at = 0;
            for piece in &pieces {
                let literals = &data[at..at + piece.literals as usize];
                let longest = literals.chunk_by(|a, b| a == b).map(<[u8]>::len).max();
                prop_assert!(longest.unwrap_or(0) <= 12, "{:?}", longest);
                at += (piece.literals + piece.run) as usize;
            }
        }
    }
}
