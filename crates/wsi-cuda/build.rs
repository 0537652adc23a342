//! Compiles the kernels as C++ for the host executor; does nothing without the feature `host`.

fn main() {
    println!("cargo::rustc-check-cfg=cfg(wsi_host_sanitize)");
    println!("cargo::rerun-if-changed=build.rs");
    #[cfg(feature = "host")]
    host::build();
}

#[cfg(feature = "host")]
mod host {
    use std::fmt::Write as _;
    use std::path::{Path, PathBuf};

    /// How many threads can run kernels at once; the twin of `COPIES` in library.rs.
    const COPIES: usize = 2;
    /// Kernels of the executor's own tests.
    const TESTS: &str = "src/device/host/test.cu";

    /// The structs that the kernels share with layout.rs.
    const COMMON: &str = "kernels/common.cuh";

    pub(super) fn build() {
        println!("cargo::rerun-if-changed=kernels");
        println!("cargo::rerun-if-changed=src/device/host");
        println!("cargo::rerun-if-env-changed=WSI_HOST_SANITIZE");
        let sanitize = std::env::var_os("WSI_HOST_SANITIZE").is_some_and(|value| value == "1");
        let root = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").expect("set by cargo"));
        let out = PathBuf::from(std::env::var_os("OUT_DIR").expect("set by cargo"));

        let mut list = String::from("#ifdef WSI_SOURCES\n");
        let mut names = Vec::new();
        for source in sources(&root) {
            writeln!(list, "#include \"{}\"", source.display()).expect("a string takes all");
            let text = std::fs::read_to_string(&source).expect("a source of the kernels");
            names.extend(kernels_in(&text));
        }
        list.push_str("#endif\n#ifdef WSI_KERNEL\n");
        for name in &names {
            writeln!(list, "WSI_KERNEL({name}, \"{name}\")").expect("a string takes all");
        }
        list.push_str("#endif\n#ifdef WSI_FIELD\n");
        let common = std::fs::read_to_string(root.join(COMMON)).expect("the kernels' types");
        for (structure, fields) in structs_in(&common) {
            writeln!(list, "WSI_STRUCT({structure})").expect("a string takes all");
            for field in fields {
                writeln!(list, "WSI_FIELD({structure}, {field})").expect("a string takes all");
            }
        }
        list.push_str("#endif\n");
        std::fs::write(out.join("kernels.inc"), list).expect("OUT_DIR can be written");

        for copy in 0..COPIES {
            let mut build = cc::Build::new();
            build
                .cpp(true)
                .std("c++17")
                .file("src/device/host/host.cpp")
                .include("src/device/host")
                .include("kernels")
                .include(&out)
                .define("WSI_COPY", copy.to_string().as_str())
                .flag("-fno-strict-aliasing")
                .flag("-Wno-unknown-pragmas")
                .flag("-Wno-unused-function")
                .opt_level(2);
            for name in &names {
                build.define(name, format!("{name}_copy{copy}").as_str());
            }
            if sanitize {
                build
                    .flag("-fsanitize=address,undefined")
                    .flag("-fno-sanitize-recover=all")
                    .flag("-fno-omit-frame-pointer")
                    .debug(true);
            }
            build.compile(&format!("wsi_host_{copy}"));
        }
        if sanitize {
            println!("cargo::rustc-cfg=wsi_host_sanitize");
            // rustc leaves out the libraries that the compiler would add. All of this one, so that
            // its `malloc` is everybody's.
            for argument in [
                "-Wl,--whole-archive",
                "-l:libasan.a",
                "-Wl,--no-whole-archive",
                "-l:libubsan.a",
                "-lstdc++",
                "-lm",
            ] {
                println!("cargo::rustc-link-arg={argument}");
            }
        }
    }

    /// The kernels' sources, in the order of their names, and the tests'.
    fn sources(root: &Path) -> Vec<PathBuf> {
        let mut sources: Vec<PathBuf> = std::fs::read_dir(root.join("kernels"))
            .expect("the folder of the kernels")
            .map(|entry| entry.expect("an entry of a folder").path())
            .filter(|path| path.extension().is_some_and(|extension| extension == "cu"))
            .collect();
        sources.sort();
        sources.push(root.join(TESTS));
        sources
    }

    /// The names of the kernels of a source: what stands between a `__global__` and a parenthesis.
    fn kernels_in(text: &str) -> Vec<String> {
        let code = without_comments(text);
        let kernels = code.split("__global__").skip(1).filter_map(|after| {
            let name = after.get(after.find("wsi_")?..)?;
            let end = name.find(|c: char| !c.is_ascii_alphanumeric() && c != '_')?;
            name.get(..end).map(str::to_owned)
        });
        kernels.collect()
    }

    /// The structs of a source, each with the names of its fields.
    fn structs_in(text: &str) -> Vec<(String, Vec<String>)> {
        let code = without_comments(text);
        let structs = code.split("struct ").skip(1).filter_map(|after| {
            let (name, after) = after.split_once('{')?;
            let (body, _) = after.split_once('}')?;
            let declarations = body.split(';').filter_map(|one| one.trim().split_once(' '));
            let fields = declarations.flat_map(|(_, names)| names.split(','));
            let fields = fields.filter_map(|field| field.split('[').next());
            let fields = fields.map(|field| field.trim().to_owned()).collect();
            Some((name.trim().to_owned(), fields))
        });
        structs.collect()
    }

    fn without_comments(text: &str) -> String {
        let lines = text.lines().filter_map(|line| line.split("//").next());
        lines.collect::<Vec<_>>().join("\n")
    }
}
