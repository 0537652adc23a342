//! Segments with bytes to spare, and undefined codes: what libjpeg-turbo says of them depends on
//! how far it reads ahead.

use wsi_jpeg::{Decoder, Options, PixelFormat, Scale, Warning};
use wsi_jpeg_turbo::compare;
use wsi_jpeg_turbo::turbo::{Decoded, Ending, Turbo};

/// A block without coefficients in the standard tables, one with a code of 16 bits, one with an
/// undefined code.
const BLOCKS: [&str; 3] = [
    "001010",
    "00111111111111111010101010",
    "0011111111111111111",
];

/// Rows of blocks: all alike, or the first or last one undefined.
fn rows() -> Vec<Vec<&'static str>> {
    let mut rows = Vec::new();
    for length in (1..=24).chain([60, 200]) {
        rows.extend(BLOCKS.map(|block| vec![block; length]));
        for odd in [0, length - 1] {
            let mut row = vec![BLOCKS[0]; length];
            row[odd] = BLOCKS[2];
            rows.push(row);
        }
    }
    rows
}

/// What the stray bytes are, and how many bytes there are behind the end of the image.
const FILLERS: [(&[u8], usize); 4] = [(&[0], 0), (&[0xFF, 0], 0), (&[0], 520), (&[0], 2000)];

/// A gray picture of a row of blocks, `stray` bytes behind each segment and `behind` after the end.
fn picture(blocks: &[&str], interval: usize, stray: &[u8], behind: usize) -> Vec<u8> {
    let mut data = vec![0xFF, 0xD8, 0xFF, 0xDB, 0, 67, 0];
    data.extend([1; 64]);
    data.extend([0xFF, 0xC0, 0, 11, 8, 0, 8]);
    data.extend((blocks.len() as u16 * 8).to_be_bytes());
    data.extend([1, 1, 0x11, 0]);
    data.extend([0xFF, 0xDD, 0, 4, 0, interval as u8]);
    data.extend([0xFF, 0xDA, 0, 8, 1, 1, 0, 0, 63, 0]);
    let interval = if interval == 0 {
        blocks.len()
    } else {
        interval
    };
    for (number, blocks) in blocks.chunks(interval).enumerate() {
        if number > 0 {
            data.extend([0xFF, 0xD0 + (number - 1) as u8 % 8]);
        }
        let bits = blocks.concat();
        for chunk in bits.as_bytes().chunks(8) {
            let byte = (0..8).fold(0, |byte, bit| {
                byte << 1 | u8::from(chunk.get(bit) != Some(&b'0'))
            });
            data.push(byte);
            if byte == 0xFF {
                data.push(0);
            }
        }
        data.extend(stray);
    }
    data.extend([0xFF, 0xD9]);
    data.resize(data.len() + behind, 0);
    data
}

#[test]
fn segments_end_as_in_libjpeg_turbo() {
    let mut turbo = Turbo::new();
    let mut decoders = compare::decoders();
    let mut wrong = Vec::new();
    let (mut count, mut clean) = (0, 0);
    for blocks in rows() {
        for (interval, stray) in [0, 7, 8, 9, 10, 11]
            .iter()
            .flat_map(|interval| (0..=10).map(move |stray| (*interval, stray)))
        {
            for (filler, behind) in FILLERS {
                let data = picture(&blocks, interval, &filler.repeat(stray), behind);
                let theirs = turbo.decode(&data, Scale::Full, PixelFormat::Gray8, 1 << 20);
                count += 1;
                clean += usize::from(theirs.ending == Ending::Clean);
                for (kernels, decoder) in &mut decoders {
                    // The first sight of new headers takes another path than the second.
                    for sight in 1..=2 {
                        if let Err(what) = compare_ending(decoder, &data, blocks.len(), &theirs) {
                            wrong.push(format!(
                                "{} blocks, {} and {} at the ends, interval {interval}, {stray} times \
                                 {filler:?}, {behind} bytes behind, {kernels}, sight {sight}: \
                                 {what}",
                                blocks.len(),
                                blocks[0],
                                blocks[blocks.len() - 1]
                            ));
                        }
                    }
                }
            }
        }
    }
    println!("{count} streams, {clean} of them clean");
    assert!(clean > 1_000 && count - clean > 1_000);
    compare::assert_none(&wrong);
}

/// Pixels, whether there are warnings, and of skipped bytes how many they were.
fn compare_ending(
    decoder: &mut Decoder,
    data: &[u8],
    blocks: usize,
    theirs: &Decoded,
) -> Result<(), String> {
    let options = Options::new(PixelFormat::Gray8);
    let ours = compare::decode(decoder, data, &options, (blocks * 8, 8), 0);
    if let (Ok((_, outcome)), Ending::Warned(message)) = (&ours, &theirs.ending) {
        let first = outcome.warnings().first().map(Warning::to_string);
        let first = first.unwrap_or_default();
        if message.contains("extraneous") && !message.ends_with(&first) {
            return Err(format!("\"{first}\" for \"{message}\""));
        }
    }
    compare::same_ending(ours, theirs, blocks * 8)
}
