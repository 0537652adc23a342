//! Labels of 8 bits as runs, where a source has not given them so.

use wsi_core::Runs;

use crate::arch;

/// The runs of rows of `width` labels, unless they are so many that the labels themselves take less
/// memory.
pub(super) fn find(labels: &[u8], width: u32) -> Option<Runs> {
    let most = labels.len() / BYTES;
    let mut runs = Runs::new(width);
    let mut ends = Vec::new();
    for row in labels.chunks_exact((width as usize).max(1)) {
        ends.clear();
        arch::ends_of_runs(row, &mut ends);
        if runs.len() + ends.len() > most {
            return None;
        }
        let mut start = 0;
        for &end in &ends {
            runs.push(row[start as usize], u64::from(end - start));
            start = end;
        }
    }
    Some(runs)
}

/// Bytes of a run.
const BYTES: usize = 8;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn runs_are_the_labels(
            width in 1_u32..300,
            lengths in prop::collection::vec((0_u8..3, 1_usize..150), 30..60),
        ) {
            let labels: Vec<u8> = lengths
                .iter()
                .flat_map(|&(label, length)| std::iter::repeat_n(label, length))
                .collect();
            let whole = labels.len() / width as usize * width as usize;
            let mut expected = Runs::new(width);
            for &label in &labels[..whole] {
                expected.push(label, 1);
            }
            if let Some(runs) = find(&labels[..whole], width) {
                prop_assert_eq!(runs, expected);
            } else {
                prop_assert!(expected.len() * 8 > whole);
            }
        }
    }

    #[test]
    fn labels_that_change_all_the_time_stay_as_they_are() {
        let noise: Vec<u8> = (0..=255).cycle().take(4096).collect();
        assert!(find(&noise, 64).is_none());
        assert!(find(&[1; 4096], 64).is_some());
        assert!(find(&[], 0).is_some_and(|runs| runs.is_empty()));
    }
}
