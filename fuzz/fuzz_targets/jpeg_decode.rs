//! Any bytes decode without a panic, and decode the same twice.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wsi_jpeg::{Decoder, Info, Limits, Options, PixelFormat, StridedRows};

fuzz_target!(|data: &[u8]| {
    let Ok(info) = Info::read(data, None) else { return };
    let (width, height) = (info.width() as usize, info.height() as usize);
    if width * height > 1 << 20 || info.bits() > 8 {
        return;
    }
    let limits = Limits::default().with_max_scans(16);
    let options = Options::new(PixelFormat::Planes8).with_limits(limits);
    let rows = height * info.components().len();
    let decode = || {
        let mut pixels = vec![0; width * rows];
        let mut out = StridedRows::new(&mut pixels, width);
        let outcome = Decoder::new().decode(data, &options, &mut out);
        outcome.is_ok().then_some(pixels)
    };
    assert_eq!(decode(), decode());
});
