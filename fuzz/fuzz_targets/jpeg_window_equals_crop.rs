//! Windows of any picture, by a row index or not, are crops of the full decode, with all kernels.
#![no_main]

mod jpeg;

use libfuzzer_sys::fuzz_target;
use wsi_jpeg::{Decoder, Kernels, RowIndex};

use jpeg::{Job, assert_pixels, assert_same, decoders};

fuzz_target!(|data: &[u8]| {
    let Some(job) = Job::new(data) else { return };
    let full = job.decode(&mut Decoder::with_kernels(Kernels::scalar()), None);
    for (kernels, mut decoder) in decoders() {
        let (mut growing, mut all) = (RowIndex::new(), RowIndex::new());
        let indexed = job.decode_indexed(&mut decoder, None, &mut all);
        assert_same(&indexed, &full, &format!("{kernels}, noting rows"));
        for window in job.windows() {
            let plain = job.decode(&mut decoder, Some(window));
            let first = job.decode_indexed(&mut decoder, Some(window), &mut growing);
            let second = job.decode_indexed(&mut decoder, Some(window), &mut all);
            // A window does not look at data behind it, so that it may do where all of it fails.
            let Ok((pixels, _)) = &full else { continue };
            let expected = job.crop(pixels, window);
            for (result, name) in [(plain, "no"), (first, "a growing"), (second, "a full")] {
                let what = format!("{kernels}, {window:?}, {name} index");
                match result {
                    Ok((pixels, _)) => assert_pixels(&pixels, &expected, &what),
                    Err(error) => panic!("{what}: {error}"),
                }
            }
        }
    }
});
