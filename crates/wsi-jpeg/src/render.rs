//! Planes of samples, and the way from them to rows of pixels.
//!
//! A plane is a ring of sample rows. A single-scan decode keeps one row of MCUs, or two where
//! upsampling looks from one to the other.

use crate::arch::Kernels;
use crate::color::{self, Conversion};
use crate::crop::{Crop, Span};
use crate::error::Error;
use crate::idct::{Block, Multipliers};
use crate::layout::{ComponentLayout, Layout};
use crate::rows::RowsMut;
use crate::sample::Sample;
use crate::upsample::{Method, Upsampled};

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

    /// Where row `y` lies in the ring.
    fn start_of(&self, y: usize) -> usize {
        // A division for each row of each component would be seen in the profile.
        let row = if self.rows.is_power_of_two() {
            y & (self.rows - 1)
        } else {
            y % self.rows
        };
        row * self.stride
    }

    /// The samples of a row of the picture, padding included.
    pub(crate) fn row_mut(&mut self, y: usize) -> &mut [S] {
        let start = self.start_of(y);
        &mut self.samples[start..start + self.stride]
    }

    /// The samples from row `y` on, as many rows as one row of MCUs has, and their stride.
    pub(crate) fn mcu_row_mut(&mut self, y: usize, rows: usize) -> (&mut [S], usize) {
        let start = self.start_of(y);
        let samples = &mut self.samples[start..start + rows * self.stride];
        (samples, self.stride)
    }

    fn row(&self, y: usize) -> &[S] {
        let start = self.start_of(y);
        &self.samples[start..start + self.stride]
    }

    /// Transforms a row of blocks into rows of samples from `y` on.
    pub(crate) fn transform_row(
        &mut self,
        y: usize,
        unit: usize,
        blocks: &[Block],
        quant: &Multipliers,
    ) {
        let stride = self.stride;
        let start = y % self.rows * stride;
        let rows = &mut self.samples[start..start + unit * stride];
        for (x, block) in blocks.iter().enumerate() {
            S::transform(unit, block, quant, &mut rows[x * unit..], stride);
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
    pub(crate) kernels: Kernels,
    pub(crate) conversion: Conversion,
    pub(crate) bits: u8,
    /// Components that take part, the first ones.
    pub(crate) components: usize,
    /// The part that is put out.
    pub(crate) crop: Crop,
    /// Bytes of one row of it.
    pub(crate) row_bytes: usize,
    /// Row of the output that takes its first row.
    pub(crate) first_line: usize,
}

impl<S: Sample> Planes<S> {
    /// Makes room for a decode; `whole` keeps all rows, otherwise two rows of MCUs.
    pub(crate) fn prepare(&mut self, layout: &Layout, rendering: &Rendering, whole: bool) {
        self.written = rendering.crop.view.top;
        let used = if whole {
            layout.components().len()
        } else {
            rendering.components
        };
        let rendered = layout.components().iter().take(rendering.components);
        let mcu_rows = 1 + usize::from(rendered.into_iter().any(|c| c.method.needs_context()));
        for (plane, component) in self.planes.iter_mut().zip(layout.components()).take(used) {
            let rows = if whole {
                component.padded_high
            } else {
                mcu_rows * component.rows_per_mcu()
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
        out: &mut (impl RowsMut + ?Sized),
    ) -> Result<(), Error> {
        let components = &layout.components()[..rendering.components];
        let end = if mcu_rows >= layout.mcus_high {
            layout.height
        } else {
            // The lowest row leans on the first one of the next row of MCUs.
            let lag = usize::from(components.iter().any(|c| c.method.needs_context()));
            mcu_rows * layout.rows_per_mcu - lag
        };
        let end = end.min(rendering.crop.view.bottom);
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
        out: &mut (impl RowsMut + ?Sized),
    ) -> Result<(), Error> {
        let components = &layout.components()[..rendering.components];
        let (view, spans) = (&rendering.crop.view, &rendering.crop.spans);
        let kernels = rendering.kernels;
        let line = y - view.top + rendering.first_line;
        if let Conversion::YccToRgb(order) = rendering.conversion
            && let Some(rows) = self.subsampled(components, rendering, y)
        {
            let to = target(out, line, rendering.row_bytes)?;
            if S::ycc_upsampled(kernels, order, rows.luma, rows.chroma, rows.skip, to) {
                return Ok(());
            }
        }
        for ((plane, component), span) in self.planes.iter_mut().zip(components).zip(spans) {
            upsample_row(kernels, plane, component, span, y, &mut self.sums);
        }
        let mut rows: [&[S]; 4] = [&[]; 4];
        let parts = self.planes.iter().zip(components).zip(spans);
        for (row, ((plane, component), span)) in rows.iter_mut().zip(parts) {
            let (all, start) = match component.method {
                Method::None => (plane.row(y), view.left),
                Method::Repeat { across: 1, down } => (plane.row(y / down), view.left),
                _ => (&*plane.upsampled, span.skip),
            };
            *row = &all[start..start + view.width()];
        }
        let (conversion, bits) = (rendering.conversion, rendering.bits);
        if conversion == Conversion::Planes {
            for (index, row) in rows.into_iter().enumerate().take(rendering.components) {
                let to = target(out, index * view.height() + line, rendering.row_bytes)?;
                color::write_row(kernels, conversion, bits, [row, &[], &[], &[]], to);
            }
            return Ok(());
        }
        let to = target(out, line, rendering.row_bytes)?;
        color::write_row(kernels, conversion, bits, rows, to);
        Ok(())
    }
}

/// Rows of which the second and third are upsampled across by the same filter.
struct Subsampled<'p, S> {
    /// From where the others start.
    luma: &'p [S],
    chroma: [Upsampled<'p, S>; 2],
    /// Samples, once upsampled, before the window.
    skip: usize,
}

impl<S: Sample> Planes<S> {
    /// The rows behind output row `y`, if they are of that kind.
    fn subsampled(
        &self,
        components: &[ComponentLayout],
        rendering: &Rendering,
        y: usize,
    ) -> Option<Subsampled<'_, S>> {
        let [first, second, third] = components else {
            return None;
        };
        let [_, span, other, _] = &rendering.crop.spans;
        let fits = first.method == Method::None
            && matches!(second.method, Method::FancyAcross | Method::FancyBoth)
            && second.method == third.method
            && (span.start, span.end) == (other.start, other.end);
        if !fits {
            return None;
        }
        let [luma, planes @ .., _] = &self.planes;
        let rows = |plane| match second.method {
            Method::FancyBoth => {
                let (near, far) = near_and_far(y, second);
                Upsampled::Both {
                    near: span_row(plane, span, near),
                    far: span_row(plane, span, far),
                }
            }
            _ => Upsampled::Across(span_row(plane, span, y)),
        };
        let view = &rendering.crop.view;
        Some(Subsampled {
            luma: &luma.row(y)[view.left - span.skip..view.right],
            chroma: planes.each_ref().map(rows),
            skip: span.skip,
        })
    }
}

fn span_row<'p, S: Sample>(plane: &'p Plane<S>, span: &Span, y: usize) -> &'p [S] {
    &plane.row(y)[span.start..span.end]
}

