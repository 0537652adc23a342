//! A damaged stream either goes to the CPU, or is as good as new: clean and byte-equal to what
//! `wsi-jpeg` decodes. It never harms its neighbours, nor any memory that is not its own.
#![cfg(feature = "host")]
#![allow(clippy::panic, reason = "that is how a test fails")]
#![allow(clippy::print_stdout, reason = "a test says how much it has compared")]

mod support;

use jpeg_encoder::SamplingFactor;
use support::transcode::transcode;
use support::writer::{Bits, standard};
use support::{Random, Recipe, assert_same, by_wsi_jpeg, long_tests};
use wsi_core::Size;
use wsi_cuda::layout::flag;
use wsi_cuda::plan::{Slicing, StreamFormat};
use wsi_cuda::{BatchDecoder, CpuReason, HostExecutor, Output};
use wsi_jpeg::{Info, Parts};

/// Changes a stream behind its headers, and now and then in them.
fn damage(stream: &mut Vec<u8>, random: &mut Random) {
    let header = Parts::read(stream, None).map_or(0, |parts| parts.header_length());
    let from = if random.below(20) == 0 { 2 } else { header };
    for _ in 0..1 + random.below(3) {
        let at = from + random.below(stream.len() - from);
        match random.below(6) {
            0 => stream[at] = random.byte(),
            1 | 2 => stream[at] ^= 1 << random.below(8),
            3 => {
                stream.remove(at);
            }
            4 => stream.insert(at, random.byte()),
            _ => {
                let end = (at + random.below(40)).min(stream.len());
                let byte = random.byte();
                stream[at..end].fill(byte);
            }
        }
    }
}

#[derive(Default, Debug)]
struct Count {
    refused: usize,
    flagged: usize,
    /// By flag.
    flags: [usize; 7],
    clean: usize,
    errors: usize,
}

/// Decodes a batch of damaged streams, every fifth of them whole, and compares.
fn check(
    format: &StreamFormat,
    streams: &[Vec<u8>],
    channels: usize,
    decoder: &mut BatchDecoder,
    count: &mut Count,
) {
    let slices: Vec<&[u8]> = streams.iter().map(Vec::as_slice).collect();
    let samples = u32::try_from(channels).expect("small");
    let decoded = decoder
        .decode_streams(format, &slices, samples, &Output::new())
        .expect("damage is no failure of the device");
    let pixels = decoder.download(&decoded.tensor).expect("pixels");
    let item = pixels.len() / streams.len();
    let report = &decoded.report;
    for (number, (stream, ours)) in streams.iter().zip(pixels.chunks(item)).enumerate() {
        let theirs = by_wsi_jpeg(stream, format, channels);
        // A picture of another size is none of this format, however well it decodes.
        let size = |info: Info| Size::new(info.width(), info.height());
        let fits = Info::read(stream, None).is_ok_and(|info| size(info) == format.size);
        let by_cpu = report.by_cpu.iter().find(|tile| tile.tile == number);
        match by_cpu.map(|tile| &tile.reason) {
            Some(CpuReason::Flagged(flags)) => {
                count.flagged += 1;
                for (bit, seen) in count.flags.iter_mut().enumerate() {
                    *seen += usize::try_from(flags >> bit & 1).expect("a bit");
                }
            }
            Some(_) => count.refused += 1,
            None => count.clean += 1,
        }
        let what = format!("stream {number}, {by_cpu:?}");
        let width = format.size.width as usize;
        match theirs {
            Ok((theirs, outcome)) if fits && outcome.is_clean() => {
                assert!(report.results[number].is_ok(), "{what}");
                assert_same(&what, width, channels, ours, &theirs);
            }
            // Damaged, and noticed: an error, and the fill where pixels would have been.
            _ => {
                assert!(by_cpu.is_some(), "{what}: damage that nobody has noticed");
                let error = report.results[number].as_ref().expect_err("an error");
                assert!(error.message().starts_with(&format!("stream {number}")));
                let fill = if channels == 1 { 0 } else { 255 };
                assert!(ours.iter().all(|&sample| sample == fill), "{what}");
                count.errors += 1;
            }
        }
        if number % 5 == 0 {
            assert!(by_cpu.is_none(), "{what}: a stream without damage");
        }
    }
}

