//! Planes of samples, and the way from them to rows of pixels.
//!
//! A plane is a ring of sample rows. A single-scan decode keeps two rows of MCUs: the rows of the
//! newer one, and those of the older that upsampling still looks back to.

use crate::color::{self, Conversion};
use crate::error::Error;
use crate::idct::{Block, Multipliers};
use crate::layout::{ComponentLayout, Layout};
use crate::rows::RowsMut;
use crate::sample::Sample;
use crate::upsample::{self, Method};
use crate::window::View;

/// The rows of one component.
#[derive(Debug, Default)]
pub(crate) struct Plane<S> {
    samples: Vec<S>,
    stride: usize,
    /// Rows that the ring holds.
    rows: usize,
    /// One row at the width of the picture, and some more for whole groups.
    upsampled: Vec<S>,
}

impl<S: Sample> Plane<S> {
    /// Makes room; what is there already may stay.
    fn prepare(&mut self, component: &ComponentLayout, rows: usize, width: usize) {
        self.stride = component.stride();
        self.rows = rows;
        grow(&mut self.samples, self.stride * rows);
        // Upsampled rows end after whole groups of up to 4.
        grow(&mut self.upsampled, width + 8);
    }

    /// The samples of a row of the picture, padding included.
    pub(crate) fn row_mut(&mut self, y: usize) -> &mut [S] {
        let start = y % self.rows * self.stride;
        &mut self.samples[start..start + self.stride]
    }

    fn row(&self, y: usize) -> &[S] {
        let start = y % self.rows * self.stride;
        &self.samples[start..start + self.stride]
    }

    /// Transforms a row of blocks into rows of samples from `y` on.
    ///
    /// `last` has the index of each block's last nonzero coefficient.
    pub(crate) fn transform_row(
        &mut self,
        y: usize,
        unit: usize,
        blocks: &[Block],
        last: &[u8],
        quant: &Multipliers,
    ) {
        let stride = self.stride;
        let start = y % self.rows * stride;
        let rows = &mut self.samples[start..start + unit * stride];
        for (x, (block, last)) in blocks.iter().zip(last).enumerate() {
            S::transform(unit, block, quant, *last, &mut rows[x * unit..], stride);
        }
    }
}

/// The planes of a picture, and where its output stands.
#[derive(Debug, Default)]
pub(crate) struct Planes<S> {
    pub(crate) planes: [Plane<S>; 4],
    sums: Vec<u16>,
    /// Output rows written.
    written: usize,
}

/// How a picture is put out.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rendering {
    pub(crate) conversion: Conversion,
    pub(crate) bits: u8,
    /// Components that take part, the first ones.
    pub(crate) components: usize,
    /// The part that is put out.
    pub(crate) view: View,
    /// Bytes of one row of it.
    pub(crate) row_bytes: usize,
}

impl<S: Sample> Planes<S> {
    /// Makes room for a decode; `whole` keeps all rows, otherwise two rows of MCUs.
    pub(crate) fn prepare(&mut self, layout: &Layout, rendering: &Rendering, whole: bool) {
        self.written = rendering.view.top;
        let used = if whole {
            layout.components().len()
        } else {
            rendering.components
        };
        for (plane, component) in self.planes.iter_mut().zip(layout.components()).take(used) {
            let rows = if whole {
                component.padded_high
            } else {
                2 * component.rows_per_mcu()
            };
            plane.prepare(component, rows, layout.width);
        }
        grow(&mut self.sums, layout.width + 8);
    }

    /// Bytes that [`Self::prepare`] asks for, at most.
    pub(crate) fn bytes(layout: &Layout, whole: bool) -> u64 {
        let samples: usize = layout
            .components()
            .iter()
            .map(|c| {
                let rows = if whole {
                    c.padded_high
                } else {
                    2 * c.rows_per_mcu()
                };
                c.stride() * rows + layout.width + 8
            })
            .sum();
        (samples * S::BYTES + 2 * layout.width) as u64
    }

