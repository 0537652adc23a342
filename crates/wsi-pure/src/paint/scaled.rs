//! Tiles painted at another scale, as cairo 1.18 and pixman 0.46 do it for OpenSlide.
//!
//! Which filter samples the tile depends on the scale (`_cairo_pattern_analyze_filter`): the 2 x 2
//! nearest pixels for enlarging, for shrinking by less than 4/3, and by 2; else a box as wide as an
//! output pixel, from a table of weights for fractions of a pixel (`create_separable_convolution`).
//! Positions are in 65536ths of a pixel. Since that rounds the scale, cairo moves the picture so that
//! the middle of what it paints comes out right (`_cairo_matrix_to_pixman_matrix`).

use wsi_core::{Image, PixelFormat, Size};

use super::{STEPS, saturate, to_unit};

/// The whole of 16.16 numbers.
const ONE: i64 = 1 << 16;

/// Scales this near to 1, as fourth powers, are none to cairo (`SCALING_EPSILON`).
const NO_SCALE: f64 = 1.0 / 256.0;

/// The widest box that cairo takes, in pixels of what is painted.
const WIDEST: f64 = 16.0;

/// Where a pixel `p` of the target lies in what is painted: at `p * scale + shift`, in pixels,
/// corners at whole numbers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Axis {
    pub(crate) scale: f64,
    pub(crate) shift: f64,
}

/// Paints `tile` onto `target`, both RGBA whose colour is multiplied with alpha.
pub(crate) fn paint(target: &mut Image, tile: &Image, x: Axis, y: Axis) {
    debug_assert_eq!(target.format(), PixelFormat::RGBA8);
    debug_assert_eq!(tile.format(), PixelFormat::RGBA8);
    let filter = Filter::of(x, y);
    let (size, room) = (tile.size(), target.size());
    let across = extent(x, size.width, room.width, filter);
    let down = extent(y, size.height, room.height, filter);
    let (Some(across), Some(down)) = (across, down) else {
        return;
    };
    let (columns, rows) = positions([x, y], [across, down]);
    let source = Source {
        pixels: tile.as_bytes().as_chunks().0,
        size,
    };
    let (wide, high) = (Weights::new(x.scale), Weights::new(y.scale));
    let mut pixels = target.pixels_mut();
    for (row, y) in (down.first..).zip(rows.take(down.length)) {
        let out = pixels.row_mut(row).as_chunks_mut::<4>().0;
        let out = out.iter_mut().skip(across.first as usize);
        for (pixel, x) in out.zip(columns.take(across.length)) {
            let painted = match filter {
                Filter::Nearest => source.nearest(x, y),
                Filter::Bilinear => source.bilinear(x, y),
                Filter::Box => source.boxed(wide.at(x), high.at(y)),
            };
            saturate(pixel, painted);
        }
    }
}

/// How a tile is sampled.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Filter {
    Nearest,
    Bilinear,
    Box,
}

impl Filter {
    fn of(x: Axis, y: Axis) -> Self {
        if is_unscaled(x, y) && is_whole(x.shift) && is_whole(y.shift) {
            return Self::Nearest;
        }
        let is_bilinear = |axis: Axis| {
            let square = axis.scale * axis.scale;
            let is_half = square > 3.99 && square < 4.01;
            square < 1.0 / (0.75 * 0.75) || (is_half && is_whole(axis.shift))
        };
        match is_bilinear(x) && is_bilinear(y) {
            true => Self::Bilinear,
            false => Self::Box,
        }
    }
}

/// `_cairo_matrix_has_unity_scale`.
fn is_unscaled(x: Axis, y: Axis) -> bool {
    let determinant = x.scale * y.scale;
    (determinant * determinant - 1.0).abs() < NO_SCALE
}

/// Whether a position is whole in the 256ths of a pixel that cairo counts in.
fn is_whole(position: f64) -> bool {
    (position * 256.0).round_ties_even() % 256.0 == 0.0
}

/// Pixels of the target along one axis.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Extent {
    first: u32,
    length: u32,
}

