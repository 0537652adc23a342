//! Reduced decoding: 1/2, 1/4 and 1/8 by smaller inverse transforms.
//!
//! libjpeg-turbo also knows 3/8, 5/8, ... 2/1. No slide reader asks for them.

use crate::frame::Component;

/// How large the decoded picture is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Scale {
    /// As stored.
    #[default]
    Full,
    /// Half the width and height, rounded up.
    Half,
    /// A quarter of the width and height, rounded up.
    Quarter,
    /// An eighth of the width and height, rounded up.
    Eighth,
}

impl Scale {
    /// Samples that 8 samples of the full size become.
    #[must_use]
    pub(crate) fn eighths(self) -> u32 {
        match self {
            Self::Full => 8,
            Self::Half => 4,
            Self::Quarter => 2,
            Self::Eighth => 1,
        }
    }

    /// A length at this scale, rounded up.
    ///
    /// # Example
    /// ```
    /// use wsi_jpeg::Scale;
    ///
    /// assert_eq!(Scale::Half.apply(17), 9);
    /// ```
    #[must_use]
    pub fn apply(self, length: u32) -> u32 {
        length.div_ceil(8 / self.eighths())
    }

    /// Edge length of the blocks that one component is transformed to.
    ///
    /// A subsampled component takes a larger transform where that spares its upsampling, both
    /// ways by the same factor (libjpeg-turbo `jpeg_calc_output_dimensions`).
    pub(crate) fn block_size(self, component: &Component, largest: (u8, u8)) -> u32 {
        let smallest = self.eighths();
        let across = u32::from(largest.0) * smallest;
        let down = u32::from(largest.1) * smallest;
        let mut size = smallest;
        while size < 8
            && across.is_multiple_of(u32::from(component.horizontal) * size * 2)
            && down.is_multiple_of(u32::from(component.vertical) * size * 2)
        {
            size *= 2;
        }
        size
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn component(horizontal: u8, vertical: u8) -> Component {
        Component {
            id: 0,
            horizontal,
            vertical,
            quantiser_slot: 0,
        }
    }

    #[test]
    fn halved_420_needs_no_upsampling() {
        assert_eq!(Scale::Half.block_size(&component(2, 2), (2, 2)), 4);
        assert_eq!(Scale::Half.block_size(&component(1, 1), (2, 2)), 8);
        assert_eq!(Scale::Eighth.block_size(&component(1, 1), (2, 2)), 2);
    }

    #[test]
    fn halved_422_still_upsamples() {
        assert_eq!(Scale::Half.block_size(&component(1, 1), (2, 1)), 4);
    }
}
