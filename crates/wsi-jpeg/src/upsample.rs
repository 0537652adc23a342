//! Bringing subsampled components to the size of the picture.
//!
//! libjpeg-turbo's "fancy" upsampling is a triangle filter with weights 3/4 and 1/4 and a rounding
//! that alternates between columns; other factors repeat samples. Edges repeat their sample, which
//! the formulas below express by clamping indices.

use crate::sample::Sample;

/// How one component gets to the size of the picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Method {
    /// It has that size.
    None,
    /// Triangle filter across: twice as wide.
    FancyAcross,
    /// Triangle filter down: twice as high.
    FancyDown,
    /// Both.
    FancyBoth,
    /// Each sample so often across and down.
    Repeat { across: usize, down: usize },
}

impl Method {
    /// Chooses as libjpeg-turbo does (`jinit_upsampler`), from the factors across and down.
    ///
    /// `width` is the component's own; two samples or fewer are too narrow for a filter across.
    /// `fancy` is off at 1/8 and for lossless pictures.
    pub(crate) fn choose(across: usize, down: usize, width: usize, fancy: bool) -> Self {
        match (across, down) {
            (1, 1) => Self::None,
            (2, 1) if fancy && width > 2 => Self::FancyAcross,
            (1, 2) if fancy => Self::FancyDown,
            (2, 2) if fancy && width > 2 => Self::FancyBoth,
            _ => Self::Repeat { across, down },
        }
    }

    /// Whether a row needs the component's rows above and below it.
    pub(crate) fn needs_context(self) -> bool {
        matches!(self, Self::FancyDown | Self::FancyBoth)
    }

    /// How many output rows come of one row.
    pub(crate) fn rows_per_row(self) -> usize {
        match self {
            Self::None | Self::FancyAcross => 1,
            Self::FancyDown | Self::FancyBoth => 2,
            Self::Repeat { down, .. } => down,
        }
    }
}

/// A row that is upsampled by a filter, see [`across`] and [`both`].
#[cfg_attr(not(target_arch = "x86_64"), allow(dead_code, reason = "vector kernels are for x86-64"))]
#[derive(Debug, Clone, Copy)]
pub(crate) enum Upsampled<'r, S = u8> {
    Across(&'r [S]),
    Both { near: &'r [S], far: &'r [S] },
}

#[cfg_attr(not(target_arch = "x86_64"), allow(dead_code, reason = "vector kernels are for x86-64"))]
impl<S> Upsampled<'_, S> {
    /// Samples before upsampling.
    pub(crate) fn width(&self) -> usize {
        match self {
            Self::Across(row) => row.len(),
            Self::Both { near, far } => near.len().min(far.len()),
        }
    }
}

/// `even = (3 c + left + 1) >> 2`, `odd = (3 c + right + 2) >> 2`.
///
/// `out` takes two samples for each of `row`, which has more than two.
pub(crate) fn across<S: Sample>(row: &[S], out: &mut [S]) {
    let [first, .., last] = row else { return };
    let filter =
        |c: S, near: S, round: u16| S::from_u16((3 * c.to_u16() + near.to_u16() + round) >> 2);
    let (pairs, _) = out.as_chunks_mut::<2>();
    for (pair, window) in pairs.iter_mut().skip(1).zip(row.windows(3)) {
        *pair = [
            filter(window[1], window[0], 1),
            filter(window[1], window[2], 2),
        ];
    }
    if let [head, .., tail] = &mut pairs[..row.len()] {
        *head = [*first, filter(*first, row[1], 2)];
        *tail = [filter(*last, row[row.len() - 2], 1), *last];
    }
}

/// `(3 near + far + 1) >> 2` for an upper row, `+ 2` for a lower one.
pub(crate) fn down<S: Sample>(near: &[S], far: &[S], lower: bool, out: &mut [S]) {
    let round = if lower { 2 } else { 1 };
    for ((to, near), far) in out.iter_mut().zip(near).zip(far) {
        *to = S::from_u16((3 * near.to_u16() + far.to_u16() + round) >> 2);
    }
}

/// Column sums `s = 3 near + far`, then `even = (3 s + s_left + 8) >> 4` and
/// `odd = (3 s + s_right + 7) >> 4`.
///
/// `sums` is scratch as long as `near`; `out` takes two samples for each of `near`, which has more
/// than two. The largest sum is 16 times the largest 12-bit sample plus 8: it fits 16 bits.
pub(crate) fn both<S: Sample>(near: &[S], far: &[S], sums: &mut [u16], out: &mut [S]) {
    let width = near.len();
    let sums = &mut sums[..width];
    for ((sum, near), far) in sums.iter_mut().zip(near).zip(far) {
        *sum = 3 * near.to_u16() + far.to_u16();
    }
    let filter = |s: u16, near: u16, round: u16| S::from_u16((3 * s + near + round) >> 4);
    let (pairs, _) = out.as_chunks_mut::<2>();
    for (pair, window) in pairs.iter_mut().skip(1).zip(sums.windows(3)) {
        *pair = [
            filter(window[1], window[0], 8),
            filter(window[1], window[2], 7),
        ];
    }
    if let ([head, .., tail], [first, second, .., before, last]) = (&mut pairs[..width], &*sums) {
        *head = [filter(*first, *first, 8), filter(*first, *second, 7)];
        *tail = [filter(*last, *before, 8), filter(*last, *last, 7)];
    } else if let ([head, _, tail], [first, second, last]) = (&mut pairs[..width], &*sums) {
        *head = [filter(*first, *first, 8), filter(*first, *second, 7)];
        *tail = [filter(*last, *second, 8), filter(*last, *last, 7)];
    }
}

/// Each sample `times` times.
pub(crate) fn repeat<S: Sample>(row: &[S], times: usize, out: &mut [S]) {
    for (group, sample) in out.chunks_mut(times).zip(row) {
        group.fill(*sample);
    }
}

#[cfg(test)]
#[allow(clippy::cast_possible_truncation, clippy::needless_range_loop, reason = "test patterns")]
mod tests {
    use super::*;

    #[test]
    fn across_equals_its_formula_at_every_width() {
        for width in 3..20_usize {
            let row: Vec<u8> = (0..width).map(|x| (x * 89 % 256) as u8).collect();
            let mut out = vec![0; 2 * width];
            across(&row, &mut out);
            for x in 0..2 * width {
                let (c, odd) = (x / 2, x % 2);
                let other = if odd == 1 {
                    (c + 1).min(width - 1)
                } else {
                    c.saturating_sub(1)
                };
                let sum = 3 * u32::from(row[c]) + u32::from(row[other]);
                assert_eq!(u32::from(out[x]), (sum + 1 + odd as u32) >> 2);
            }
        }
    }

    #[test]
    fn both_equals_its_formula_at_every_width() {
        for width in 3..20_usize {
            let near: Vec<u16> = (0..width).map(|x| (x * 1789 % 4096) as u16).collect();
            let far: Vec<u16> = (0..width).map(|x| (4095 - x * 997 % 4096) as u16).collect();
            let (mut sums, mut out) = (vec![0; width], vec![0; 2 * width]);
            both(&near, &far, &mut sums, &mut out);
            let s = |x: usize| 3 * u32::from(near[x]) + u32::from(far[x]);
            for x in 0..2 * width {
                let (c, odd) = (x / 2, x % 2);
                let other = if odd == 1 {
                    (c + 1).min(width - 1)
                } else {
                    c.saturating_sub(1)
                };
                assert_eq!(
                    u32::from(out[x]),
                    (3 * s(c) + s(other) + 8 - odd as u32) >> 4
                );
            }
        }
    }
}