/// The pixels of a target of `room` that a tile of `length` reaches (`_cairo_pattern_get_extents`).
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "clamped to the target"
)]
fn extent(axis: Axis, length: u32, room: u32, filter: Filter) -> Option<Extent> {
    let grow = match filter {
        Filter::Nearest => 0.004,
        _ if axis.scale < 1.0 => 0.5,
        _ => 0.0,
    };
    let (mut from, mut to) = (-grow, f64::from(length) + grow);
    if axis.scale == 1.0 {
        from -= axis.shift;
        to -= axis.shift;
    } else {
        let Axis { scale, shift } = inverse(axis);
        from = from * scale + shift;
        to = to * scale + shift;
    }
    if grow == 0.0 {
        from -= 0.5;
        to += 0.5;
    }
    let nearest = |position: f64| (position + 0.5).floor().clamp(0.0, f64::from(room)) as u32;
    let (first, end) = (nearest(from), nearest(to));
    (first < end).then(|| Extent {
        first,
        length: end - first,
    })
}

/// `cairo_matrix_invert`.
fn inverse(axis: Axis) -> Axis {
    let scale = 1.0 / axis.scale;
    Axis {
        scale,
        shift: -axis.shift * scale,
    }
}

/// The position of the first pixel's middle, and from pixel to pixel, in 65536ths.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Steps {
    first: i64,
    step: i64,
}

impl Steps {
    fn take(self, length: u32) -> impl Iterator<Item = i64> {
        (0..i64::from(length)).map(move |pixel| self.first + pixel * self.step)
    }
}

/// Where the pixels of the extents lie in the tile.
fn positions(axes: [Axis; 2], extents: [Extent; 2]) -> (Steps, Steps) {
    let [x, y] = axes;
    // What is moved by whole pixels of the target, to keep numbers small.
    let mut offsets = [0.0; 2];
    if x.shift != 0.0 || y.shift != 0.0 {
        offsets = [x.shift, y.shift];
        let mut least = x.shift.abs().max(y.shift.abs());
        for i in [-1.0, 1.0] {
            for j in [-1.0, 1.0] {
                let determinant = (x.scale + i) * (y.scale + j);
                if determinant.abs() < f64::EPSILON {
                    continue;
                }
                let inverse = 1.0 / determinant;
                let moved = [
                    -x.shift * (y.scale + j) * inverse,
                    -y.shift * (x.scale + i) * inverse,
                ];
                let norm = moved[0].abs().max(moved[1].abs());
                if norm < least {
                    least = norm;
                    offsets = moved;
                }
            }
        }
    }
    let offsets = offsets.map(f64::floor);
    let moved = |axis: Axis, offset: f64| Axis {
        scale: axis.scale,
        shift: offset * axis.scale + axis.shift,
    };
    let axes = [moved(x, offsets[0]), moved(y, offsets[1])];
    let mut fixed = axes.map(|axis| (to_fixed(axis.scale), to_fixed(axis.shift)));
    if !is_unscaled(x, y) {
        fit_middles(&axes, extents, &mut fixed);
    }
    let steps = |index: usize| {
        let (step, shift) = fixed[index];
        let first = i64::from(extents[index].first) - whole(offsets[index]);
        Steps {
            first: at(step, shift, first * ONE + ONE / 2),
            step,
        }
    };
    (steps(0), steps(1))
}

/// Moves rounded axes until the middle of what is painted comes out where it belongs.
fn fit_middles(axes: &[Axis; 2], extents: [Extent; 2], fixed: &mut [(i64, i64); 2]) {
    let middle = |extent: Extent| f64::from(extent.first) + f64::from(extent.length) / 2.0;
    for _ in 0..5 {
        let mut fits = true;
        for ((axis, extent), (step, shift)) in axes.iter().zip(extents).zip(&mut *fixed) {
            let middle = middle(extent);
            let place = from_fixed(at(*step, *shift, to_fixed(middle)));
            let back = inverse(*axis);
            let error = to_fixed((place * back.scale + back.shift - middle) * axis.scale);
            *shift -= error;
            fits &= error == 0;
        }
        if fits {
            return;
        }
    }
}

/// `pixman_transform_point_3d`, of one axis.
const fn at(step: i64, shift: i64, position: i64) -> i64 {
    ((step * position + shift * ONE) + ONE / 2) >> 16
}

/// `_cairo_fixed_16_16_from_double`.
fn to_fixed(value: f64) -> i64 {
    whole((value * STEPS).round_ties_even())
}

#[expect(clippy::cast_precision_loss, reason = "32 bits")]
fn from_fixed(value: i64) -> f64 {
    value as f64 / STEPS
}

