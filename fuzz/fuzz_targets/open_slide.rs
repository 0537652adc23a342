//! Any bytes open and read without a panic, and read the same twice; labels as runs are the labels.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wsi_core::{Limits, OpenOptions, Rect, Region, Slide};
use wsi_pure::PureDriver;

fuzz_target!(|data: &[u8]| {
    let limits = Limits::default().with_max_tile_bytes(16 << 20);
    let options = OpenOptions::default().with_limits(limits);
    let driver = PureDriver::with_cache_bytes(1 << 20);
    let Ok(source) = driver.open_source(Box::new(data.to_vec()), &options) else {
        return;
    };
    let slide = Slide::new(source, "fuzzed");
    drop(slide.properties());
    for level in 0..slide.pyramid().len().min(4) {
        let region = Region::at_level(level, (-3, 5), (90, 70));
        let first = slide.read_region(&region);
        let second = slide.read_region(&region);
        match (first, second) {
            (Ok(first), Ok(second)) => assert_eq!(first.as_bytes(), second.as_bytes()),
            (first, second) => assert_eq!(first.is_ok(), second.is_ok()),
        }
        labels_are_the_first_channel(&slide, level);
    }
});

/// Of the first tile.
fn labels_are_the_first_channel(slide: &Slide, level: usize) {
    let Ok(described) = slide.pyramid().level(level) else {
        return;
    };
    let size = described.size;
    let tile = Rect::new((0, 0), described.tile_size.unwrap_or(size));
    let Some(tile) = tile.intersection(Rect::new((0, 0), size)) else {
        return;
    };
    let region = Region::at_level(level, tile.origin, tile.size);
    let Ok(Some(runs)) = slide.read_first_channel(&region) else {
        return;
    };
    // Damage behind what the labels need may be seen by the one and not by the other.
    let Ok(pixels) = slide.read_region(&region) else {
        return;
    };
    let pixel = pixels.format().bytes_per_pixel();
    let first = pixels.as_bytes().chunks_exact(pixel).map(|pixel| pixel[0]);
    let labels = (0..runs.rows()).flat_map(|row| runs.within(row, 0..tile.size.width));
    let labels = labels.flat_map(|run| (run.start..run.end).map(move |_| run.sample));
    assert!(first.eq(labels), "labels of level {level}");
}
