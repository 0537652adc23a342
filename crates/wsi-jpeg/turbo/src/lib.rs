//! `wsi-jpeg` against libjpeg-turbo: the oracle of its tests and the rival of its benchmark.
//!
//! The tests hold decoded pixels against those of libjpeg-turbo 3.1.0, which the `turbojpeg` crate
//! builds from source with its SIMD routines; the binary `speed` times both in one run. Building
//! takes cmake and nasm (`apt-get install cmake nasm`), so this package is a workspace of its own
//! and no part of what `cargo build` and `cargo test` do in the root. See its README.

pub mod clock;
pub mod compare;
pub mod picture;
pub mod random;
pub mod recipe;
pub mod slides;
pub mod stream;
pub mod turbo;
