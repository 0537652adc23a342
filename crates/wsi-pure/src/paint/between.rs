//! Regions that start between pixels.
//!
//! Tiles are sampled bilinearly. All tiles of a region lie at the same fraction of a pixel, so every
//! output pixel is made of the same 2 x 2 neighbours with the same weights. Where these lie in several
//! tiles they are painted one tile after the other, each time rounded to 8 bits.

use wsi_core::geometry::Placement;
use wsi_core::{Point, Rect, Size};

use super::{STEPS, saturate, to_byte, to_unit};

/// The four neighbours of an output pixel: upper left, upper right, lower left, lower right.
type Neighbours = [[u8; 4]; 4];

/// Which of the neighbours lie in a tile.
type Share = [bool; 4];

/// The tiles that neighbours lie in, in the order in which they are painted.
const ABOVE_AND_BELOW: &[Share] = &[[false, false, true, true], [true, true, false, false]];
const LEFT_AND_RIGHT: &[Share] = &[[false, true, false, true], [true, false, true, false]];
const CORNERS: &[Share] = &[
    [false, false, false, true],
    [false, false, true, false],
    [false, true, false, false],
    [true, false, false, false],
];

/// How the pixels of a part of a region that starts between pixels are made.
pub(crate) struct Blend {
    /// The pixel of the level that is the upper left neighbour of the first output pixel.
    origin: Point,
    /// The stored tiles of the level.
    tile: Size,
    /// Of the four neighbours.
    weights: [f32; 4],
}

impl Blend {
    /// How a part of a region is made of a level that is stored in tiles of this size.
    pub(crate) fn new(placement: &Placement, tile: Size) -> Self {
        let (x, right) = place(placement.x, tile.width);
        let (y, below) = place(placement.y, tile.height);
        let (left, above) = (1.0 - right, 1.0 - below);
        Self {
            origin: Point::new(x, y),
            tile,
            weights: [left * above, right * above, left * below, right * below],
        }
    }

    /// The pixels of the level that `size` pixels of the part from row `top` on are made of.
    pub(crate) fn source(&self, top: u32, size: Size) -> Rect {
        let y = self.origin.y.saturating_add(top.into());
        let more = |side: u32| side.saturating_add(1);
        Rect::new((self.origin.x, y), (more(size.width), more(size.height)))
    }

    /// Makes row `y` of the part of two rows of the level, all RGBA multiplied with alpha. The rows
    /// of the level are a pixel longer.
    pub(crate) fn row(&self, y: u32, upper: &[u8], lower: &[u8], out: &mut [u8]) {
        let below = self.origin.y.saturating_add(y.into()).saturating_add(1);
        let is_seam = below.rem_euclid(self.tile.height.max(1).into()) == 0;
        let (upper, lower) = (upper.as_chunks::<4>().0, lower.as_chunks::<4>().0);
        let out = out.as_chunks_mut::<4>().0;
        match is_seam {
            true => self.seams(upper, lower, out, 0, 1, ABOVE_AND_BELOW),
            false => self.within_tiles(upper, lower, out),
        }
        let width = i64::from(self.tile.width.max(1));
        let first = width - 1 - self.origin.x.rem_euclid(width);
        let (Ok(first), Ok(step)) = (usize::try_from(first), usize::try_from(width)) else {
            return;
        };
        let tiles = if is_seam { CORNERS } else { LEFT_AND_RIGHT };
        self.seams(upper, lower, out, first, step, tiles);
    }

