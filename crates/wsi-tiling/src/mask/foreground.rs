//! Which labels count, and how labels lie in memory.

use std::fmt;

use wsi_core::PixelFormat;

use crate::arch;

/// The type of a label. Labels in memory are in the machine's byte order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LabelType {
    /// 8 bits.
    U8,
    /// 16 bits.
    U16,
    /// 32 bits.
    U32,
}

impl LabelType {
    /// Bytes of one label.
    #[must_use]
    pub const fn bytes(self) -> usize {
        match self {
            Self::U8 => 1,
            Self::U16 => 2,
            Self::U32 => 4,
        }
    }

    /// The NumPy name, as `uint8`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::U8 => "uint8",
            Self::U16 => "uint16",
            Self::U32 => "uint32",
        }
    }

    /// The format of a picture of such labels.
    #[must_use]
    pub const fn pixel_format(self) -> PixelFormat {
        match self {
            Self::U8 => PixelFormat::GRAY8,
            Self::U16 => PixelFormat::GRAY16,
            Self::U32 => PixelFormat::GRAY32,
        }
    }

    /// The labels in `bytes`, one after another.
    pub(crate) fn read(self, bytes: &[u8]) -> impl Iterator<Item = u32> + '_ {
        bytes.chunks_exact(self.bytes()).map(|label| match *label {
            [label] => label.into(),
            [a, b] => u16::from_ne_bytes([a, b]).into(),
            [a, b, c, d] => u32::from_ne_bytes([a, b, c, d]),
            _ => 0,
        })
    }
}

mod sealed {
    #[expect(unnameable_types, reason = "seals `LabelSample`")]
    pub trait Sealed {}
}

/// A Rust type that holds one label.
pub trait LabelSample: sealed::Sealed + Copy {
    /// The label type that it holds.
    const TYPE: LabelType;

    /// Its bytes in the machine's order.
    #[doc(hidden)]
    fn to_bytes(self) -> Vec<u8>;
}

macro_rules! label_samples {
    ($($rust:ty: $kind:ident),*) => {$(
        impl sealed::Sealed for $rust {}
        impl LabelSample for $rust {
            const TYPE: LabelType = LabelType::$kind;

            fn to_bytes(self) -> Vec<u8> {
                self.to_ne_bytes().to_vec()
            }
        }
    )*};
}

label_samples!(u8: U8, u16: U16, u32: U32);

/// Which labels are foreground.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Foreground(Rule);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Rule {
    AboveZero,
    /// Sorted, and which of 0..=255 are in it.
    Labels(Vec<u32>, Box<[bool; 256]>),
}

impl Default for Foreground {
    /// Every label above 0.
    fn default() -> Self {
        Self(Rule::AboveZero)
    }
}

impl Foreground {
    /// These labels alone.
    #[must_use]
    pub fn labels(labels: impl IntoIterator<Item = u32>) -> Self {
        let mut labels: Vec<u32> = labels.into_iter().collect();
        labels.sort_unstable();
        labels.dedup();
        let mut bytes = Box::new([false; 256]);
        for &label in &labels {
            if let Some(slot) = bytes.get_mut(label as usize) {
                *slot = true;
            }
        }
        Self(Rule::Labels(labels, bytes))
    }

    /// Whether a label is foreground.
    ///
    /// ```
    /// use wsi_tiling::Foreground;
    /// assert!(Foreground::default().contains(7));
    /// assert!(!Foreground::labels([1, 2]).contains(7));
    /// ```
    #[must_use]
    pub fn contains(&self, label: u32) -> bool {
        match &self.0 {
            Rule::AboveZero => label > 0,
            Rule::Labels(labels, _) => labels.binary_search(&label).is_ok(),
        }
    }

    /// How many of the labels in `bytes` are foreground.
    #[must_use]
    pub fn count(&self, bytes: &[u8], labels: LabelType) -> u64 {
        match (&self.0, labels) {
            (Rule::AboveZero, LabelType::U8) => arch::count_above_zero(bytes),
            (Rule::Labels(_, table), LabelType::U8) => bytes
                .iter()
                .map(|&label| u64::from(table[usize::from(label)]))
                .sum(),
            _ => labels
                .read(bytes)
                .map(|label| u64::from(self.contains(label)))
                .sum(),
        }
    }

    /// First and last position of a foreground label in `bytes`.
    pub(crate) fn span(&self, bytes: &[u8], labels: LabelType) -> Option<(usize, usize)> {
        let width = labels.bytes();
        let found = |label: &[u8]| labels.read(label).any(|label| self.contains(label));
        let first = bytes.chunks_exact(width).position(found)?;
        let last = bytes.chunks_exact(width).rposition(found)?;
        Some((first, last))
    }
}

impl fmt::Display for Foreground {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Rule::AboveZero => f.write_str("labels above 0"),
            Rule::Labels(labels, _) => {
                let labels: Vec<_> = labels.iter().map(u32::to_string).collect();
                write!(f, "labels {}", labels.join(", "))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counting_in_blocks_is_counting() {
        for length in [0, 1, 31, 32, 33, 8159, 8160, 8161, 20_000] {
            let bytes: Vec<u8> = (0..length)
                .map(|i: u32| u8::from(i.wrapping_mul(2_654_435_761) >> 30 != 0))
                .collect();
            let naive = bytes.iter().filter(|&&label| label > 0).count() as u64;
            assert_eq!(
                Foreground::default().count(&bytes, LabelType::U8),
                naive,
                "{length}"
            );
        }
        assert_eq!(
            Foreground::default().count(&vec![255; 100_000], LabelType::U8),
            100_000
        );
    }

    #[test]
    fn wide_labels_are_whole_numbers() {
        let bytes: Vec<u8> = [256_u16, 0, 512, 1]
            .into_iter()
            .flat_map(u16::to_ne_bytes)
            .collect();
        assert_eq!(Foreground::default().count(&bytes, LabelType::U16), 3);
        let chosen = Foreground::labels([512, 0, 512]);
        assert_eq!(chosen.count(&bytes, LabelType::U16), 2);
        assert_eq!(chosen.span(&bytes, LabelType::U16), Some((1, 2)));
        assert_eq!(chosen.count(&[0, 1, 0, 2], LabelType::U8), 2);
        assert_eq!(chosen.to_string(), "labels 0, 512");
    }
}
