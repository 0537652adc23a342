//! `cargo xtask kernels`: the CUDA kernels of `wsi-cuda`, compiled ahead.
//!
//! NVRTC comes from the Python package index and is driven from Python, since calling a C library
//! would be unsafe code. It needs neither a GPU nor a driver. Each `.cu` file becomes a part of one
//! program; what comes out depends on nothing but the sources, the compiler and the options.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, bail, ensure};
use sha2::{Digest, Sha256};

use crate::workspace;

/// The compiler. An old one, since a driver refuses PTX of a language newer than itself: this one
/// writes version 8.1, which every driver of CUDA 12.1 or later reads. Newer ones gave the kernels
/// as many registers.
const PACKAGE: &str = "nvidia-cuda-nvrtc-cu12";
const VERSION: &str = "12.1.105";

/// Options of all outputs. No fused multiply-add: results must not depend on the compiler's choice.
const OPTIONS: &[&str] = &["--std=c++17", "--fmad=false"];

/// What is made: the file, what it is, and for what.
const OUTPUTS: &[(&str, &str, &[&str])] = &[
    ("wsi.ptx", "PTX", &["--gpu-architecture=compute_80"]),
    (
        "wsi_sm80.cubin",
        "CUBIN",
        &["--gpu-architecture=sm_80", "--ptxas-options=-v"],
    ),
    (
        "wsi_sm90.cubin",
        "CUBIN",
        &["--gpu-architecture=sm_90", "--ptxas-options=-v"],
    ),
];

const SCRIPT: &str = include_str!("nvrtc.py");
const MANIFEST: &str = "manifest.txt";

/// Compiles the kernels into `built/` beside them or, with `check`, says whether what lies there is
/// what comes out.
pub(crate) fn run(check: bool) -> anyhow::Result<()> {
    let sources = workspace::root().join("crates/wsi-cuda/kernels");
    let built = sources.join("built");
    let fresh = workspace::root().join("target/kernels");
    std::fs::create_dir_all(&fresh)?;

    let log = compile(&nvrtc()?, &sources, &fresh)?;
    std::fs::write(fresh.join(MANIFEST), manifest(&sources, &fresh, &log)?)?;

    let names = OUTPUTS.iter().map(|output| output.0).chain([MANIFEST]);
    if check {
        for name in names {
            let committed =
                std::fs::read(built.join(name)).with_context(|| format!("no {name}"))?;
            ensure!(
                committed == std::fs::read(fresh.join(name))?,
                "kernels/built/{name} is not what the sources give: run `cargo xtask kernels`"
            );
        }
        println!("the compiled kernels are those of the sources");
        return Ok(());
    }
    std::fs::create_dir_all(&built)?;
    for name in names {
        std::fs::copy(fresh.join(name), built.join(name))?;
    }
    print!("{}", std::fs::read_to_string(built.join(MANIFEST))?);
    Ok(())
}

/// The folder of the compiler, put into `target/` if it is not there.
fn nvrtc() -> anyhow::Result<PathBuf> {
    let folder = workspace::root().join(format!("target/nvrtc-{VERSION}"));
    if !folder.join("nvidia").is_dir() {
        let status = Command::new("python3")
            .args([
                "-m",
                "pip",
                "install",
                "--quiet",
                "--disable-pip-version-check",
            ])
            .args(["--root-user-action=ignore", "--no-deps", "--target"])
            .arg(&folder)
            .arg(format!("{PACKAGE}=={VERSION}"))
            .status()
            .context("cannot start python3")?;
        ensure!(status.success(), "pip ended with {status}");
    }
    Ok(folder)
}

