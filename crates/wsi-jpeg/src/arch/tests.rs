//! Every kernel of every set equals its scalar twin, and writes nowhere else.

#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    reason = "test patterns"
)]

use std::panic::{AssertUnwindSafe, catch_unwind};

use proptest::collection::vec;
use proptest::prelude::*;

use super::Kernels;
use crate::color::{self, Order};
use crate::huffman;
use crate::idct::{self, Block, Multipliers, Place, Target};
use crate::tables::ZIGZAG_ORDER;
use crate::upsample::{self, Upsampled};

/// What lies around every output.
const GUARD: u8 = 0xA5;
const GUARDS: usize = 67;

const ORDERS: [Order; 4] = [Order::Rgb, Order::Bgr, Order::Rgba, Order::Bgra];

/// The sets that have something to be compared.
fn sets() -> impl Iterator<Item = Kernels> {
    Kernels::available()
        .into_iter()
        .filter(|set| *set != Kernels::scalar())
}

#[test]
fn rows_become_columns() {
    let rows: [[i16; 8]; 8] =
        std::array::from_fn(|y| std::array::from_fn(|x| (y * 8 + x) as i16 - 30));
    let columns = std::array::from_fn(|x| std::array::from_fn(|y| rows[y][x]));
    assert_eq!(super::transpose(&rows), columns);
}

/// A generator that needs no state elsewhere: `SplitMix64`.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let x = (self.0 ^ self.0 >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let x = (x ^ x >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        x ^ x >> 31
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    fn bytes(&mut self, count: usize) -> Vec<u8> {
        // Extremes are as common as all other values.
        let byte = |bits: u64| match bits % 4 {
            0 => 0,
            1 => 255,
            _ => (bits >> 8) as u8,
        };
        (0..count).map(|_| byte(self.next())).collect()
    }

    /// A value of up to `bits` bits and sign.
    fn value(&mut self, bits: u32) -> i16 {
        ((self.next() as u16) as i16) >> (16 - bits)
    }

    fn block(&mut self) -> Block {
        let mut block = Block::ZERO;
        let bits = [16, 16, 16, 12, 8, 3][self.below(6)];
        match self.below(9) {
            0 => {}
            1 => block[0] = self.value(bits),
            // The first row of coefficients alone, for which the first pass is a shift; and with
            // one more row, for which it is not, or with 4 x 4 samples still is.
            kind @ (2 | 3) => {
                let other = if kind == 2 { 0 } else { self.below(8) };
                for column in 0..8 {
                    block[usize::from(ZIGZAG_ORDER[column])] = self.value(bits);
                    block[usize::from(ZIGZAG_ORDER[other * 8 + column])] = self.value(bits);
                }
            }
            // One coefficient, anywhere.
            4 => block[self.below(64)] = self.value(bits),
            5 => block[..10].fill_with(|| self.value(bits)),
            // The first rows and columns.
            6 => {
                for at in (0..32).filter(|at| at % 8 < 4) {
                    block[usize::from(ZIGZAG_ORDER[at])] = self.value(bits);
                }
            }
            7 => {
                for _ in 0..6 {
                    block[self.below(64)] = self.value(bits);
                }
            }
            _ => block.fill_with(|| self.value(bits)),
        }
        block
    }

    fn quant(&mut self) -> Multipliers {
        let bits = [16, 16, 8, 2][self.below(4)];
        std::array::from_fn(|_| self.value(bits))
    }
}

/// A component of a test chunk: a plane between guards.
struct Plane {
    all: Vec<u8>,
    start: usize,
    end: usize,
    stride: usize,
    size: usize,
    quant: Multipliers,
}

/// A chunk: blocks of some components at places that do not overlap, the last one at the very end.
struct Chunk {
    blocks: Vec<Block>,
    places: Vec<Place>,
    planes: Vec<Plane>,
}

