//! The geometry of a decode: blocks, MCUs and planes, worked out once from headers and scale.

use crate::error::Error;
use crate::frame::{Frame, Process};
use crate::scale::Scale;
use crate::upsample::Method;

/// One component's share of the geometry. Data units are blocks, or samples of a lossless picture.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ComponentLayout {
    /// Data units of one MCU across, in interleaved scans.
    pub(crate) horizontal: usize,
    /// Data units of one MCU down, in interleaved scans.
    pub(crate) vertical: usize,
    /// Data units that hold samples of the picture.
    pub(crate) units_wide: usize,
    pub(crate) units_high: usize,
    /// Data units with those that fill up the last MCUs.
    pub(crate) padded_wide: usize,
    pub(crate) padded_high: usize,
    /// Samples of one data unit across and down, after scaling.
    pub(crate) unit: usize,
    /// Samples of the component after scaling; what lies beyond is padding.
    pub(crate) width: usize,
    pub(crate) height: usize,
    pub(crate) method: Method,
}

impl ComponentLayout {
    /// Rows of samples in one row of MCUs.
    pub(crate) fn rows_per_mcu(&self) -> usize {
        self.vertical * self.unit
    }

    /// Samples from row to row of the plane.
    pub(crate) fn stride(&self) -> usize {
        self.padded_wide * self.unit
    }
}

/// The geometry of all components.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Layout {
    /// Size of the output in pixels.
    pub(crate) width: usize,
    pub(crate) height: usize,
    /// Interleaved MCUs.
    pub(crate) mcus_wide: usize,
    pub(crate) mcus_high: usize,
    /// Output rows of one row of MCUs.
    pub(crate) rows_per_mcu: usize,
    count: usize,
    components: [ComponentLayout; 4],
}

impl Layout {
    /// Works it out. `rendered` components, the first ones, go to the output.
    ///
    /// # Errors
    /// `Unsupported` for sampling factors that are no whole fractions of the largest, as in
    /// libjpeg.
    pub(crate) fn new(frame: &Frame, scale: Scale, rendered: usize) -> Result<Self, Error> {
        let lossless = frame.process == Process::Lossless;
        let (width, height) = (frame.width as usize, frame.height as usize);
        let largest = frame
            .components()
            .iter()
            .fold((1, 1), |(h, v), c| (h.max(c.horizontal), v.max(c.vertical)));
        let (wide, high) = (usize::from(largest.0), usize::from(largest.1));
        // Samples of a full-size data unit, and what a full-size component's unit becomes.
        let (data_unit, smallest) = if lossless {
            (1, 1)
        } else {
            (8, scale.eighths() as usize)
        };
        let mut layout = Self {
            width: if lossless {
                width
            } else {
                (width * smallest).div_ceil(8)
            },
            height: if lossless {
                height
            } else {
                (height * smallest).div_ceil(8)
            },
            mcus_wide: width.div_ceil(wide * data_unit),
            mcus_high: height.div_ceil(high * data_unit),
            rows_per_mcu: high * smallest,
            count: frame.components().len(),
            components: [ComponentLayout::EMPTY; 4],
        };
        for (index, (to, from)) in layout
            .components
            .iter_mut()
            .zip(frame.components())
            .enumerate()
        {
            let (h, v) = (usize::from(from.horizontal), usize::from(from.vertical));
            let unit = if lossless {
                1
            } else {
                scale.block_size(from, largest) as usize
            };
            *to = ComponentLayout {
                horizontal: h,
                vertical: v,
                units_wide: (width * h).div_ceil(wide * data_unit),
                units_high: (height * v).div_ceil(high * data_unit),
                padded_wide: layout.mcus_wide * h,
                padded_high: layout.mcus_high * v,
                unit,
                width: (width * h * unit).div_ceil(wide * data_unit),
                height: (height * v * unit).div_ceil(high * data_unit),
                method: Method::None,
            };
            if index < rendered {
                let (across, down) = (wide * smallest, high * smallest);
                if !across.is_multiple_of(h * unit) || !down.is_multiple_of(v * unit) {
                    return Err(Error::unsupported(format!(
                        "sampling factors {h} x {v} beside {wide} x {high}"
                    )));
                }
                to.method = Method::choose(
                    across / (h * unit),
                    down / (v * unit),
                    to.width,
                    !lossless && smallest > 1,
                );
            }
        }
        Ok(layout)
    }

    pub(crate) fn components(&self) -> &[ComponentLayout] {
        &self.components[..self.count]
    }

    /// Data units of all components together, padding included.
    pub(crate) fn all_units(&self) -> usize {
        self.components()
            .iter()
            .map(|c| c.padded_wide * c.padded_high)
            .sum()
    }
}

impl ComponentLayout {
    const EMPTY: Self = Self {
        horizontal: 0,
        vertical: 0,
        units_wide: 0,
        units_high: 0,
        padded_wide: 0,
        padded_high: 0,
        unit: 1,
        width: 0,
        height: 0,
        method: Method::None,
    };
}
