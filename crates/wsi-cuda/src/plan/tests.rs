use jpeg_encoder::{ColorType, Encoder, SamplingFactor};

use super::*;

/// Pixels with some detail.
fn pixels(width: u16, height: u16) -> Vec<u8> {
    (0..u32::from(width) * u32::from(height) * 3)
        .map(|i| u8::try_from((i / 7 % 100) + (i.wrapping_mul(2_654_435_761) >> 27)).unwrap())
        .collect()
}

fn encoded(change: impl FnOnce(&mut Encoder<&mut Vec<u8>>)) -> Vec<u8> {
    let mut data = Vec::new();
    let mut encoder = Encoder::new(&mut data, 80);
    change(&mut encoder);
    encoder
        .encode(&pixels(100, 60), 100, 60, ColorType::Rgb)
        .unwrap();
    data
}

fn format() -> StreamFormat {
    StreamFormat::new((100, 60))
}

#[test]
fn a_tile_becomes_planes_blocks_and_a_segment() {
    let data = encoded(|e| e.set_sampling_factor(SamplingFactor::F_2_2));
    let format = format();
    let mut planner = Planner::new(&format);
    assert_eq!(planner.add(&data), Ok(0));
    assert_eq!(planner.add(&data), Ok(1));
    let plan = planner.finish();
    let [first, second] = plan.tiles.as_slice() else {
        panic!("{:?}", plan.tiles);
    };
    assert_eq!((first.mcus_wide, first.mcus_high, first.units), (7, 4, 6));
    assert_eq!((first.chroma_width, first.chroma_height), (50, 30));
    // Four blocks of luma with one pair of tables, two of chroma with another.
    assert_eq!((first.period, first.unit_tables), (6, 0b11_0000));
    assert_eq!(first.unit_components, 0b10_01_00_00_00_00);
    assert_eq!(first.stride, [112, 56, 56]);
    assert_eq!(first.plane, [0, 7168, 7168 + 1792]);
    assert_eq!(second.first_block, 7 * 4 * 6);
    assert_eq!(second.plane[0], 7168 + 2 * 1792);
    assert_eq!(plan.blocks, 2 * 7 * 4 * 6);
    assert_eq!(plan.table_sets.len(), 1);
    let segments: Vec<_> = plan.segments.iter().filter(|s| s.blocks > 0).collect();
    assert_eq!(segments.len(), 2);
    for segment in segments {
        assert_eq!(segment.blocks, 168);
        assert_eq!(segment.word % 4, 0);
        let end = segment.word as usize * 4 + segment.bits as usize / 8;
        assert!(end + 4 * STREAM_PADDING_WORDS <= plan.stream.len());
    }
}

#[test]
fn each_restart_interval_is_a_segment() {
    let data = encoded(|e| {
        e.set_sampling_factor(SamplingFactor::F_1_1);
        e.set_restart_interval(10);
    });
    let format = format();
    let mut planner = Planner::new(&format);
    planner.add(&data).unwrap();
    let plan = planner.finish();
    // 13 x 8 MCUs: ten segments of 10, and one of 4.
    let mut blocks: Vec<_> = plan
        .segments
        .iter()
        .filter(|segment| segment.blocks > 0)
        .map(|segment| (segment.first_block, segment.blocks))
        .collect();
    blocks.sort_unstable();
    let expected: Vec<_> = (0..11)
        .map(|i| (30 * i, if i < 10 { 30 } else { 12 }))
        .collect();
    assert_eq!(blocks, expected);
}

#[test]
fn launches_have_whole_thread_blocks_of_one_table_set() {
    let tile = |bits, table_set| Segment {
        bits,
        blocks: 1,
        table_set,
        ..Segment::default()
    };
    let segments: Vec<_> = (0..50).map(|i| tile(500 * i * i, i % 3)).collect();
    for most_lanes in [1, 4, 32, 64, 256] {
        let slicing = Slicing::default().with_most_lanes(Some(most_lanes));
        let (arranged, launches) = slices::arrange(segments.clone(), 50, &slicing);
        let mut next = 0;
        for launch in &launches {
            assert_eq!(launch.first, next);
            next += launch.segments;
            assert!(launch.lanes <= most_lanes);
            let group = launch.threads() / launch.lanes;
            assert_eq!(
                group,
                if launch.lanes > 32 {
                    1
                } else {
                    128 / launch.lanes
                }
            );
            assert_eq!(launch.thread_blocks() * group, launch.segments);
            let range = launch.first as usize..next as usize;
            for block in arranged[range].chunks(group as usize) {
                assert!(block.iter().all(|s| s.table_set == block[0].table_set));
                for segment in block.iter().filter(|s| s.blocks > 0) {
                    assert!(segment.slice_bits * launch.lanes >= segment.bits);
                    assert!(segment.slice_bits >= segment.bits.min(2048));
                }
            }
        }
        assert_eq!(next as usize, arranged.len());
        assert_eq!(arranged.iter().filter(|s| s.blocks > 0).count(), 50);
    }
}

#[test]
fn the_places_of_slices_are_numbers_of_32_bits() {
    let longest = Segment {
        bits: 8 * (4 << 20),
        blocks: 1,
        ..Segment::default()
    };
    let short = Segment { bits: 8, ..longest };
    for least in [1, 5000, 1 << 20, 1 << 24, 1 << 31, u32::MAX] {
        let slicing = Slicing::default().with_least_bits(Some(least));
        let (arranged, launches) = slices::arrange(vec![longest, short], 1, &slicing);
        for launch in launches {
            let first = launch.first as usize;
            for segment in &arranged[first..first + launch.segments as usize] {
                let end = segment.slice_bits.checked_mul(launch.lanes);
                assert!(end.is_some_and(|end| end >= segment.bits), "{segment:?}");
            }
        }
    }
}

#[test]
fn what_the_kernels_cannot_do_is_refused_with_the_reason() {
    let format = format();
    let mut planner = Planner::new(&format);
    let mut refused = |data: &[u8]| planner.add(data).unwrap_err();
    let good = encoded(|_| ());
    let progressive = encoded(|e| e.set_progressive(true));
    assert!(matches!(refused(&progressive), Refusal::Headers(_)));
    let several = encoded(|e| e.set_sampling_factor(SamplingFactor::F_4_1));
    assert!(matches!(refused(&several), Refusal::Headers(_)));
    let cut = &good[..good.len() - 2];
    assert_eq!(refused(cut), Refusal::Marker(None));
    let mut other = good.clone();
    let end = other.len() - 1;
    other[end] = 0xD0;
    assert_eq!(refused(&other), Refusal::Marker(Some(0xD0)));
    let frame = good
        .windows(2)
        .position(|pair| pair == [0xFF, 0xC0])
        .unwrap();
    other.clone_from(&good);
    other[frame + 11] = 0x41;
    assert_eq!(refused(&other), Refusal::Sampling);
    other.clone_from(&good);
    other[frame + 6] = 61;
    let refusal = refused(&other);
    assert_eq!(
        refusal,
        Refusal::Size {
            width: 100,
            height: 61
        }
    );
    assert_eq!(refusal.to_string(), "a picture of 100 x 61");
    // A refused tile leaves nothing behind.
    assert_eq!(planner.finish().stream.len(), 4 * STREAM_PADDING_WORDS);
    let of_rgb = format.clone().with_color(Some(ColorModel::Gray));
    assert_eq!(Planner::new(&of_rgb).add(&good), Err(Refusal::Color));
}
