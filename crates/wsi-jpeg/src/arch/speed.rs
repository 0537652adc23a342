//! Cycles a pixel of each kernel, for people: `cargo test --release -p wsi-jpeg --lib speed -- --ignored
//! --nocapture`. Nothing is asserted.

#![allow(clippy::cast_possible_truncation, clippy::cast_possible_wrap, reason = "test patterns")]

use std::hint::black_box;
use std::time::Instant;

use super::Kernels;
use crate::color::Order;
use crate::idct::{Block, Multipliers, Place, Target};
use crate::upsample::Upsampled;

/// Calls in a row that are timed together: a call alone is shorter than reading the time.
const CALLS: usize = 20;

/// Picoseconds of a call in the shortest of many runs.
fn best(runs: usize, mut call: impl FnMut()) -> u64 {
    let once = |call: &mut dyn FnMut()| {
        let start = Instant::now();
        for _ in 0..CALLS {
            call();
        }
        start.elapsed().as_nanos() as u64 * 1000 / CALLS as u64
    };
    (0..runs).map(|_| once(&mut call)).min().unwrap_or(0)
}

/// Picoseconds of 1000 cycles, by a chain of operations of one cycle each.
fn thousand_cycles() -> u64 {
    const STEPS: u64 = 20_000;
    let chain = || {
        let mut x = black_box(1_u64);
        for _ in 0..STEPS {
            // Three in a row that no compiler makes fewer.
            x = (x ^ x << 1).wrapping_add(x >> 3);
        }
        black_box(x);
    };
    best(50, chain) * 1000 / (3 * STEPS)
}

/// Prints the cycles of each of `count` pixels, for each set, without those of `common`.
fn report(what: &str, count: usize, mut common: impl FnMut(), mut run: impl FnMut(Kernels)) {
    let line: Vec<String> = Kernels::available()
        .into_iter()
        .map(|set| {
            // The clock moves; it is taken beside each measurement.
            let (before, time) = (thousand_cycles(), best(1500, || run(set)));
            let clock = before.min(thousand_cycles());
            let time = time.saturating_sub(best(500, &mut common));
            let cycles = time * 1_000_000 / clock / count as u64;
            format!("{} {}.{:03}", set.name(), cycles / 1000, cycles % 1000)
        })
        .collect();
    println!("{what:40} {}", line.join(", "));
}

fn noise(seed: &mut u32) -> u8 {
    *seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
    (*seed >> 24) as u8
}

/// A chunk of 96 blocks in three planes, transformed; blocks are refilled before each run.
///
/// Refilling is measured too, and taken off.
fn transforms(size: usize, last: usize) {
    const COUNT: usize = 96;
    let mut seed = 1;
    let mut source = [Block::ZERO; COUNT];
    for block in &mut source {
        block[..=last].fill_with(|| i16::from(noise(&mut seed)) / 8 - 16);
        block[last] = 3;
    }
    let quant: Multipliers = std::array::from_fn(|index| 3 + index as i16 / 4);
    let stride = COUNT * size / 3;
    let mut planes = [(); 3].map(|()| vec![0_u8; stride * size]);
    let places: [Place; COUNT] = std::array::from_fn(|number| Place {
        component: (number % 3) as u8,
        offset: (number / 3 * size) as u32,
    });
    let (mut blocks, mut spare) = (source, source);
    report(
        &format!("transform to {size}, last coefficient {last}"),
        COUNT * size * size,
        || {
            spare.copy_from_slice(black_box(&source));
            black_box(&mut spare);
        },
        |set| {
            blocks.copy_from_slice(black_box(&source));
            let mut targets = planes
                .each_mut()
                .map(|samples| Target::new(samples, stride, size, &quant));
            set.transform(black_box(&mut blocks), &places, &mut targets);
            black_box(&mut blocks);
        },
    );
}

#[test]
#[ignore = "a measurement, to be read"]
fn speed() {
    for (size, last) in [
        (8, 63),
        (8, 31),
        (8, 9),
        (8, 0),
        (4, 63),
        (4, 0),
        (2, 63),
        (1, 63),
    ] {
        transforms(size, last);
    }
    const WIDTH: usize = 512;
    let mut seed = 7;
    let mut row = |width: usize| -> Vec<u8> { (0..width).map(|_| noise(&mut seed)).collect() };
    let (y, cb, cr) = (row(WIDTH), row(WIDTH), row(WIDTH));
    let near = [row(WIDTH / 2), row(WIDTH / 2)];
    let far = [row(WIDTH / 2), row(WIDTH / 2)];
    let mut wide = [vec![0; WIDTH + 8], vec![0; WIDTH + 8]];
    let (mut sums, mut out) = (vec![0; WIDTH + 8], vec![0; 4 * WIDTH]);
    report(
        "upsampling both ways",
        WIDTH,
        || (),
        |set| {
            set.both(&near[0], &far[0], &mut sums, black_box(&mut wide[0]));
        },
    );
    report(
        "upsampling across",
        WIDTH,
        || (),
        |set| set.across(&near[0], black_box(&mut wide[0])),
    );
    report(
        "upsampling down",
        WIDTH,
        || (),
        |set| {
            set.down(&y, &cb, true, black_box(&mut wide[0]));
        },
    );
    for order in [Order::Rgb, Order::Bgra] {
        let out = &mut out[..WIDTH * if order == Order::Rgb { 3 } else { 4 }];
        report(
            &format!("YCbCr to {order:?}"),
            WIDTH,
            || (),
            |set| {
                set.ycc_row(order, [&y, &cb, &cr], black_box(out));
            },
        );
        report(
            &format!("planes to {order:?}"),
            WIDTH,
            || (),
            |set| {
                set.interleave_row(order, [&y, &cb, &cr], black_box(out));
            },
        );
        report(
            &format!("two upsampled both ways, to {order:?}"),
            WIDTH,
            || (),
            |set| {
                for component in 0..2 {
                    let (near, far) = (&near[component], &far[component]);
                    set.both(near, far, &mut sums, &mut wide[component]);
                }
                let [cb, cr] = wide.each_ref().map(|row| &row[..WIDTH]);
                set.ycc_row(order, [&y, cb, cr], black_box(out));
            },
        );
        report(
            &format!("the same in one go, to {order:?}"),
            WIDTH,
            || (),
            |set| {
                let chroma = std::array::from_fn(|component| Upsampled::Both {
                    near: &near[component],
                    far: &far[component],
                });
                set.ycc_upsampled(order, &y, chroma, 0, black_box(out));
            },
        );
    }
    let stuffed: Vec<u8> = row(30_000)
        .into_iter()
        .flat_map(|byte| [byte, 0].into_iter().take(if byte == 255 { 2 } else { 1 }))
        .collect();
    let mut plain = Vec::new();
    report(
        "unstuffing, a byte",
        stuffed.len(),
        || (),
        |set| {
            set.unstuff(black_box(&stuffed), 0, &mut plain);
        },
    );
}
