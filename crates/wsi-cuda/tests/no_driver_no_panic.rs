//! Whatever the driver is like, the outcome is an error that says so: no library, an old one, no
//! device, one that is too old, failures half-way. A driver of ours stands in for NVIDIA's, in child
//! processes that find it first; one that works shows that each byte goes where it should.
#![cfg(target_os = "linux")]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use wsi_core::ErrorKind;
use wsi_cuda::{Argument, CudaExecutor, Device, DeviceTensor, Executor, Kernel, Output};

/// Tells a child process what to do.
const CHILD: &str = "WSI_CUDA_TEST_CHILD";

/// What a child process printed, and what it said on the error output; it must end well.
fn child(task: &str, mode: &str, library: &Path) -> (String, String) {
    let output = Command::new(std::env::current_exe().expect("this program"))
        .args([
            "--exact",
            "a_child_process_does_as_it_is_told",
            "--nocapture",
            "--test-threads=1",
        ])
        .env(CHILD, task)
        .env("WSI_FAKE_CUDA", mode)
        .env("LD_LIBRARY_PATH", library)
        .output()
        .expect("a child process");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        output.status.success(),
        "{task}, {mode}: {}\n{text}\n{errors}",
        output.status
    );
    assert!(!errors.contains("panicked"), "{task}, {mode}: {errors}");
    let said: Vec<&str> = text
        .lines()
        .filter_map(|line| line.split_once("child: "))
        .map(|l| l.1)
        .collect();
    (said.join("\n"), errors)
}

/// The folder of the driver of ours, with or without one of its functions.
fn fake(complete: bool) -> &'static Path {
    static FOLDERS: [OnceLock<PathBuf>; 2] = [OnceLock::new(), OnceLock::new()];
    FOLDERS[usize::from(complete)].get_or_init(|| {
        let name = if complete {
            "fake-driver"
        } else {
            "fake-old-driver"
        };
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        std::fs::create_dir_all(&folder).expect("a folder");
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fake/libcuda.c");
        let status = Command::new("cc")
            .args(["-shared", "-fPIC", "-Wall", "-Wextra", "-Werror"])
            .args((!complete).then_some("-DWITHOUT_LAUNCH"))
            .arg("-o")
            .arg(folder.join("libcuda.so"))
            .arg(source)
            .status()
            .expect("a C compiler: Rust needs one to link");
        assert!(status.success(), "cc: {status}");
        folder
    })
}

/// What a child says when it fails at a task, with nothing left over.
fn failure(task: &str, mode: &str) -> String {
    let (said, errors) = child(task, mode, fake(true));
    assert!(
        !errors.contains("fake driver: left"),
        "{task}, {mode}: {errors}"
    );
    said
}

#[test]
fn without_a_library_the_backend_is_unavailable() {
    let (said, _) = child("probe", "", Path::new("/nonexistent"));
    if !said.starts_with("Err") {
        println!("SKIP: there is a driver here");
        return;
    }
    assert!(said.starts_with("Err BackendUnavailable CUDA: "), "{said}");
    assert!(
        said.contains("libcuda") && said.contains("driver"),
        "{said}"
    );
    let (said, _) = child("executor", "", Path::new("/nonexistent"));
    assert!(said.starts_with("Err BackendUnavailable CUDA: "), "{said}");
}

#[test]
fn a_library_that_lacks_a_function_is_unavailable() {
    let (said, _) = child("probe", "works", fake(false));
    assert!(said.starts_with("Err BackendUnavailable"), "{said}");
    assert!(said.contains("cuLaunchKernel"), "{said}");
}

#[test]
fn without_a_device_the_backend_is_unavailable() {
    let said = failure("probe", "no-device");
    assert_eq!(
        said,
        "Err BackendUnavailable CUDA: the driver does not start: CUDA_ERROR_NO_DEVICE (100), no \
         CUDA-capable device is detected"
    );
    let said = failure("executor", "none-of-them");
    assert_eq!(
        said,
        "Err BackendUnavailable CUDA: the driver finds no device"
    );
}

#[test]
fn a_device_is_described() {
    let said = failure("probe", "works");
    assert_eq!(said, "Ok 0: Fake, compute capability 9.0, 3 GiB, CUDA 12.4");
    let said = failure("second", "works");
    assert_eq!(
        said,
        "Err BackendUnavailable CUDA: there is no device 1 among 1"
    );
}