#[test]
fn five_thousand_damaged_streams() {
    let batches = if long_tests() { 1000 } else { 105 };
    let mut random = Random(5);
    let mut count = Count::default();
    let samplings = [
        None,
        Some(SamplingFactor::F_1_1),
        Some(SamplingFactor::F_2_1),
        Some(SamplingFactor::F_1_2),
        Some(SamplingFactor::F_2_2),
    ];
    let one_pair = &standard()[..1];
    for batch in 0..batches {
        let sampling = samplings[batch % samplings.len()];
        let side = |random: &mut Random| u16::try_from(1 + random.below(90)).expect("small");
        let recipe = Recipe {
            size: (side(&mut random), side(&mut random)),
            sampling,
            quality: [20, 70, 95][random.below(3)],
            restart: [0, 0, 0, 2, 9][random.below(5)],
        };
        let channels = if sampling.is_none() { 1 } else { 3 };
        let shared = random.below(3) == 0;
        let streams: Vec<_> = (0..60)
            .map(|number| {
                let mut stream = recipe.encode(random.next());
                // All codes of the standard chroma tables are in those of luma.
                if shared {
                    stream = transcode(&stream, one_pair, &[0; 3][..channels]);
                }
                if number % 5 != 0 {
                    damage(&mut stream, &mut random);
                }
                stream
            })
            .collect();
        let slicing = Slicing::default()
            .with_most_lanes(Some(1 << random.below(9)))
            .with_least_bits(Some(u32::try_from(1 + random.below(300)).expect("small")));
        let executor = HostExecutor::new().with_seed(random.next());
        let mut decoder = BatchDecoder::new(Box::new(executor)).with_slicing(slicing);
        check(
            &recipe.format(),
            &streams,
            channels,
            &mut decoder,
            &mut count,
        );
    }
    println!("{count:?}");
    for (bit, &seen) in count.flags.iter().enumerate() {
        // Sums of DC differences that damage leaves too small, see below.
        assert!(seen > 0 || 1 << bit == flag::DC_RANGE, "{count:?}");
    }
    assert!(count.refused > 0 && count.errors > 0);
}

#[test]
fn noise_where_the_data_should_be() {
    let mut random = Random(77);
    let recipe = Recipe {
        size: (70, 50),
        sampling: Some(SamplingFactor::F_2_2),
        quality: 60,
        restart: 0,
    };
    let header = {
        let whole = recipe.encode(3);
        let length = Parts::read(&whole, None)
            .expect("a picture")
            .header_length();
        whole[..length].to_vec()
    };
    let mut count = Count::default();
    for lanes in [1, 8, 32, 64, 256] {
        let streams: Vec<_> = (0..40)
            .map(|number| {
                if number % 5 == 0 {
                    return recipe.encode(number);
                }
                let mut stream = header.clone();
                for _ in 0..random.below(3000) {
                    // No markers but the last one.
                    let byte = random.byte();
                    stream.push(byte);
                    if byte == 0xFF {
                        stream.push(0);
                    }
                }
                stream.extend([0xFF, 0xD9]);
                stream
            })
            .collect();
        let slicing = Slicing::default()
            .with_most_lanes(Some(lanes))
            .with_least_bits(Some(64));
        let executor = HostExecutor::new().with_seed(lanes.into());
        let mut decoder = BatchDecoder::new(Box::new(executor)).with_slicing(slicing);
        check(&recipe.format(), &streams, 3, &mut decoder, &mut count);
    }
    println!("{count:?}");
}