/// The row of a component nearest to output row `y`, and the one on its other side.
fn near_and_far(y: usize, component: &ComponentLayout) -> (usize, usize) {
    let near = y / component.method.rows_per_row();
    let far = if y % 2 == 1 {
        (near + 1).min(component.height - 1)
    } else {
        near.saturating_sub(1)
    };
    (near, far)
}

/// The caller's row, cut to what is written.
fn target(out: &mut (impl RowsMut + ?Sized), y: usize, bytes: usize) -> Result<&mut [u8], Error> {
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
    kernels: Kernels,
    plane: &mut Plane<S>,
    component: &ComponentLayout,
    span: &Span,
    y: usize,
    sums: &mut [u16],
) {
    if matches!(
        component.method,
        Method::None | Method::Repeat { across: 1, .. }
    ) {
        return;
    }
    let mut upsampled = std::mem::take(&mut plane.upsampled);
    let (near, far) = near_and_far(y, component);
    let lower = y % 2 == 1;
    let row = |y| span_row(plane, span, y);
    let out = &mut upsampled;
    match component.method {
        Method::None | Method::Repeat { across: 1, .. } => {}
        Method::FancyAcross => S::across(kernels, row(near), out),
        Method::FancyDown => S::down(kernels, row(near), row(far), lower, out),
        Method::FancyBoth => S::both(kernels, row(near), row(far), sums, out),
        Method::Repeat { across, .. } => crate::upsample::repeat(row(near), across, out),
    }
    plane.upsampled = upsampled;
}

fn grow<T: Copy + Default>(buffer: &mut Vec<T>, length: usize) {
    if buffer.len() < length {
        buffer.resize(length, T::default());
    }
}
