//! What a window asks of the components: which rows of MCUs, which blocks, which samples.

use crate::layout::{ComponentLayout, Layout};
use crate::upsample::Method;
use crate::window::View;

/// The part of one component that a window needs.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Span {
    /// First sample of a row, and the one behind the last.
    pub(crate) start: usize,
    pub(crate) end: usize,
    /// Samples to pass over once a row is as wide as the picture.
    pub(crate) skip: usize,
}

/// The part of a picture that a window needs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Crop {
    pub(crate) view: View,
    /// First and last row of MCUs.
    pub(crate) first_row: usize,
    pub(crate) last_row: usize,
    /// MCUs of a row up to the last that is needed.
    pub(crate) mcus: usize,
    pub(crate) spans: [Span; 4],
}

impl Crop {
    /// Works it out for the first `rendered` components.
    pub(crate) fn new(layout: &Layout, view: View, rendered: usize) -> Self {
        let mut crop = Self {
            view,
            first_row: usize::MAX,
            last_row: 0,
            mcus: 0,
            spans: [Span::default(); 4],
        };
        for (span, component) in crop
            .spans
            .iter_mut()
            .zip(layout.components())
            .take(rendered)
        {
            *span = Span::new(component, &view);
            let (top, bottom) = rows(component, &view);
            crop.first_row = crop.first_row.min(top / component.rows_per_mcu());
            crop.last_row = crop.last_row.max(bottom / component.rows_per_mcu());
            let mcu_width = component.horizontal * component.unit;
            crop.mcus = crop.mcus.max(span.end.div_ceil(mcu_width));
        }
        crop
    }
}

impl Span {
    fn new(component: &ComponentLayout, view: &View) -> Self {
        let (across, context) = match component.method {
            Method::None | Method::FancyDown => (1, 0),
            Method::FancyAcross | Method::FancyBoth => (2, 1),
            Method::Repeat { across, .. } => (across, 0),
        };
        let mut start = (view.left / across).saturating_sub(context);
        let mut end = (view.right.div_ceil(across) + context).min(component.width);
        if context > 0 {
            // The filter across wants three samples; its components have as many.
            end = end.max(start + 3).min(component.width);
            start = start.min(end.saturating_sub(3));
        }
        Self {
            start,
            end,
            skip: view.left - start * across,
        }
    }

    /// Blocks of a row that hold the samples.
    pub(crate) fn blocks(&self, component: &ComponentLayout) -> std::ops::Range<usize> {
        self.start / component.unit..self.end.div_ceil(component.unit)
    }
}

/// First and last row of a component's samples.
fn rows(component: &ComponentLayout, view: &View) -> (usize, usize) {
    let down = component.method.rows_per_row();
    let context = usize::from(component.method.needs_context());
    let top = (view.top / down).saturating_sub(context);
    let bottom = (view.bottom - 1) / down + context;
    (top, bottom.min(component.height - 1))
}
