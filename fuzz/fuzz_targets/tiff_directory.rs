//! Directories of any bytes are found or refused.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wsi_core::Limits;
use wsi_pure::tiff::TiffFile;

fuzz_target!(|data: &[u8]| {
    if let Ok(file) = TiffFile::from_source(Box::new(data.to_vec()), &Limits::default()) {
        assert!(file.chain_len() <= file.directories().len());
    }
});