impl Chunk {
    fn new(noise: &mut Noise, sizes: &[usize], count: usize) -> Self {
        let mut chunk = Self {
            blocks: (0..count).map(|_| noise.block()).collect(),
            places: vec![],
            planes: vec![],
        };
        let components: Vec<usize> = (0..count).map(|_| noise.below(sizes.len())).collect();
        for (component, &size) in sizes.iter().enumerate() {
            let blocks = components.iter().filter(|&&c| c == component).count();
            let across = 1 + noise.below(blocks.max(1));
            let down = blocks.div_ceil(across);
            let stride = across * size + noise.below(20);
            let last_row = if down == 0 { 0 } else { across * size };
            let length = (down * size).saturating_sub(1) * stride + last_row;
            let start = GUARDS + noise.below(64);
            chunk.planes.push(Plane {
                all: vec![GUARD; start + length + GUARDS],
                start,
                end: start + length,
                stride,
                size,
                quant: noise.quant(),
            });
        }
        // From the end, so that a last row of blocks that is not full touches the end.
        let mut used = vec![0; sizes.len()];
        for &component in &components {
            let plane = &chunk.planes[component];
            let (size, stride) = (plane.size, plane.stride);
            let from_end = used[component] * size;
            used[component] += 1;
            // Blocks of a row of blocks lie side by side; `across` is what fits the stride.
            let width = (plane.end - plane.start) % stride;
            let width = if width == 0 { stride } else { width };
            let (x, y) = (from_end % width, from_end / width * size);
            let last = plane.end - plane.start - (size - 1) * stride - size;
            let offset = if noise.below(9) == 0 {
                Place::SKIP
            } else {
                (last - y * stride - x) as u32
            };
            chunk.places.push(Place {
                component: component as u8,
                offset,
            });
        }
        chunk
    }

