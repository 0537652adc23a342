//! Project automation: `cargo xtask COMMAND`.
//!
//! One module a command. Nothing here is part of the library: it makes the files that tests and
//! benches read, and checks what `cargo` itself does not.

#![forbid(unsafe_code)]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command-line tool")]
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    reason = "samples, labels and places whose ranges the line itself shows; no file is trusted"
)]

mod agree;
mod bindgen;
mod bundled_mask;
mod ci;
mod fixtures;
mod growth;
mod kernels;
mod layers;
mod peers;
mod targets;
mod turbo;
mod valgrind;
mod workspace;

use std::path::PathBuf;

use clap::{Parser, Subcommand};

/// Project automation.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Write the large deterministic slides and masks into target/fixtures.
    Fixtures {
        /// The folder to write into.
        #[arg(long)]
        out: Option<PathBuf>,
    },
    /// Make fixtures/CMU-1-Small-Region_mask.tiff anew from the slide beside it.
    BundledMask {
        /// The file to write.
        #[arg(long)]
        out: Option<PathBuf>,
    },
    /// Hold regions of `wsi-pure` against `OpenSlide`'s; needs the library, best built with --release.
    Agree {
        /// How many regions, at least.
        #[arg(long, default_value_t = 5000)]
        regions: u64,
        /// What the random numbers start from.
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// The folder of test slides: by default `WSI_TEST_SLIDES` or ../shared/slides.
        #[arg(long)]
        slides: Option<PathBuf>,
    },
    /// Make `wsi-openslide`'s bindings of the header beside them; needs libclang, or pip to get it.
    Bindgen {
        /// Only say whether they are in step with the header.
        #[arg(long)]
        check: bool,
    },
    /// Time the tiling job, and see its memory, on slides of more area and of more tissue.
    Growth {
        /// Runs of each slide; the middle one counts.
        #[arg(long, default_value_t = 5)]
        repeat: usize,
    },
    /// Compile the CUDA kernels of `wsi-cuda`; needs Python and pip.
    Kernels {
        /// Only say whether what is committed is what comes out.
        #[arg(long)]
        check: bool,
    },
    /// Check that the crates import each other only as ARCHITECTURE.md allows.
    Layers,
    /// Time our programs beside other slide readers; needs Python and pip.
    Peers {
        /// For `benches/peers/run.py`.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<std::ffi::OsString>,
    },
    /// Run the tests of the portable code on an emulated `AArch64` and 32-bit x86; needs
    /// `rustup target add aarch64-unknown-linux-gnu i686-unknown-linux-gnu`,
    /// gcc-aarch64-linux-gnu, gcc-i686-linux-gnu and qemu-user.
    Targets,
    /// Hold wsi-jpeg against libjpeg-turbo and time both; needs cmake and nasm.
    Turbo,
    /// Run the tests of the OpenSlide backend under valgrind; needs it and the library.
    Valgrind,
    /// Run .ci/run.
    Ci,
}

fn main() -> anyhow::Result<()> {
    match Arguments::parse().command {
        Command::Fixtures { out } => {
            fixtures::run(&out.unwrap_or_else(|| workspace::root().join("target/fixtures")))
        }
        Command::BundledMask { out } => {
            bundled_mask::run(&out.unwrap_or_else(bundled_mask::default_path))
        }
        Command::Agree {
            regions,
            seed,
            slides,
        } => agree::run(regions, seed, slides),
        Command::Bindgen { check } => bindgen::run(check),
        Command::Growth { repeat } => growth::run(repeat),
        Command::Kernels { check } => kernels::run(check),
        Command::Layers => layers::run(),
        Command::Peers { arguments } => peers::run(&arguments),
        Command::Targets => targets::run(),
        Command::Turbo => turbo::run(),
        Command::Valgrind => valgrind::run(),
        Command::Ci => ci::run(),
    }
}
