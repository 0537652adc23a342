//! Whatever the kernels decode without a flag is byte-equal to what `wsi-jpeg` decodes, and they
//! decode every clean baseline stream without one.
#![cfg(feature = "host")]
#![allow(clippy::panic, reason = "that is how a test fails")]
#![allow(clippy::print_stdout, reason = "a test says how much it has compared")]

mod support;

use jpeg_encoder::SamplingFactor;
use proptest::prelude::*;
use support::transcode::transcode;
use support::writer::{Code, Picture, standard};
use support::{Random, Recipe, assert_same, by_wsi_jpeg, long_tests};
use wsi_cuda::layout::flag;
use wsi_cuda::plan::{Planner, Slicing, StreamFormat};
use wsi_cuda::{BatchDecoder, CpuReason, HostExecutor, Output};

fn decoder(seed: u64) -> BatchDecoder {
    BatchDecoder::new(Box::new(HostExecutor::new().with_seed(seed)))
}

/// Decodes clean streams on the host executor and compares all of them.
fn compare(
    decoder: &mut BatchDecoder,
    format: &StreamFormat,
    streams: &[Vec<u8>],
    channels: usize,
) {
    let slices: Vec<&[u8]> = streams.iter().map(Vec::as_slice).collect();
    let count = u32::try_from(channels).expect("1 or 3");
    let decoded = decoder
        .decode_streams(format, &slices, count, &Output::new())
        .expect("the host executor");
    assert_eq!(decoded.report.by_cpu, [], "nothing is left to the CPU");
    assert!(decoded.report.first_error().is_none());
    let pixels = decoder.download(&decoded.tensor).expect("pixels");
    let item = pixels.len() / streams.len();
    for (number, (stream, ours)) in streams.iter().zip(pixels.chunks(item)).enumerate() {
        let (theirs, outcome) = by_wsi_jpeg(stream, format, channels).expect("a clean stream");
        assert!(outcome.is_clean());
        let what = format!("stream {number} of {}", format.size);
        assert_same(&what, format.size.width as usize, channels, ours, &theirs);
    }
}

/// Two pairs of codes that no encoder would choose, and one.
fn tables(seed: u64) -> (Vec<[Code; 2]>, Vec<[Code; 2]>) {
    let mut random = Random(seed);
    let mut pair = || {
        let ac = (0..=255).filter(|symbol| {
            symbol & 15 <= 10 && !matches!(symbol, 0x10..0xF0 if symbol & 15 == 0)
        });
        [Code::long(&mut random, 0..12), Code::long(&mut random, ac)]
    };
    (vec![pair(), pair()], vec![pair()])
}

#[test]
fn every_sampling_quality_size_table_and_restart() {
    let samplings = [
        None,
        Some(SamplingFactor::F_1_1),
        Some(SamplingFactor::F_2_1),
        Some(SamplingFactor::F_1_2),
        Some(SamplingFactor::F_2_2),
    ];
    let few: &[(u16, u16)] = &[
        (1, 1),
        (2, 3),
        (5, 4),
        (6, 9),
        (17, 16),
        (33, 47),
        (100, 60),
    ];
    let many: &[(u16, u16)] = &[
        (3, 1),
        (4, 4),
        (7, 7),
        (8, 8),
        (9, 8),
        (15, 33),
        (16, 16),
        (31, 2),
        (64, 64),
        (127, 129),
        (240, 240),
        (255, 130),
        (256, 256),
        (512, 512),
        (500, 333),
    ];
    let mut sizes = few.to_vec();
    if long_tests() {
        sizes.extend(many);
    }
    let mut compared = 0;
    let mut seed = 0;
    for size in sizes {
        for sampling in samplings {
            let mut streams = Vec::new();
            let mut recipe = Recipe {
                size,
                sampling,
                quality: 0,
                restart: 0,
            };
            for quality in [5, 30, 70, 90, 100] {
                for restart in [0, 1, 7] {
                    (recipe.quality, recipe.restart) = (quality, restart);
                    seed += 1;
                    let standard = recipe.encode(seed);
                    let pairs = if sampling.is_none() { 1 } else { 3 };
                    let (two, one) = tables(seed);
                    streams.push(transcode(&standard, &two, &[0, 1, 1][..pairs]));
                    streams.push(transcode(&standard, &one, &[0, 0, 0][..pairs]));
                    streams.push(standard);
                }
            }
            let channels = if sampling.is_none() { 1 } else { 3 };
            let lanes = 1 << (seed / 45 % 9);
            let slicing = Slicing::default()
                .with_most_lanes(Some(lanes))
                .with_least_bits(Some(100));
            let mut sliced = decoder(seed).with_slicing(slicing);
            compare(&mut sliced, &recipe.format(), &streams, channels);
            compare(&mut decoder(seed), &recipe.format(), &streams, channels);
            compared += streams.len();
        }
    }
    println!("{compared} streams are equal");
}

