//! Labels of 8 bits as runs: a mask is a few areas of one label each, so that its rows are a few runs.

use crate::arch;

/// Rows of labels, each as runs of equal labels from left to right.
#[derive(Debug)]
pub(crate) struct LabelRuns {
    /// Where the runs of each row start in `runs`, and where those of the last end.
    starts: Vec<u32>,
    runs: Vec<Run>,
}

/// Equal labels side by side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Run {
    /// The column behind its last.
    end: u32,
    label: u8,
}

impl LabelRuns {
    /// The runs of rows of `width` labels, unless they are so many that the labels themselves take
    /// less memory.
    pub(crate) fn find(labels: &[u8], width: usize) -> Option<Self> {
        if width == 0 || u32::try_from(labels.len()).is_err() {
            return None;
        }
        let most = labels.len() / size_of::<Run>();
        let mut starts = vec![0];
        let mut runs = Vec::new();
        let mut ends = Vec::new();
        for row in labels.chunks_exact(width) {
            ends.clear();
            arch::ends_of_runs(row, &mut ends);
            if runs.len() + ends.len() > most {
                return None;
            }
            runs.extend(ends.iter().map(|&end| Run {
                end,
                label: row[end as usize - 1],
            }));
            starts.push(u32::try_from(runs.len()).ok()?);
        }
        Some(Self { starts, runs })
    }

    /// What of the runs of a row lies in columns `left..right`: first column, column behind the last,
    /// label.
    pub(crate) fn within(
        &self,
        row: usize,
        left: u32,
        right: u32,
    ) -> impl Iterator<Item = (u32, u32, u8)> {
        let [start, end] = [row, row + 1].map(|row| self.starts[row] as usize);
        let runs = &self.runs[start..end];
        let first = runs.partition_point(|run| run.end <= left);
        let mut from = left;
        runs[first..].iter().map_while(move |run| {
            let start = std::mem::replace(&mut from, run.end.min(right));
            (start < right).then_some((start, from, run.label))
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn runs_are_the_labels(
            width in 1_usize..300,
            lengths in prop::collection::vec((0_u8..3, 1_usize..150), 30..60),
            left in 0_u32..300,
            right in 0_u32..300,
        ) {
            let labels: Vec<u8> = lengths
                .iter()
                .flat_map(|&(label, length)| std::iter::repeat_n(label, length))
                .collect();
            let rows = labels.len() / width;
            let labels = &labels[..rows * width];
            if let Some(runs) = LabelRuns::find(labels, width) {
                let right = right.min(u32::try_from(width).unwrap());
                for (number, row) in labels.chunks_exact(width).enumerate() {
                    let mut at = left;
                    for (start, end, label) in runs.within(number, left, right) {
                        prop_assert_eq!(start, at);
                        prop_assert!(start < end && end <= right);
                        let part = &row[start as usize..end as usize];
                        prop_assert!(part.iter().all(|&found| found == label));
                        at = end;
                    }
                    prop_assert_eq!(at, right.max(left));
                    let borders = row.windows(2).filter(|pair| pair[0] != pair[1]).count();
                    prop_assert_eq!(runs.within(number, 0, u32::MAX).count(), borders + 1);
                }
            }
        }
    }

    #[test]
    fn labels_that_change_all_the_time_stay_as_they_are() {
        let noise: Vec<u8> = (0..=255).cycle().take(4096).collect();
        assert!(LabelRuns::find(&noise, 64).is_none());
        assert!(LabelRuns::find(&[1; 4096], 64).is_some());
        assert!(LabelRuns::find(&[], 0).is_none());
    }
}
