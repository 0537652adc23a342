//! Samples as runs: a label mask is a few areas of one label each, so that its rows are a few runs.

use std::ops::Range;

use crate::geometry::Size;

/// Rows of samples of 8 bits, each as runs of equal samples from left to right.
///
/// ```
/// use wsi_core::{Run, Runs};
///
/// let mut runs = Runs::new(10);
/// runs.push(0, 13);
/// runs.push(7, 7);
/// assert_eq!(runs.rows(), 2);
/// assert_eq!(runs.within(0, 0..10).count(), 1);
/// let second: Vec<Run> = runs.within(1, 2..9).collect();
/// assert_eq!(second, [Run { start: 2, end: 3, sample: 0 }, Run { start: 3, end: 9, sample: 7 }]);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Runs {
    width: u32,
    /// Where the runs of each row start, and behind the last complete row, where the next do.
    starts: Vec<usize>,
    runs: Vec<Stored>,
    /// Samples of the row that is not complete.
    column: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stored {
    end: u32,
    sample: u8,
}

/// Equal samples side by side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "complete by nature")]
pub struct Run {
    /// The column of the first.
    pub start: u32,
    /// The column behind the last.
    pub end: u32,
    /// What they are.
    pub sample: u8,
}

impl Runs {
    /// No rows yet, which are to be `width` samples long.
    #[must_use]
    pub fn new(width: u32) -> Self {
        Self {
            width,
            starts: vec![0],
            runs: Vec::new(),
            column: 0,
        }
    }

    /// Takes memory for so many more rows and runs at once.
    pub fn reserve(&mut self, rows: usize, runs: usize) {
        self.starts.reserve(rows);
        self.runs.reserve(runs);
    }

    /// Appends `length` equal samples, which may go on into further rows.
    #[inline]
    pub fn push(&mut self, sample: u8, length: u64) {
        let mut left = length;
        while left > 0 && self.width > 0 {
            let room = self.width - self.column;
            let taken = u32::try_from(left).map_or(room, |left| left.min(room));
            left -= u64::from(taken);
            self.column += taken;
            let end = self.column;
            match self.runs.last_mut() {
                Some(last) if last.sample == sample && end > taken => last.end = end,
                _ => self.runs.push(Stored { end, sample }),
            }
            if end == self.width {
                self.starts.push(self.runs.len());
                self.column = 0;
            }
        }
    }

    /// Samples of a row.
    #[must_use]
    pub const fn width(&self) -> u32 {
        self.width
    }

    /// Rows that are complete.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.starts.len() - 1
    }

    /// Number of runs in all rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.runs.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }

    /// The sample that all are, if all are alike.
    #[must_use]
    pub fn uniform(&self) -> Option<u8> {
        let first = self.runs.first()?.sample;
        let alike =
            self.runs.len() <= self.rows() && self.runs.iter().all(|run| run.sample == first);
        alike.then_some(first)
    }

    /// What of the runs of a row lies in these columns, cut to them. A row that is not complete has
    /// none.
    pub fn within(&self, row: usize, columns: Range<u32>) -> impl Iterator<Item = Run> + use<'_> {
        let runs = match self.starts.get(row..) {
            Some(&[start, end, ..]) => &self.runs[start..end],
            _ => &[],
        };
        let first = runs.partition_point(|run| run.end <= columns.start);
        let mut from = columns.start;
        runs[first..].iter().map_while(move |run| {
            let start = from;
            from = run.end.min(columns.end);
            (start < columns.end).then_some(Run {
                start,
                end: from,
                sample: run.sample,
            })
        })
    }

    /// Hands over what [`within`](Self::within) gives of each of some rows, with the row: in less time,
    /// where there are many.
    #[inline]
    pub fn for_each_within(
        &self,
        rows: Range<usize>,
        columns: Range<u32>,
        mut each: impl FnMut(usize, Run),
    ) {
        for row in rows.start..rows.end.min(self.rows()) {
            let mut runs = &self.runs[self.starts[row]..self.starts[row + 1]];
            if runs.len() > FEW {
                runs = &runs[runs.partition_point(|run| run.end <= columns.start)..];
            }
            let mut start = columns.start;
            for &Stored { end, sample } in runs {
                let end = end.min(columns.end);
                if start < end {
                    each(row, Run { start, end, sample });
                    start = end;
                }
                if end == columns.end {
                    break;
                }
            }
        }
    }

    /// The first rows and columns of each, as many as a size has; all that there are if it has more.
    #[must_use]
    pub fn cut(&self, size: Size) -> Self {
        let width = size.width.min(self.width);
        let mut cut = Self::new(width);
        for row in 0..self.rows().min(size.height as usize) {
            for run in self.within(row, 0..width) {
                cut.push(run.sample, u64::from(run.end - run.start));
            }
        }
        cut
    }
}