/// A picture drawn by lot.
fn drawn(random: &mut Random) -> Picture {
    let luma = [(1, 1), (2, 1), (1, 2), (2, 2)][random.below(4)];
    let sampling = match random.below(5) {
        0 => vec![luma],
        _ => vec![luma, (1, 1), (1, 1)],
    };
    let [first, second] = standard();
    let ac = || {
        (0..=255_u8)
            .filter(|symbol| (1..=10).contains(&(symbol & 15)) || matches!(symbol, 0 | 0xF0))
    };
    let codes = match random.below(3) {
        0 => vec![first],
        1 => vec![first, second],
        _ => {
            let mut pair = || [Code::long(random, 0..12), Code::long(random, ac())];
            vec![pair(), pair()]
        }
    };
    let pairs = match (sampling.len(), codes.len()) {
        (1, _) => vec![0],
        (_, 1) => vec![0, 0, 0],
        _ => [[0, 1, 1], [1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 1]][random.below(5)].to_vec(),
    };
    let quantiser = |random: &mut Random| {
        let most = [2, 8, 40][random.below(3)];
        let mut table = [0; 64];
        table.fill_with(|| u8::try_from(1 + random.below(most)).expect("small"));
        table
    };
    let side = |random: &mut Random| {
        let most = [4, 20, 70, 200][random.below(4)];
        u16::try_from(1 + random.below(most)).expect("small")
    };
    Picture {
        width: side(random),
        height: side(random),
        quantisers: sampling.iter().map(|_| quantiser(random)).collect(),
        sampling,
        pairs,
        codes,
        restart: [0, 0, 1, 3, 20][random.below(5)],
        bits: (
            u32::try_from(random.below(9)).expect("small"),
            u32::try_from(1 + random.below(4)).expect("small"),
        ),
        density: [1, 4, 20, 60][random.below(4)],
        adobe_rgb: random.below(4) == 0,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if long_tests() { 2000 } else { 100 }))]

    #[test]
    fn neither_slices_nor_the_order_of_lanes_show(
        width in 1..200_u16,
        height in 1..120_u16,
        kind in 0..5_usize,
        quality in 1..=100_u8,
        restart in prop_oneof![Just(0), 1..30_u16],
        lanes in 1..=256_u32,
        least_bits in 1..3000_u32,
        seed in any::<u64>(),
    ) {
        let sampling = [
            None,
            Some(SamplingFactor::F_1_1),
            Some(SamplingFactor::F_2_1),
            Some(SamplingFactor::F_1_2),
            Some(SamplingFactor::F_2_2),
        ][kind];
        let recipe = Recipe { size: (width, height), sampling, quality, restart };
        let slicing = Slicing::default()
            .with_most_lanes(Some(lanes))
            .with_least_bits(Some(least_bits));
        let channels = if sampling.is_none() { 1 } else { 3 };
        let streams = [recipe.encode(seed), recipe.encode(!seed)];
        let mut decoder = decoder(seed).with_slicing(slicing);
        compare(&mut decoder, &recipe.format(), &streams, channels);
    }
}