    /// Pixels whose neighbours all lie in one tile: nothing has been painted there before.
    fn within_tiles(&self, upper: &[[u8; 4]], lower: &[[u8; 4]], out: &mut [[u8; 4]]) {
        // As samples in groups, which compilers take at once.
        const GROUP: usize = 16;
        let (upper, lower, out) = (
            upper.as_flattened(),
            lower.as_flattened(),
            out.as_flattened_mut(),
        );
        let (groups, rest) = out.as_chunks_mut::<GROUP>();
        let whole = groups.len() * GROUP;
        let neighbours = |row: &'_ [u8], at: usize| {
            let left = row.get(at..).and_then(<[u8]>::first_chunk::<GROUP>);
            let right = row.get(at + 4..).and_then(<[u8]>::first_chunk::<GROUP>);
            left.copied().zip(right.copied())
        };
        for (index, out) in groups.iter_mut().enumerate() {
            let at = index * GROUP;
            if let (Some((a, b)), Some((c, d))) = (neighbours(upper, at), neighbours(lower, at)) {
                for (index, out) in out.iter_mut().enumerate() {
                    *out = to_byte(self.sum([a[index], b[index], c[index], d[index]]));
                }
            }
        }
        for (out, at) in rest.iter_mut().zip(whole..) {
            *out = to_byte(self.sum([upper[at], upper[at + 4], lower[at], lower[at + 4]]));
        }
    }

    /// One sample of the four neighbours, weighed and summed in pixman's order.
    #[inline(always)]
    fn sum(&self, samples: [u8; 4]) -> f32 {
        let [a, b, c, d] = samples.map(to_unit);
        let [tl, tr, bl, br] = self.weights;
        a * tl + b * tr + c * bl + d * br
    }

    /// Every `step`th pixel from `first` on, whose neighbours lie in several tiles.
    fn seams(
        &self,
        upper: &[[u8; 4]],
        lower: &[[u8; 4]],
        out: &mut [[u8; 4]],
        first: usize,
        step: usize,
        tiles: &[Share],
    ) {
        let neighbours = upper.windows(2).zip(lower.windows(2)).zip(out);
        for ((upper, lower), out) in neighbours.skip(first).step_by(step) {
            let (&[a, b], &[c, d]) = (upper, lower) else {
                return;
            };
            *out = self.paint([a, b, c, d], tiles);
        }
    }

    /// Paints one tile after the other.
    fn paint(&self, neighbours: Neighbours, tiles: &[Share]) -> [u8; 4] {
        let mut pixel = [0; 4];
        for share in tiles {
            let sum: [f32; 4] = std::array::from_fn(|channel| {
                let term = |index: usize| match share[index] {
                    true => to_unit(neighbours[index][channel]) * self.weights[index],
                    false => 0.0,
                };
                term(0) + term(1) + term(2) + term(3)
            });
            saturate(&mut pixel, sum);
        }
        pixel
    }
}

/// The pixel at or before a position along one axis, and the fraction behind it. Tiles are placed
/// one by one, so the fraction is taken from the tile's edge.
#[expect(
    clippy::cast_possible_truncation,
    reason = "OpenSlide's own casts, which here saturate; a fraction of 16 bits is exact"
)]
fn place(position: f64, tile: u32) -> (i64, f32) {
    let tile = f64::from(tile.max(1));
    let first = (position / tile).trunc() * tile;
    let steps = ((position - first) * STEPS + 0.5).floor();
    let whole = (steps / STEPS).floor();
    let pixel = (first as i64).saturating_add(whole as i64);
    (pixel, (steps - whole * STEPS) as f32 / STEPS as f32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use wsi_core::{Level, Region};

    fn blend(x: i64, downsample: f64, tile: u32) -> Blend {
        let level = Level::new(Size::new(1000, 1000), downsample);
        let region = Region::level0(1, (x, x), (10, 10));
        Blend::new(&region.placements(&level)[0], Size::new(tile, tile))
    }

    #[test]
    fn a_uniform_picture_stays_as_it_is_between_any_pixels() {
        let row: Vec<u8> = [200, 100, 0, 255].repeat(11);
        for x in [1, 2, 3, 5, 7] {
            let blend = blend(x, 4.0, 1000);
            let mut out = vec![0; 40];
            blend.row(0, &row, &row, &mut out);
            // 256 steps, rounded down: a level may be lost, an opaque pixel stays opaque.
            for pixel in out.as_chunks::<4>().0 {
                assert!((199..=200).contains(&pixel[0]), "{pixel:?}");
                assert!((99..=100).contains(&pixel[1]) && pixel[2] == 0);
                assert_eq!(pixel[3], 255);
            }
        }
    }

    #[test]
    fn weights_are_the_fractions() {
        let blend = blend(1030, 4.0, 100);
        assert_eq!(blend.origin, Point::new(257, 257));
        assert_eq!(blend.weights, [0.25; 4]);
        let source = blend.source(3, Size::new(10, 2));
        assert_eq!(source, Rect::new((257, 260), (11, 3)));
    }

    #[test]
    fn edges_are_as_transparent_as_the_pixel_is_covered() {
        let blend = blend(2, 4.0, 2);
        let row = [[255; 4], [0; 4], [0; 4]].concat();
        let mut out = [9; 8];
        blend.row(0, &row, &row, &mut out);
        assert_eq!(out, [128, 128, 128, 128, 0, 0, 0, 0]);
    }
}