/// Runs of which it takes less time to look at each than to search.
const FEW: usize = 16;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn samples(runs: &Runs) -> Vec<Vec<u8>> {
        let row = |row| {
            runs.within(row, 0..u32::MAX)
                .flat_map(|run| vec![run.sample; (run.end - run.start) as usize])
                .collect()
        };
        (0..runs.rows()).map(row).collect()
    }

    proptest! {
        #[test]
        fn runs_are_the_samples(
            width in 1_u32..120,
            pushed in prop::collection::vec((0_u8..3, prop_oneof![0_usize..90, 1_usize..4]), 0..160),
            columns in (0_u32..130, 0_u32..130),
        ) {
            let mut runs = Runs::new(width);
            let mut all = Vec::new();
            for (sample, length) in pushed {
                runs.push(sample, length as u64);
                all.extend(vec![sample; length]);
            }
            let rows: Vec<_> = all.chunks_exact(width as usize).map(<[u8]>::to_vec).collect();
            prop_assert_eq!(&samples(&runs), &rows);
            for (number, row) in rows.iter().enumerate() {
                // No two of them could be one.
                let borders = row.windows(2).filter(|pair| pair[0] != pair[1]).count();
                prop_assert_eq!(runs.within(number, 0..width).count(), borders + 1);
                let mut at = columns.0;
                for run in runs.within(number, columns.0..columns.1) {
                    prop_assert_eq!(run.start, at);
                    prop_assert!(run.start < run.end);
                    let part = &row[run.start as usize..run.end as usize];
                    prop_assert!(part.iter().all(|&sample| sample == run.sample));
                    at = run.end;
                }
                prop_assert_eq!(at, columns.1.min(width).max(columns.0));
            }
            let all_rows = rows.len() + 1;
            let mut visited = Vec::new();
            runs.for_each_within(1..all_rows, columns.0..columns.1, |row, run| visited.push((row, run)));
            let one_by_one = (1..all_rows).flat_map(|row| {
                let runs = runs.within(row, columns.0..columns.1);
                runs.map(move |run| (row, run))
            });
            prop_assert_eq!(visited, one_by_one.collect::<Vec<_>>());
            let size = Size::new(columns.0, columns.1);
            let cut: Vec<Vec<u8>> = rows
                .iter()
                .take(size.height as usize)
                .map(|row| row.iter().take(size.width as usize).copied().collect())
                .collect();
            if size.width > 0 {
                prop_assert_eq!(samples(&runs.cut(size)), cut);
            }
            let whole = all.chunks_exact(width as usize).flatten();
            let rest = all.len() % width as usize;
            if rest == 0 && !all.is_empty() {
                let alike = whole.clone().all(|&sample| sample == all[0]);
                prop_assert_eq!(runs.uniform(), alike.then(|| all[0]));
            }
        }
    }

    #[test]
    fn rows_without_width_take_nothing() {
        let mut runs = Runs::new(0);
        runs.push(1, 9);
        assert_eq!((runs.rows(), runs.len(), runs.uniform()), (0, 0, None));
        assert!(runs.is_empty() && runs.within(3, 0..9).next().is_none());
    }
}