#[test]
fn a_device_that_is_too_old_is_unavailable() {
    let said = failure("executor", "old");
    assert!(said.starts_with("Err BackendUnavailable"), "{said}");
    assert!(said.contains("capability 7.0"), "{said}");
}

#[test]
fn a_start_that_fails_half_way_leaves_nothing_behind() {
    for (mode, function) in [
        (
            "no-context",
            "cuDevicePrimaryCtxRetain: CUDA_ERROR_OUT_OF_MEMORY (2), out of memory",
        ),
        (
            "no-stream",
            "cuStreamCreate: CUDA_ERROR_OUT_OF_MEMORY (2), out of memory",
        ),
        ("no-pool", "cuMemPoolCreate: error 1"),
        ("no-threshold", "cuMemPoolSetAttribute: error 1"),
        ("no-image", "cuModuleLoadData: error 209"),
        ("no-kernel", "cuModuleGetFunction of wsi_finish: error 1"),
    ] {
        assert_eq!(
            failure("executor", mode),
            format!("Err Device {function}"),
            "{mode}"
        );
    }
}

#[test]
fn a_driver_that_takes_no_machine_code_gets_ptx() {
    assert_eq!(failure("executor", "ptx-only"), "Ok Fake (CUDA 12.4)");
}

#[test]
fn work_that_fails_leaves_nothing_behind() {
    for (mode, step) in [
        (
            "no-memory",
            "allocate: no memory for 64 bytes: cuMemAlloc: CUDA_ERROR_OUT_OF_MEMORY (2), out of memory",
        ),
        (
            "no-event",
            "upload: cuEventCreate: CUDA_ERROR_OUT_OF_MEMORY (2), out of memory",
        ),
        (
            "no-pinned",
            "upload: cuMemHostAlloc: CUDA_ERROR_OUT_OF_MEMORY (2), out of memory",
        ),
        ("copy-fails", "upload: cuMemcpyHtoDAsync: error 719"),
        (
            "launch-fails",
            "launch: cuLaunchKernel of wsi_remap: error 1",
        ),
        ("kernel-fails", "upload: cuStreamSynchronize: error 719"),
    ] {
        assert_eq!(
            failure("work", mode),
            format!("Err Device {step}"),
            "{mode}"
        );
    }
}

#[test]
fn what_goes_up_comes_down_and_kernels_get_their_arguments() {
    for mode in ["works", "no-pools"] {
        assert_eq!(failure("work", mode), "Ok done", "{mode}");
    }
}

/// Not a test of its own: what the child processes of the others do.
#[test]
fn a_child_process_does_as_it_is_told() {
    let Ok(task) = std::env::var(CHILD) else {
        return;
    };
    let outcome = match task.as_str() {
        "probe" => Device::all().map(|all| all[0].to_string()),
        "second" => CudaExecutor::new(1).map(|executor| executor.name()),
        "executor" => CudaExecutor::new(0).map(|executor| executor.name()),
        _ => CudaExecutor::new(0)
            .and_then(|executor| work(&executor))
            .map(|()| "done".to_owned()),
    };
    let said = match outcome {
        Ok(said) => format!("Ok {said}"),
        Err(error) => format!("Err {:?} {}", error.kind(), error.message()),
    };
    // The name of the test may stand before it on the line.
    println!("child: {said}");
}

