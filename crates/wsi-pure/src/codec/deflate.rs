//! Deflate: a zlib stream (RFC 1950) a chunk, under both codes that TIFF has for it.

use flate2::{Decompress, FlushDecompress, Status};
use wsi_core::{Error, Result};

use super::ends_early;

/// The state of an inflater, kept between tiles.
pub(super) struct Inflater(Decompress);

impl Default for Inflater {
    fn default() -> Self {
        Self(Decompress::new(true))
    }
}

/// Decodes exactly `out.len()` bytes. A stream that goes on is not looked at further; of one that
/// ends there, the checksum is compared if it is all there.
///
/// # Errors
/// `Corrupt` if the stream is damaged or ends early.
pub(super) fn decode(stored: &[u8], out: &mut [u8], inflater: &mut Inflater) -> Result<()> {
    let state = &mut inflater.0;
    state.reset(true);
    let wanted = out.len();
    let damaged = |error: flate2::DecompressError| {
        Error::corrupt("deflate data is damaged").with_source(error)
    };
    let mut written = 0;
    while written < wanted {
        let read = usize::try_from(state.total_in()).unwrap_or(usize::MAX);
        let rest = stored.get(read..).unwrap_or_default();
        let status = state
            .decompress(rest, &mut out[written..], FlushDecompress::None)
            .map_err(damaged)?;
        let total = usize::try_from(state.total_out()).unwrap_or(usize::MAX);
        let stuck = total == written;
        written = total;
        if written < wanted && (status != Status::Ok || stuck) {
            return Err(ends_early("deflate", written, wanted));
        }
    }
    // The end of the stream follows without another byte of output: if one comes, it goes on.
    let read = usize::try_from(state.total_in()).unwrap_or(usize::MAX);
    let rest = stored.get(read..).unwrap_or_default();
    state
        .decompress(rest, &mut [0], FlushDecompress::None)
        .map_err(damaged)?;
    Ok(())
}

#[cfg(test)]
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "small test data")]
mod tests {
    use std::io::Write as _;

    use proptest::prelude::*;

    use super::*;

    fn encoded(data: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::new(6));
        encoder.write_all(data).unwrap();
        encoder.finish().unwrap()
    }

    fn decoded(stored: &[u8], length: usize) -> Result<Vec<u8>> {
        let mut out = vec![0; length];
        decode(stored, &mut out, &mut Inflater::default()).map(|()| out)
    }

    #[test]
    fn short_streams_and_wrong_checksums_are_errors() {
        let mut stored = encoded(&[9; 1203]);
        let error = decoded(&stored, 4096).unwrap_err();
        assert_eq!(
            error.message(),
            "deflate data ends after 1,203 of 4,096 bytes"
        );
        assert!(decoded(&stored[..stored.len() - 8], 1203).is_err());
        *stored.last_mut().unwrap() ^= 1;
        assert!(decoded(&stored, 1203).is_err());
        assert!(decoded(&[], 1).is_err());
    }

    #[test]
    fn a_stream_after_a_damaged_one_is_decoded() {
        let mut inflater = Inflater::default();
        let good = encoded(&[3; 500]);
        let mut out = [0; 500];
        for bad in [
            &[0x79, 0x9C, 1][..],
            &[0x78, 0x9C, 7, 0],
            &good[..5],
            &good[..0],
        ] {
            assert!(decode(bad, &mut out, &mut inflater).is_err());
            decode(&good, &mut out, &mut inflater).unwrap();
            assert_eq!(out, [3; 500]);
        }
    }

    proptest! {
        #[test]
        fn what_flate2_encodes_is_decoded(
            data in prop::collection::vec(0..5_u8, 0..5000),
            cut in 0.0..=1.0_f64,
        ) {
            let stored = encoded(&data);
            let part = (data.len() as f64 * cut) as usize;
            prop_assert_eq!(decoded(&stored, part).unwrap(), &data[..part]);
            prop_assert_eq!(decoded(&stored, data.len()).unwrap(), data);
        }

        #[test]
        fn any_bytes_are_decoded_or_refused(
            stored in prop::collection::vec(any::<u8>(), 0..300),
        ) {
            let _ = decoded(&[&[0x78, 0x9C][..], &stored].concat(), 1000).is_ok();
        }
    }
}