/// A whole number, within the 32 bits that pixman has for it.
#[expect(clippy::cast_possible_truncation, reason = "clamped")]
fn whole(value: f64) -> i64 {
    value.clamp(i32::MIN.into(), i32::MAX.into()) as i64
}

/// The box filter's weights along one axis, in 65536ths, for each fraction of a pixel that it tells
/// apart (`get_filter` with `box_kernel`).
struct Weights {
    taps: u32,
    /// Fractions are this many bits.
    bits: u32,
    weights: Vec<i64>,
}

/// The pixels along one axis that a box covers, from `first` on, and their weights.
#[derive(Clone, Copy)]
struct Taps<'w> {
    first: i64,
    weights: &'w [i64],
}

impl Weights {
    fn new(scale: f64) -> Self {
        let width = match scale {
            scale if scale < 1.0 / 0.75 => 1.0,
            scale => scale.min(WIDEST),
        };
        let taps = (1..).find(|&taps| f64::from(taps) >= width + 1.0);
        let taps = taps.unwrap_or(2_u32);
        let bits = (0..).find(|&bits| width * f64::from(1_u32 << bits) > 128.0);
        let bits = bits.unwrap_or(8_u32);
        let weights = (0..1_u32 << bits).flat_map(|phase| phase_weights(width, taps, phase, bits));
        Self {
            taps,
            bits,
            weights: weights.collect(),
        }
    }

    /// Those of a position (`bits_image_fetch_pixel_separable_convolution`).
    fn at(&self, position: i64) -> Taps<'_> {
        let shift = 16 - self.bits;
        let phase = (position & (ONE - 1)) >> shift;
        let middle = ((position >> shift) << shift) + ((1 << shift) >> 1);
        let half = (i64::from(self.taps) * ONE - ONE) >> 1;
        let taps = self.taps as usize;
        let start = usize::try_from(phase).unwrap_or(0) * taps;
        Taps {
            first: (middle - 1 - half) >> 16,
            weights: self.weights.get(start..start + taps).unwrap_or(&[]),
        }
    }
}

/// The weights of one fraction of a pixel: those of a box of `width`, brought to a sum of 1.
fn phase_weights(width: f64, taps: u32, phase: u32, bits: u32) -> Vec<i64> {
    let fraction = (f64::from(phase) + 0.5) / f64::from(1_u32 << bits);
    let first = (fraction - f64::from(taps) / 2.0 - 0.5).ceil() - fraction + 0.5;
    let share = |tap: u32| {
        let distance = first + f64::from(tap);
        let reach = width.midpoint(1.0);
        let inside = (reach - distance).min(reach + distance);
        inside.min(width.min(1.0)).max(0.0)
    };
    let total: f64 = (0..taps).map(share).sum();
    let norm = 1.0 / total;
    let mut weights: Vec<i64> = (0..taps)
        .map(|tap| whole(from_whole(whole(share(tap) * STEPS)) * norm))
        .collect();
    let rest = ONE - weights.iter().sum::<i64>();
    if let Some(middle) = weights.get_mut(taps as usize / 2) {
        *middle += rest;
    }
    weights
}

#[expect(clippy::cast_precision_loss, reason = "32 bits")]
const fn from_whole(value: i64) -> f64 {
    value as f64
}

/// What is painted: nothing outside.
struct Source<'t> {
    pixels: &'t [[u8; 4]],
    size: Size,
}