/// Decodes streams; returns the pixels and, of each, what the kernels flagged.
fn decode(
    decoder: &mut BatchDecoder,
    format: &StreamFormat,
    streams: &[Vec<u8>],
    channels: usize,
) -> (Vec<u8>, Vec<u32>) {
    let slices: Vec<&[u8]> = streams.iter().map(Vec::as_slice).collect();
    let count = u32::try_from(channels).expect("small");
    let decoded = decoder
        .decode_streams(format, &slices, count, &Output::new())
        .expect("the host executor");
    let mut flags = vec![0; streams.len()];
    for tile in &decoded.report.by_cpu {
        match tile.reason {
            CpuReason::Flagged(found) => flags[tile.tile] = found,
            _ => panic!("{tile:?}"),
        }
    }
    (decoder.download(&decoded.tensor).expect("pixels"), flags)
}

#[test]
fn any_tables_any_slices_and_any_order_of_lanes() {
    let cases = if long_tests() { 4000 } else { 250 };
    let mut random = Random(11);
    let (mut lanes_seen, mut periods) = ([false; 9], [false; 7]);
    let mut flagged = 0;
    for case in 0..cases {
        let first = drawn(&mut random);
        let mut pictures = vec![first.clone()];
        for _ in 0..random.below(4) {
            let mut other = drawn(&mut random);
            (other.width, other.height) = (first.width, first.height);
            if other.sampling.len() == first.sampling.len() {
                pictures.push(other);
            }
        }
        let streams: Vec<_> = pictures.iter().map(|p| p.write(&mut random)).collect();
        let format = StreamFormat::new((u32::from(first.width), u32::from(first.height)));
        let least = [20, 700][random.below(2)];
        let least = u32::try_from(1 + random.below(least)).expect("small");
        let slicing = Slicing::default()
            .with_most_lanes(Some(1 << random.below(9)))
            .with_least_bits(Some(least));
        let mut planner = Planner::new(&format).with_slicing(slicing);
        for stream in &streams {
            planner.add(stream).expect("a clean stream");
        }
        let plan = planner.finish();
        for launch in &plan.launches {
            lanes_seen[launch.lanes.ilog2() as usize] = true;
        }
        for tile in &plan.tiles {
            periods[tile.period as usize] = true;
        }
        let channels = first.sampling.len();
        let mut sliced = decoder(random.next()).with_slicing(slicing);
        let (ours, flags) = decode(&mut sliced, &format, &streams, channels);
        // One lane decodes from end to end: nothing to synchronise.
        let mut plain = decoder(case).with_slicing(Slicing::default().with_most_lanes(Some(1)));
        let (_, plain_flags) = decode(&mut plain, &format, &streams, channels);
        let what = format!("case {case}: {pictures:?}, {slicing:?}");
        assert_eq!(flags, plain_flags, "{what}");
        for (number, stream) in streams.iter().enumerate() {
            // Coefficients drawn by lot may leave the domain of the transform; nothing else is wrong.
            assert!(
                matches!(flags[number], 0 | flag::DOMAIN),
                "{what}: {flags:?}"
            );
            flagged += usize::from(flags[number] != 0);
            let (theirs, outcome) = by_wsi_jpeg(stream, &format, channels).expect("a clean stream");
            assert!(outcome.is_clean(), "{what}: {outcome:?}");
            let ours = &ours[number * theirs.len()..][..theirs.len()];
            assert_same(&what, usize::from(first.width), channels, ours, &theirs);
        }
    }
    assert!(lanes_seen.iter().all(|&seen| seen), "{lanes_seen:?}");
    assert_eq!(
        periods,
        [false, true, false, true, true, false, true],
        "{periods:?}"
    );
    println!("{cases} batches are equal, {flagged} streams flagged for the transform's domain");
}