    /// The planes with their guards, and the blocks, after a transform.
    fn transform(
        &self,
        with: impl FnOnce(&mut [Block], &[Place], &mut [Target<'_>]),
    ) -> (Vec<Vec<u8>>, Vec<Block>) {
        let mut blocks = self.blocks.clone();
        let mut planes: Vec<Vec<u8>> = self.planes.iter().map(|plane| plane.all.clone()).collect();
        let mut targets: Vec<Target<'_>> = planes
            .iter_mut()
            .zip(&self.planes)
            .map(|(samples, plane)| {
                let samples = &mut samples[plane.start..plane.end];
                Target::new(samples, plane.stride, plane.size, &plane.quant)
            })
            .collect();
        with(&mut blocks, &self.places, &mut targets);
        (planes, blocks)
    }

    fn check(&self) {
        let (expected, _) = self.transform(idct::transform);
        for set in sets() {
            let (planes, blocks) = self.transform(|b, p, t| set.transform(b, p, t));
            for (component, (ours, theirs)) in planes.iter().zip(&expected).enumerate() {
                let first = ours.iter().zip(theirs).position(|(a, b)| a != b);
                let size = self.planes[component].size;
                assert_eq!(
                    first,
                    None,
                    "{}: component {component}, size {size}",
                    set.name()
                );
            }
            assert!(
                blocks.iter().all(|block| *block == Block::ZERO),
                "{}",
                set.name()
            );
        }
    }
}

#[test]
fn transforms_equal_the_scalar_ones_on_any_coefficients() {
    let mut noise = Noise(1);
    for round in 0..4000 {
        let sizes: &[usize] = [
            &[8, 8, 8][..],
            &[8],
            &[4, 8, 8],
            &[2, 4, 4],
            &[1, 2, 2],
            &[4, 4, 4, 4],
            &[8, 4, 2, 1],
        ][round % 7];
        // Also more blocks than a list of them holds.
        let count = if round % 50 == 0 {
            noise.below(300)
        } else {
            noise.below(40)
        };
        Chunk::new(&mut noise, sizes, count).check();
    }
}

#[test]
fn transforms_never_write_outside_a_plane_that_is_too_small() {
    let mut noise = Noise(2);
    // With the large strides the end of a block wraps around.
    let strides = [10, usize::MAX / 7 + 1, usize::MAX / 3 + 1, usize::MAX - 1];
    let cases = Kernels::available().into_iter().flat_map(|set| {
        [8, 4, 2, 1].into_iter().flat_map(move |size| {
            strides
                .into_iter()
                .flat_map(move |stride| [false, true].map(|dense| (set, size, stride, dense)))
        })
    });
    for (set, size, stride, dense) in cases {
        let mut block = Block::ZERO;
        block[0] = 99;
        if dense {
            block[1..].fill_with(|| noise.value(9));
        }
        let quant = [1; 64];
        let mut all = [GUARD; 200];
        let length = (size - 1) * 10 + size - 1;
        let mut target = Target::new(&mut all[50..50 + length], stride, size, &quant);
        let places = [Place {
            component: 0,
            offset: 0,
        }];
        let targets = std::slice::from_mut(&mut target);
        let mut blocks = [block];
        // Whether it panics or leaves samples out is not promised.
        let result = catch_unwind(AssertUnwindSafe(|| {
            set.transform(&mut blocks, &places, targets);
        }));
        drop(result);
        let mut outside = all[..50].iter().chain(&all[50 + length..]);
        assert!(outside.all(|byte| *byte == GUARD), "{} {size}", set.name());
    }
}

/// Runs a kernel and its twin on outputs of `length` bytes between guards.
fn compare(length: usize, what: &str, ours: impl FnOnce(&mut [u8]), twin: impl FnOnce(&mut [u8])) {
    let run = |kernel: &mut dyn FnMut(&mut [u8])| {
        let mut all = vec![GUARD; length + 2 * GUARDS];
        kernel(&mut all[GUARDS..GUARDS + length]);
        all
    };
    let (mut ours, mut twin) = (Some(ours), Some(twin));
    let ours = run(&mut |out| ours.take().expect("runs once")(out));
    let twin = run(&mut |out| twin.take().expect("runs once")(out));
    let first = ours.iter().zip(&twin).position(|(a, b)| a != b);
    let first = first.map(|at| at as isize - GUARDS as isize);
    assert_eq!(first, None, "{what}: first difference in {length} bytes");
}

fn widths() -> impl Iterator<Item = usize> {
    (0..=260).chain([511, 512, 513, 1023, 1024, 1025, 1500])
}

#[test]
fn upsampled_rows_equal_the_scalar_ones_at_every_width() {
    let mut noise = Noise(3);
    for width in widths() {
        let (near, far) = (noise.bytes(width), noise.bytes(width));
        for (set, spare) in sets().flat_map(|set| [(set, 0), (set, 5), (set, 8)]) {
            let what = format!("{} at width {width}, {spare} bytes to spare", set.name());
            for lower in [false, true] {
                compare(
                    width + spare,
                    &format!("down, {what}"),
                    |out| set.down(&near, &far, lower, out),
                    |out| upsample::down(&near, &far, lower, out),
                );
            }
            if width < 3 {
                continue;
            }
            compare(
                2 * width + spare,
                &format!("across, {what}"),
                |out| set.across(&near, out),
                |out| upsample::across(&near, out),
            );
            let sums = || vec![0; width + spare];
            compare(
                2 * width + spare,
                &format!("both, {what}"),
                |out| set.both(&near, &far, &mut sums(), out),
                |out| upsample::both(&near, &far, &mut sums(), out),
            );
        }
    }
}

#[test]
fn pixels_equal_the_scalar_ones_at_every_width() {
    let mut noise = Noise(4);
    for width in widths() {
        let planes = [0; 3].map(|_| noise.bytes(width));
        let rows = [&planes[0][..], &planes[1], &planes[2]];
        for (set, order) in sets().flat_map(|set| ORDERS.map(|order| (set, order))) {
            for spare in [0, 1, 64, 200] {
                let length = width * color::pixel::<u8>(order) + spare;
                let what = format!("{order:?}, {} at width {width}", set.name());
                compare(
                    length,
                    &format!("YCbCr to {what}"),
                    |out| set.ycc_row(order, rows, out),
                    |out| color::ycc_row(order, rows, 8, out),
                );
                compare(
                    length,
                    &format!("interleaved {what}"),
                    |out| set.interleave_row(order, rows, out),
                    |out| color::interleave(order, rows, out),
                );
            }
        }
    }
}

#[test]
fn upsampling_and_converting_in_one_go_equals_one_after_the_other() {
    let mut noise = Noise(6);
    for chroma_width in (3..140).chain([255, 256, 257, 300]) {
        let y = noise.bytes(2 * chroma_width);
        let rows = [0; 4].map(|_| noise.bytes(chroma_width));
        let [cb, cb_far, cr, cr_far] = rows.each_ref();
        let across = [Upsampled::Across(cb), Upsampled::Across(cr)];
        let both = [
            Upsampled::Both {
                near: cb,
                far: cb_far,
            },
            Upsampled::Both {
                near: cr,
                far: cr_far,
            },
        ];
        for (set, chroma) in sets().flat_map(|set| [(set, across), (set, both)]) {
            let order = ORDERS[noise.below(ORDERS.len())];
            let width = 2 * chroma_width - noise.below(2);
            let skip = [0, 1, 2, noise.below(width)][noise.below(4)];
            let length = (width - skip) * color::pixel::<u8>(order) + noise.below(70);
            let what = format!("{order:?}, {}, {skip} of {width}, {chroma:?}", set.name());
            let twin = |out: &mut [u8]| {
                let [cb, cr] = chroma.map(|row| {
                    let mut wide = vec![0; 2 * chroma_width];
                    match row {
                        Upsampled::Across(row) => upsample::across(row, &mut wide),
                        Upsampled::Both { near, far } => {
                            upsample::both(near, far, &mut vec![0; chroma_width], &mut wide);
                        }
                    }
                    wide
                });
                let rows = [&y[skip..width], &cb[skip..width], &cr[skip..width]];
                color::ycc_row(order, rows, 8, out);
            };
            compare(
                length,
                &what,
                |out| {
                    if !set.ycc_upsampled(order, &y[..width], chroma, skip, out) {
                        twin(out);
                    }
                },
                twin,
            );
        }
    }
    let with_kernel = |set: &Kernels| set.ycc_upsampled(Order::Rgb, &[], EMPTY, 0, &mut []);
    let names: Vec<_> = Kernels::available()
        .iter()
        .filter(|set| with_kernel(set))
        .map(|set| set.name())
        .collect();
    assert!(names.iter().all(|name| *name == "AVX-512"), "{names:?}");
}

const EMPTY: [Upsampled<'static>; 2] = [Upsampled::Across(&[]); 2];

#[test]
fn every_chroma_value_is_converted_as_the_scalar_code_does() {
    let all: Vec<u8> = (0..=255).collect();
    for set in sets() {
        for (y, cb) in [0, 1, 77, 128, 200, 254, 255]
            .into_iter()
            .flat_map(|y| (0..=255).map(move |cb| (y, cb)))
        {
            let (y, cb) = ([y; 256], [cb; 256]);
            let rows = [&y[..], &cb[..], &all];
            compare(
                256 * 3,
                set.name(),
                |out| set.ycc_row(Order::Rgb, rows, out),
                |out| color::ycc_row(Order::Rgb, rows, 8, out),
            );
        }
    }
}

fn check_unstuff(data: &[u8], from: usize) {
    let mut expected = vec![7; 3];
    let expected_end = huffman::unstuff(data, from, &mut expected);
    for set in Kernels::available() {
        let mut out = vec![9; 5];
        assert_eq!(
            set.unstuff(data, from, &mut out),
            expected_end,
            "{}",
            set.name()
        );
        assert_eq!(out, expected, "{}", set.name());
        let before = (out.as_ptr(), out.capacity());
        assert_eq!(
            set.unstuff(data, from, &mut out),
            expected_end,
            "{}",
            set.name()
        );
        assert_eq!(out, expected, "{}", set.name());
        let after = (out.as_ptr(), out.capacity());
        assert_eq!(before, after, "{} allocates again", set.name());
    }
}

#[test]
fn stuffing_and_markers_are_found_at_every_position() {
    for length in (0..150).chain([300]) {
        for at in 0..length {
            for tail in [
                &[0xFF][..],
                &[0xFF, 0],
                &[0xFF, 0xD9],
                &[0xFF, 0xFF, 0],
                &[0xFF, 0, 0xFF, 0],
                &[0xFF, 0, 0],
                &[0xFF, 0xFF, 0xD0],
                &[0xFF, 0, 0xFF, 0xD7],
            ] {
                let mut data = vec![0x5A; length];
                for (byte, new) in data[at..].iter_mut().zip(tail) {
                    *byte = *new;
                }
                check_unstuff(&data, 0);
            }
        }
    }
}

proptest! {
    #[test]
    fn segments_equal_the_scalar_ones(
        data in vec(
            prop_oneof![20 => any::<u8>(), 2 => Just(0xFF), 2 => Just(0), 1 => Just(0xD9)],
            0..700,
        ),
        from in 0..800_usize,
    ) {
        check_unstuff(&data, from);
    }

    #[test]
    fn stuffed_segments_equal_the_scalar_ones(
        plain in vec(prop_oneof![6 => any::<u8>(), 1 => Just(0xFF)], 0..700),
    ) {
        let mut data = vec![];
        for byte in plain {
            data.push(byte);
            if byte == 0xFF {
                data.push(0);
            }
        }
        check_unstuff(&data, 0);
    }

    #[test]
    fn chunks_equal_the_scalar_ones(
        seed in any::<u64>(),
        sizes in vec(prop_oneof![Just(8_usize), Just(4), Just(2), Just(1)], 1..=4),
        count in 0..140_usize,
    ) {
        Chunk::new(&mut Noise(seed), &sizes, count).check();
    }
}
