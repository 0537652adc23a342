//! `cargo xtask layers`: imports point down, never up and never sideways.
//!
//! The arrows are those of ARCHITECTURE.md, checked against what `cargo metadata` says that each
//! crate of the workspace depends on. Development dependencies count like others.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use anyhow::{Context, bail, ensure};
use serde_json::Value;

use crate::workspace;

/// Each crate below the facade, and the crates of ours that it may depend on.
const ARROWS: &[(&str, &[&str])] = &[
    ("wsi-pages", &[]),
    ("wsi-core", &["wsi-pages"]),
    ("wsi-jpeg", &[]),
    ("wsi-png", &[]),
    ("wsi-pure", &["wsi-core", "wsi-jpeg", "wsi-pages"]),
    ("wsi-openslide", &["wsi-core"]),
    ("wsi-cuda", &["wsi-core", "wsi-jpeg"]),
    ("wsi-tiling", &["wsi-core", "wsi-pages", "wsi-png"]),
];
/// The crates that may depend on any other: the facade, with its examples and tests, and this tool.
const ABOVE_ALL: &[&str] = &["wsi", "xtask"];

/// Crate names, each with the names of our crates that it depends on.
type Arrows = BTreeMap<String, BTreeSet<String>>;

/// Fails with each arrow that points where it may not.
pub(crate) fn run() -> anyhow::Result<()> {
    let arrows = arrows_of(&metadata()?)?;
    let wrong = wrong_arrows(&arrows);
    if !wrong.is_empty() {
        bail!("{}", wrong.join("\n"));
    }
    for (name, below) in &arrows {
        let below: Vec<_> = below.iter().map(String::as_str).collect();
        println!(
            "{name} -> {}",
            if below.is_empty() {
                "-".into()
            } else {
                below.join(", ")
            }
        );
    }
    Ok(())
}

fn metadata() -> anyhow::Result<Value> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args([
            "metadata",
            "--no-deps",
            "--format-version",
            "1",
            "--offline",
        ])
        .current_dir(workspace::root())
        .output()
        .context("cannot run cargo metadata")?;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "cargo metadata: {errors}");
    serde_json::from_slice(&output.stdout).context("cargo metadata printed no JSON")
}

fn arrows_of(metadata: &Value) -> anyhow::Result<Arrows> {
    let packages = metadata["packages"].as_array().context("no packages")?;
    let name_of = |value: &Value| value["name"].as_str().map(str::to_owned);
    let ours: BTreeSet<String> = packages.iter().filter_map(name_of).collect();
    let mut arrows = Arrows::new();
    for package in packages {
        let name = name_of(package).context("a package without a name")?;
        let dependencies = package["dependencies"]
            .as_array()
            .context("no dependencies")?;
        let below = dependencies
            .iter()
            .filter_map(name_of)
            .filter(|name| ours.contains(name));
        arrows.insert(name, below.collect());
    }
    Ok(arrows)
}

fn wrong_arrows(arrows: &Arrows) -> Vec<String> {
    let mut wrong = Vec::new();
    for (name, below) in arrows {
        if ABOVE_ALL.contains(&name.as_str()) {
            continue;
        }
        let Some((_, allowed)) = ARROWS.iter().find(|(known, _)| known == name) else {
            wrong.push(format!(
                "{name} has no place in the layers: see xtask/src/layers.rs"
            ));
            continue;
        };
        for dependency in below
            .iter()
            .filter(|dependency| !allowed.contains(&dependency.as_str()))
        {
            wrong.push(format!("{name} may not depend on {dependency}"));
        }
    }
    wrong
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crates_depend_on_each_other_only_downwards() {
        let arrows = arrows_of(&metadata().unwrap()).unwrap();
        assert!(arrows.contains_key("wsi-core"));
        assert_eq!(wrong_arrows(&arrows), [""; 0]);
    }

    #[test]
    fn an_arrow_that_points_up_or_sideways_is_named() {
        let below = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
        let arrows = Arrows::from([
            ("wsi-core".to_owned(), below(&["wsi-pure"])),
            ("wsi-pure".to_owned(), below(&["wsi-core", "wsi-jpeg"])),
            ("wsi-tiling".to_owned(), below(&["wsi-core", "wsi-pure"])),
            ("wsi-new".to_owned(), below(&[])),
            ("wsi".to_owned(), below(&["wsi-pure", "wsi-tiling"])),
        ]);
        assert_eq!(
            wrong_arrows(&arrows),
            [
                "wsi-core may not depend on wsi-pure",
                "wsi-new has no place in the layers: see xtask/src/layers.rs",
                "wsi-tiling may not depend on wsi-pure",
            ]
        );
    }
}