impl Source<'_> {
    fn pixel(&self, x: i64, y: i64) -> [u8; 4] {
        let within = |at: i64, length: u32| u32::try_from(at).ok().filter(|&at| at < length);
        let (Some(x), Some(y)) = (within(x, self.size.width), within(y, self.size.height)) else {
            return [0; 4];
        };
        let index = y as usize * self.size.width as usize + x as usize;
        self.pixels.get(index).copied().unwrap_or_default()
    }

    /// `bits_image_fetch_pixel_nearest`.
    fn nearest(&self, x: i64, y: i64) -> [f32; 4] {
        self.pixel((x - 1) >> 16, (y - 1) >> 16).map(to_unit)
    }

    /// `bits_image_fetch_pixel_bilinear_float`.
    fn bilinear(&self, x: i64, y: i64) -> [f32; 4] {
        let (x, y) = (x - ONE / 2, y - ONE / 2);
        let (left, top) = (x >> 16, y >> 16);
        let (right, below) = (fraction(x), fraction(y));
        let pixels = [(0, 0), (1, 0), (0, 1), (1, 1)];
        let [a, b, c, d] = pixels.map(|(dx, dy)| self.pixel(left + dx, top + dy).map(to_unit));
        let weights = [
            (1.0 - right) * (1.0 - below),
            right * (1.0 - below),
            (1.0 - right) * below,
            right * below,
        ];
        std::array::from_fn(|channel| {
            a[channel] * weights[0]
                + b[channel] * weights[1]
                + c[channel] * weights[2]
                + d[channel] * weights[3]
        })
    }

    /// A weighed sum that is rounded down after every pixel (`accum_float`, `reduce_float`).
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "pixman's own casts, of at most 17 bits"
    )]
    fn boxed(&self, x: Taps<'_>, y: Taps<'_>) -> [f32; 4] {
        let mut sums = [0_u32; 4];
        for (row, &high) in (y.first..).zip(y.weights) {
            for (column, &wide) in (x.first..).zip(x.weights) {
                let weight = ((high * wide + ONE / 2) >> 16) as f32;
                let pixel = self.pixel(column, row);
                for (sum, sample) in sums.iter_mut().zip(pixel) {
                    *sum = (*sum as f32 + to_unit(sample) * weight) as u32;
                }
            }
        }
        sums.map(|sum| (sum as f32 / 65536.0).clamp(0.0, 1.0))
    }
}

/// What lies behind the last whole pixel.
#[expect(clippy::cast_precision_loss, reason = "16 bits")]
const fn fraction(position: i64) -> f32 {
    (position & (ONE - 1)) as f32 / 65536.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn image(side: u32, pixel: impl Fn(usize) -> [u8; 4]) -> Image {
        let mut image = Image::zeroed(Size::new(side, side), PixelFormat::RGBA8).unwrap();
        let mut pixels = image.pixels_mut();
        for y in 0..side {
            for (x, out) in pixels.row_mut(y).as_chunks_mut().0.iter_mut().enumerate() {
                *out = pixel(y as usize * side as usize + x);
            }
        }
        image
    }

    #[test]
    fn halves_are_means_rounded_down() {
        let tile = image(4, |at| [[0, 100, 200, 255], [255, 101, 200, 255]][at % 2]);
        let mut half = image(2, |_| [0; 4]);
        let axis = Axis {
            scale: 2.0,
            shift: 0.0,
        };
        paint(&mut half, &tile, axis, axis);
        // 127.5 and 100.5 of 255 are 128.0 and 100.9 of 256.
        for pixel in half.as_bytes().as_chunks().0 {
            assert_eq!(*pixel, [128, 100, 200, 255]);
        }
    }

    #[test]
    fn a_box_of_four_and_its_neighbours() {
        // At the first 64th of a pixel, so a 128th behind the edge: of the first pixel a 128th is
        // not covered, and of the fifth one a 128th is.
        let weights = Weights::new(4.0);
        assert_eq!((weights.taps, weights.bits), (5, 6));
        let taps = weights.at(2 * ONE);
        assert_eq!(taps.first, 0);
        assert_eq!(taps.weights, [16384 - 128, 16384, 16384, 16384, 128]);
    }

    proptest! {
        #[test]
        fn weights_are_a_whole(scale in 1.0..40.0_f64, position in -9_000_000_i64..9_000_000) {
            let weights = Weights::new(scale);
            let taps = weights.at(position);
            prop_assert_eq!(taps.weights.iter().sum::<i64>(), ONE);
            prop_assert!(taps.weights.iter().all(|weight| (0..=ONE).contains(weight)));
        }

        #[test]
        fn a_uniform_tile_stays_so(scale in 0.3..20.0_f64, colour: [u8; 3]) {
            let [red, green, blue] = colour;
            let tile = image(64, |_| [red, green, blue, 255]);
            let mut target = image(2, |_| [0; 4]);
            let axis = Axis { scale, shift: 64.0 / 2.0 - scale };
            paint(&mut target, &tile, axis, axis);
            for pixel in target.as_bytes().as_chunks::<4>().0 {
                for (sample, expected) in pixel.iter().zip([red, green, blue, 255]) {
                    // Sums that are rounded down after every pixel lose up to a level.
                    prop_assert!(sample.abs_diff(expected) <= 1 || scale > 15.0, "{pixel:?}");
                }
            }
        }
    }
}