/// All that an executor does, each result looked at; the step is named where one fails.
#[expect(
    clippy::panic_in_result_fn,
    reason = "failures of the driver are results, wrong bytes panic"
)]
fn work(executor: &CudaExecutor) -> wsi_core::Result<()> {
    let at = |step: &'static str| {
        move |error: wsi_core::Error| {
            wsi_core::Error::new(error.kind(), format!("{step}: {}", error.message()))
        }
    };
    let buffer = executor.allocate(64).map_err(at("allocate"))?;
    let large = executor.allocate(100 << 20).map_err(at("allocate"))?;
    let empty = executor.allocate(0).map_err(at("allocate"))?;
    executor.upload(&[], &empty, 0).map_err(at("upload"))?;

    // More than the ring holds, in pieces that fit it badly.
    let data: Vec<u8> = (0..100_u32 << 20)
        .map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect();
    let mut place = 0;
    for length in [
        1,
        63,
        65,
        1000,
        (16 << 20) - 1,
        16 << 20,
        (32 << 20) + 5,
        1 << 20,
    ]
    .into_iter()
    .cycle()
    {
        let end = data.len().min(place + length);
        executor
            .upload(&data[place..end], &large, place)
            .map_err(at("upload"))?;
        place = end;
        if place == data.len() {
            break;
        }
    }
    // The last bytes once more, from pinned memory and from a part of it.
    let mut staging = executor.staging(1000).map_err(at("staging"))?;
    assert!(staging.iter().all(|&byte| byte == 0));
    staging.copy_from_slice(&data[data.len() - 1000..]);
    executor
        .clear(&large, data.len() - 1000..data.len())
        .map_err(at("clear"))?;
    executor
        .upload(&staging[..400], &large, data.len() - 1000)
        .map_err(at("upload"))?;
    executor
        .upload(&staging[400..], &large, data.len() - 600)
        .map_err(at("upload"))?;
    drop(staging);
    let mut read = vec![0; data.len()];
    let arguments = [
        Argument::Buffer(&buffer, 16),
        Argument::I32(-7),
        Argument::Buffer(&large, 0),
        Argument::U32(3_000_000_000),
        Argument::U32(0),
        Argument::Buffer(&large, 0),
        Argument::U32(0),
        Argument::U32(0),
    ];
    executor
        .launch(Kernel::Remap, (3, 2), 128, &arguments)
        .map_err(at("launch"))?;
    executor.synchronize().map_err(at("synchronize"))?;
    executor
        .download(&large, 0, &mut read)
        .map_err(at("download"))?;
    assert!(read == data);

    executor.clear(&large, 5..9).map_err(at("clear"))?;
    executor.clear(&large, 9..9).map_err(at("clear"))?;
    let mut few = [1; 6];
    executor
        .download(&large, 4, &mut few)
        .map_err(at("download"))?;
    assert_eq!(few, [data[4], 0, 0, 0, 0, data[9]]);

    let mut words = [0; 40];
    executor
        .download(&buffer, 16, &mut words)
        .map_err(at("download"))?;
    let words: Vec<u32> = words
        .chunks(4)
        .map(|w| u32::from_ne_bytes([w[0], w[1], w[2], w[3]]))
        .collect();
    assert_eq!(
        words,
        [
            9,
            3,
            2,
            1,
            128,
            1,
            1,
            0,
            (-7_i32).cast_unsigned(),
            3_000_000_000
        ]
    );

    // 2 GiB free, and 2000 bytes that the pool keeps, where there is one.
    let free = executor.memory().map_err(at("memory"))?;
    assert!([2 << 30, (2 << 30) + 2000].contains(&free), "{free}");

    let wrong = |place: usize, argument| {
        let mut wrong = arguments;
        wrong[place] = argument;
        wrong
    };
    let refused = [
        executor.upload(&[0; 2], &buffer, 63),
        executor.download(&buffer, 64, &mut [0]),
        executor.clear(&buffer, 60..65),
        executor.launch(Kernel::Remap, (1, 1), 1, &arguments[1..]),
        executor.launch(Kernel::Remap, (1, 1), 1, &wrong(0, Argument::U32(0))),
        executor.launch(Kernel::Remap, (1, 1), 1, &wrong(1, arguments[0])),
        executor.launch(
            Kernel::Remap,
            (1, 1),
            1,
            &wrong(0, Argument::Buffer(&buffer, 65)),
        ),
        CudaExecutor::new(0)?.clear(&buffer, 0..1),
    ];
    for outcome in refused {
        assert_eq!(
            outcome.map_err(|error| error.kind()),
            Err(ErrorKind::Device)
        );
    }

    // Memory outlives its executor, here and in others' hands.
    let other = CudaExecutor::new(0)?;
    let (kept, given) = (other.allocate(1)?, other.allocate(24)?);
    drop(other);
    let tensor = DeviceTensor::new(given, 2, (4, 1).into(), 3, &Output::new())?;
    drop(tensor.into_dlpack()?);
    drop(kept);

    // A thread may take the executor along.
    std::thread::scope(|scope| {
        let moved = CudaExecutor::new(0)?;
        scope
            .spawn(move || moved.allocate(10).map(drop))
            .join()
            .expect("no panic")
    })
}
