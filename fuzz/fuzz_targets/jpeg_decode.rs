//! Any bytes decode without a panic, the same twice, and the same with all kernels.
#![no_main]

mod jpeg;

use libfuzzer_sys::fuzz_target;

use jpeg::{Job, assert_same, decoders};

fuzz_target!(|data: &[u8]| {
    let Some(job) = Job::new(data) else { return };
    let mut expected = None;
    for (kernels, mut decoder) in decoders() {
        // New tables take another path than known ones.
        for sight in 1..=2 {
            let decoded = job.decode(&mut decoder, None);
            match &expected {
                None => expected = Some(decoded),
                Some(expected) => {
                    assert_same(&decoded, expected, &format!("{kernels}, sight {sight}"));
                }
            }
        }
    }
});
