//! Any bytes open and read without a panic, and read the same twice.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wsi_core::{Limits, OpenOptions, Region, Slide};
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
    }
});
