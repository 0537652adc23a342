//! Pictures decoded together come out as they do alone, with all kernels.
//!
//! The input is two streams, one behind the other, or one that is paired with itself.
#![no_main]

mod jpeg;

use libfuzzer_sys::fuzz_target;
use wsi_jpeg::{Decoder, Kernels, Picture, RowIndex};

use jpeg::{Job, assert_same, decoders, split};

fuzz_target!(|data: &[u8]| {
    let (first, second) = split(data).unwrap_or((data, data));
    let (Some(first), Some(second)) = (Job::new(first), Job::new(second)) else {
        return;
    };
    let windows = [None, Some(second.windows()[0])];
    let mut alone = Decoder::with_kernels(Kernels::scalar());
    let expected = [
        first.decode(&mut alone, windows[0]),
        second.decode(&mut alone, windows[1]),
    ];
    let options = [first.options(windows[0]), second.options(windows[1])];
    for (kernels, mut decoder) in decoders() {
        for round in 1..=2 {
            let (mut a, mut b) = (first.canvas(windows[0]), second.canvas(windows[1]));
            let mut index = RowIndex::new();
            let (a_done, b_done) = decoder.decode_pair(
                Picture::new(first.data, &options[0], &mut a.rows()).with_index(&mut index),
                Picture::new(second.data, &options[1], &mut b.rows()),
            );
            assert_same(
                &a.finish(a_done),
                &expected[0],
                &format!("{kernels}, {round}, first"),
            );
            assert_same(
                &b.finish(b_done),
                &expected[1],
                &format!("{kernels}, {round}, second"),
            );
        }

        // Three in a batch: the third starts where the shorter of the others ends.
        let jobs = [(&first, 0), (&second, 1), (&first, 0)];
        let mut canvases = jobs.map(|(job, which)| job.canvas(windows[which]));
        let mut outcomes = [None, None, None];
        let mut rows = canvases.each_mut().map(|canvas| canvas.rows());
        let pictures = jobs
            .iter()
            .zip(&mut rows)
            .map(|((job, which), rows)| Picture::new(job.data, &options[*which], rows));
        decoder.decode_batch(pictures, |number, outcome| outcomes[number] = Some(outcome));
        for ((canvas, outcome), (_, which)) in canvases.into_iter().zip(outcomes).zip(jobs) {
            let decoded = canvas.finish(outcome.expect("every picture ends"));
            assert_same(&decoded, &expected[which], &format!("{kernels}, batch"));
        }
    }
});