/// Compiles all outputs; gives what the compiler says, a line each: the output's name, a colon, text.
fn compile(nvrtc: &Path, sources: &Path, out: &Path) -> anyhow::Result<String> {
    let mut python = Command::new("python3")
        .args(["-c", SCRIPT])
        .args([nvrtc, sources, out])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot start python3")?;
    let mut stdin = python.stdin.take().context("python3 has no input")?;
    for (name, kind, options) in OUTPUTS {
        writeln!(
            stdin,
            "{name} {kind} {} {}",
            OPTIONS.join(" "),
            options.join(" ")
        )?;
    }
    drop(stdin);
    let output = python.wait_with_output()?;
    ensure!(
        output.status.success(),
        "the compiler ended with {}",
        output.status
    );
    Ok(String::from_utf8(output.stdout)?)
}

/// What the outputs were made of, by what, and what the kernels need of the device.
fn manifest(sources: &Path, out: &Path, log: &str) -> anyhow::Result<String> {
    let mut text = String::from("# Made by `cargo xtask kernels`; not to be edited.\n");
    writeln!(text, "compiler {PACKAGE} {VERSION}")?;
    for source in source_names(sources)? {
        writeln!(text, "source {source} {}", digest(&sources.join(&source))?)?;
    }
    for (name, kind, options) in OUTPUTS {
        let options = OPTIONS
            .iter()
            .chain(*options)
            .copied()
            .collect::<Vec<_>>()
            .join(" ");
        writeln!(
            text,
            "output {name} {} {kind} {options}",
            digest(&out.join(name))?
        )?;
    }
    for line in resources(log)? {
        writeln!(text, "kernel {line}")?;
    }
    Ok(text)
}

/// The files that are compiled, in the order of their names.
fn source_names(folder: &Path) -> anyhow::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path
            .extension()
            .is_some_and(|extension| extension == "cu" || extension == "cuh")
        {
            let name = path.file_name().context("a file without a name")?;
            names.push(name.to_string_lossy().into_owned());
        }
    }
    names.sort();
    Ok(names)
}

fn digest(path: &Path) -> anyhow::Result<String> {
    let data = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    let mut text = String::new();
    for byte in Sha256::digest(&data) {
        write!(text, "{byte:02x}")?;
    }
    Ok(text)
}

/// Registers and spilled bytes of each kernel, from what the assembler says. A warning is an error.
fn resources(log: &str) -> anyhow::Result<Vec<String>> {
    let mut lines = Vec::new();
    let (mut kernel, mut spilled) = (String::new(), String::new());
    for line in log.lines() {
        let Some((output, said)) = line.split_once(": ") else {
            continue;
        };
        if !said.starts_with("ptxas") || said.contains("warning") {
            bail!("{line}");
        }
        if let Some(name) = said.split('\'').nth(1) {
            name.clone_into(&mut kernel);
        } else if let Some((stored, _)) = said.split_once(" bytes spill stores") {
            stored
                .rsplit(' ')
                .next()
                .unwrap_or_default()
                .clone_into(&mut spilled);
        } else if let Some((_, used)) = said.split_once("Used ") {
            let registers = used.split(' ').next().unwrap_or_default();
            lines.push(format!(
                "{output} {kernel}: {registers} registers, {spilled} bytes spilled"
            ));
        }
    }
    ensure!(!lines.is_empty(), "the assembler said nothing of registers");
    lines.sort();
    Ok(lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registers_are_read_from_the_log_and_warnings_are_errors() {
        let log = "nvrtc 12.1\n\
            a.cubin: ptxas info    : Compiling entry function 'one' for 'sm_80'\n\
            a.cubin: ptxas         .     16 bytes stack frame, 16 bytes spill stores, 32 bytes spill loads\n\
            a.cubin: ptxas info    : Used 48 registers, 6432 bytes smem\n";
        assert_eq!(
            resources(log).unwrap(),
            ["a.cubin one: 48 registers, 16 bytes spilled"]
        );
        let warning = format!("{log}a.cubin: a.cu(3): warning #177-D: never referenced\n");
        assert!(
            resources(&warning)
                .unwrap_err()
                .to_string()
                .contains("#177-D")
        );
        assert!(resources("nvrtc 12.1\n").is_err());
    }
}