    /// Writes every output row that the first `mcu_rows` rows of MCUs make possible.
    pub(crate) fn emit(
        &mut self,
        layout: &Layout,
        rendering: &Rendering,
        mcu_rows: usize,
        out: &mut impl RowsMut,
    ) -> Result<(), Error> {
        let components = &layout.components()[..rendering.components];
        let end = if mcu_rows >= layout.mcus_high {
            layout.height
        } else {
            // The lowest row leans on the first one of the next row of MCUs.
            let lag = usize::from(components.iter().any(|c| c.method.needs_context()));
            mcu_rows * layout.rows_per_mcu - lag
        };
        let end = end.min(rendering.view.bottom);
        for y in self.written..end {
            self.emit_row(layout, rendering, y, out)?;
        }
        self.written = self.written.max(end);
        Ok(())
    }

    fn emit_row(
        &mut self,
        layout: &Layout,
        rendering: &Rendering,
        y: usize,
        out: &mut impl RowsMut,
    ) -> Result<(), Error> {
        let components = &layout.components()[..rendering.components];
        for (plane, component) in self.planes.iter_mut().zip(components) {
            upsample_row(plane, component, y, &mut self.sums);
        }
        let mut rows: [&[S]; 4] = [&[]; 4];
        for ((row, plane), component) in rows.iter_mut().zip(&self.planes).zip(components) {
            let all = match component.method {
                Method::None => plane.row(y),
                Method::Repeat { across: 1, down } => plane.row(y / down),
                _ => &plane.upsampled,
            };
            *row = &all[rendering.view.left..rendering.view.right];
        }
        if rendering.conversion == Conversion::Planes {
            for (index, row) in rows.into_iter().enumerate().take(rendering.components) {
                let to = target(
                    out,
                    index * rendering.view.height() + y - rendering.view.top,
                    rendering.row_bytes,
                )?;
                color::write_row(
                    rendering.conversion,
                    rendering.bits,
                    [row, &[], &[], &[]],
                    to,
                );
            }
            return Ok(());
        }
        let to = target(out, y - rendering.view.top, rendering.row_bytes)?;
        color::write_row(rendering.conversion, rendering.bits, rows, to);
        Ok(())
    }
}

/// The caller's row, cut to what is written.
fn target(out: &mut impl RowsMut, y: usize, bytes: usize) -> Result<&mut [u8], Error> {
    let row = out.row_mut(y);
    let length = row.len();
    row.get_mut(..bytes).ok_or_else(|| {
        Error::argument(format!(
            "output row {y} has {length} bytes where {bytes} are needed"
        ))
    })
}

/// Brings the part of a component that output row `y` needs to the width of the picture.
fn upsample_row<S: Sample>(
    plane: &mut Plane<S>,
    component: &ComponentLayout,
    y: usize,
    sums: &mut [u16],
) {
    let width = component.width;
    let mut upsampled = std::mem::take(&mut plane.upsampled);
    // The row nearest to `y`, and the one on its other side.
    let near = y / component.method.rows_per_row();
    let lower = y % 2 == 1;
    let far = if lower {
        (near + 1).min(component.height - 1)
    } else {
        near.saturating_sub(1)
    };
    let row = |y| &plane.row(y)[..width];
    match component.method {
        Method::None | Method::Repeat { across: 1, .. } => {}
        Method::FancyAcross => upsample::across(row(near), &mut upsampled),
        Method::FancyDown => upsample::down(row(near), row(far), lower, &mut upsampled),
        Method::FancyBoth => upsample::both(row(near), row(far), sums, &mut upsampled),
        Method::Repeat { across, .. } => upsample::repeat(row(near), across, &mut upsampled),
    }
    plane.upsampled = upsampled;
}

fn grow<T: Copy + Default>(buffer: &mut Vec<T>, length: usize) {
    if buffer.len() < length {
        buffer.resize(length, T::default());
    }
}