#[test]
fn sums_of_differences_that_leave_16_bits_are_flagged() {
    let recipe = Recipe {
        size: (240, 16),
        sampling: None,
        quality: 60,
        restart: 0,
    };
    let whole = recipe.encode(3);
    let length = Parts::read(&whole, None)
        .expect("a picture")
        .header_length();
    let [[dc, ac], _] = standard();
    // 60 blocks, each brighter than the one before by the largest difference that there is.
    let mut bits = Bits::default();
    for _ in 0..60 {
        let (code, size) = dc.of(11);
        bits.put(code, size);
        bits.put(2047, 11);
        let (code, size) = ac.of(0);
        bits.put(code, size);
    }
    bits.align();
    let stream = [&whole[..length], &bits.bytes, &[0xFF, 0xD9]].concat();
    let mut decoder = BatchDecoder::new(Box::new(HostExecutor::new()));
    let decoded = decoder
        .decode_streams(&recipe.format(), &[&stream], 1, &Output::new())
        .expect("the host executor");
    let [tile] = decoded.report.by_cpu.as_slice() else {
        panic!("{:?}", decoded.report);
    };
    assert!(
        matches!(tile.reason, CpuReason::Flagged(flags) if flags & flag::DC_RANGE != 0),
        "{tile:?}"
    );
    // And the CPU says what libjpeg-turbo does with them.
    let (theirs, outcome) = by_wsi_jpeg(&stream, &recipe.format(), 1).expect("a stream");
    assert!(outcome.is_clean());
    let ours = decoder.download(&decoded.tensor).expect("pixels");
    assert_same("the sums", 240, 1, &ours, &theirs);
}

/// A gray block of a DC value and, if it is not zero, the first AC coefficient; quantisers are 16 and 1.
fn block(dc_value: i32, ac_value: i32) -> Vec<u8> {
    let recipe = Recipe {
        size: (8, 8),
        sampling: None,
        quality: 60,
        restart: 0,
    };
    let mut stream = recipe.encode(1);
    let length = Parts::read(&stream, None)
        .expect("a picture")
        .header_length();
    stream.truncate(length);
    let table = stream.windows(2).position(|pair| pair == [0xFF, 0xDB]);
    let table = table.expect("a table") + 5;
    stream[table..table + 64].fill(1);
    stream[table] = 16;
    let [[dc, ac], _] = standard();
    let size = |value: i32| 32 - value.unsigned_abs().leading_zeros();
    let symbol = |value: i32| u8::try_from(size(value)).expect("small");
    let mut bits = Bits::default();
    bits.put_value(dc.of(symbol(dc_value)), dc_value, size(dc_value));
    if ac_value != 0 {
        bits.put_value(ac.of(symbol(ac_value)), ac_value, size(ac_value));
    }
    let (code, length) = ac.of(0);
    bits.put(code, length);
    bits.align();
    [&stream, &bits.bytes[..], &[0xFF, 0xD9]].concat()
}

#[test]
fn the_domain_of_the_transform_ends_at_512() {
    // Samples are twice the DC value, and at the edges 0.173 times the AC coefficient more.
    let format = StreamFormat::new((8, 8));
    let cases = [
        (255, 0, true),
        (-256, 0, true),
        (256, 0, false),
        (-257, 0, false),
        (200, 600, true),
        (200, 700, false),
        (-200, 600, true),
        (-200, 700, false),
    ];
    for (dc_value, ac_value, inside) in cases {
        let stream = block(dc_value, ac_value);
        let mut decoder = BatchDecoder::new(Box::new(HostExecutor::new()));
        let decoded = decoder
            .decode_streams(&format, &[&stream], 1, &Output::new())
            .expect("the host executor");
        let reasons: Vec<_> = decoded.report.by_cpu.iter().map(|t| &t.reason).collect();
        let expected = CpuReason::Flagged(flag::DOMAIN);
        let expected = if inside { vec![] } else { vec![&expected] };
        assert_eq!(reasons, expected, "DC {dc_value}, AC {ac_value}");
        let (theirs, outcome) = by_wsi_jpeg(&stream, &format, 1).expect("a stream");
        assert!(outcome.is_clean(), "{outcome:?}");
        let ours = decoder.download(&decoded.tensor).expect("pixels");
        assert_same("a block", 8, 1, &ours, &theirs);
    }
}
