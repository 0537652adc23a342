//! All of the way to the device and back without one: a driver of ours (`tests/fake/libcuda.c`) keeps
//! its memory on the host and has the host executor run the kernels. What is shown is that uploads,
//! launches, arguments, status words and downloads of `CudaExecutor` are right, to the byte.

use std::ffi::{CStr, c_char, c_int};
use std::path::{Path, PathBuf};
use std::process::Command;

use jpeg_encoder::{ColorType, Encoder, SamplingFactor};
use wsi_jpeg::{Decoder, Options, StridedRows};

use super::host;
use crate::plan::{Slicing, StreamFormat};
use crate::{
    BatchDecoder, CpuReason, CudaExecutor, ElementType, HostExecutor, Output, TensorLayout,
};

/// Tells the child process that it is one.
const CHILD: &str = "WSI_CUDA_EMULATED";

#[test]
fn batches_over_an_emulated_driver_are_exact() {
    if std::env::var_os(CHILD).is_some() {
        return in_the_child();
    }
    let folder = driver();
    let child = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "device::emulated::batches_over_an_emulated_driver_are_exact",
        ])
        .args(["--nocapture", "--test-threads=1"])
        .env(CHILD, "1")
        .env("WSI_FAKE_CUDA", "works")
        .env("LD_LIBRARY_PATH", &folder)
        .output()
        .unwrap();
    std::fs::remove_dir_all(&folder).unwrap();
    let (text, errors) = (
        String::from_utf8_lossy(&child.stdout),
        String::from_utf8_lossy(&child.stderr),
    );
    assert!(child.status.success(), "{text}\n{errors}");
    assert!(
        text.contains("emulated: 43 streams, 3 kinds of output"),
        "{text}"
    );
    assert!(!errors.contains("fake driver: left"), "{errors}");
}

/// The folder of the driver.
fn driver() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = std::env::temp_dir().join(format!("wsi-cuda-emulated-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let status = Command::new("cc")
        .args(["-shared", "-fPIC", "-o"])
        .arg(folder.join("libcuda.so"))
        .arg(root.join("tests/fake/libcuda.c"))
        .status()
        .unwrap();
    assert!(status.success());
    folder
}

/// Runs a kernel for the driver; 0 if it went well.
unsafe extern "C" fn run(
    name: *const c_char,
    columns: u32,
    rows: u32,
    lanes: u32,
    parameters: *const *const u64,
) -> c_int {
    // SAFETY: the driver hands on what `CudaExecutor` launched: the name of a kernel, and pointers to
    // the values of its parameters, which point to the driver's memory.
    let outcome = unsafe {
        let name = CStr::from_ptr(name).to_str().unwrap_or_default();
        host::launch_raw(name, (columns, rows), lanes, parameters, Some(5))
    };
    match outcome {
        Ok(()) => 0,
        Err(error) => {
            println!("{error}");
            1
        }
    }
}

type Runner = unsafe extern "C" fn(*const c_char, u32, u32, u32, *const *const u64) -> c_int;

fn in_the_child() {
    let decoder = || BatchDecoder::new(Box::new(CudaExecutor::new(0).unwrap()));
    let mut emulated = decoder();
    // SAFETY: the driver, which is loaded, is the one of this test, and has this function.
    unsafe {
        let library = cudarc::driver::sys::culib();
        let set = library
            .get::<unsafe extern "C" fn(Runner)>(b"fake_set_runner")
            .unwrap();
        set(run);
    }
    let mut seen = 0;
    for (size, sampling, restart) in [
        ((160, 97), SamplingFactor::F_2_2, 0),
        ((33, 64), SamplingFactor::F_2_1, 3),
        ((240, 240), SamplingFactor::F_1_1, 0),
        ((1, 1), SamplingFactor::F_2_2, 0),
    ] {
        let format = StreamFormat::new((u32::from(size.0), u32::from(size.1)));
        let mut streams: Vec<Vec<u8>> = (0..10)
            .map(|seed| encode(size, sampling, restart, seed))
            .collect();
        let truth: Vec<Vec<u8>> = streams.iter().map(|stream| by_cpu(stream, size)).collect();
        // In one batch, in several, and cut otherwise.
        for batch_bytes in [1 << 30, 200_000] {
            emulated = emulated.with_batch_bytes(batch_bytes);
            check(&mut emulated, &format, &streams, &truth, &[]);
        }
        emulated = emulated.with_slicing(Slicing::default().with_least_bits(Some(100)));
        check(&mut emulated, &format, &streams, &truth, &[]);
        prepared(&mut emulated, &format, &streams, &truth);
        // One that the kernels flag, one that the plan refuses, among good ones.
        if size == (240, 240) {
            let middle = streams[3].len() / 2;
            streams[3].truncate(middle);
            streams[3].extend([0xFF, 0xD9]);
            streams[6] = b"no JPEG".to_vec();
            check(&mut emulated, &format, &streams, &truth, &[3, 6]);
        }
        others(&mut emulated, &format, &streams);
        seen += streams.len();
    }
    // Its memory outlives the decoder, and is given back by whoever got it.
    let output = Output::new();
    let tensor = emulated.allocate(3, (20, 10).into(), 3, &output).unwrap();
    drop(emulated);
    drop(tensor.into_dlpack().unwrap());
    let mut again = decoder();
    let stream = encode((50, 50), SamplingFactor::F_2_2, 0, 1);
    let truth = by_cpu(&stream, (50, 50));
    for _ in 0..3 {
        check(
            &mut again,
            &StreamFormat::new((50, 50)),
            std::slice::from_ref(&stream),
            std::slice::from_ref(&truth),
            &[],
        );
        seen += 1;
    }
    println!("emulated: {seen} streams, 3 kinds of output");
}

/// Decodes streams and compares them, but for those that are damaged: an error, or right all the same.
fn check(
    decoder: &mut BatchDecoder,
    format: &StreamFormat,
    streams: &[Vec<u8>],
    truth: &[Vec<u8>],
    damaged: &[usize],
) {
    let slices: Vec<&[u8]> = streams.iter().map(Vec::as_slice).collect();
    let decoded = decoder
        .decode_streams(format, &slices, 3, &Output::new())
        .unwrap();
    let pixels = decoder.download(&decoded.tensor).unwrap();
    let by_cpu: Vec<usize> = decoded.report.by_cpu.iter().map(|tile| tile.tile).collect();
    for (number, (ours, theirs)) in pixels
        .chunks(pixels.len() / streams.len())
        .zip(truth)
        .enumerate()
    {
        if damaged.contains(&number) {
            assert!(
                by_cpu.contains(&number) && decoded.report.results[number].is_err(),
                "{number}"
            );
        } else {
            assert!(decoded.report.results[number].is_ok());
            assert!(ours == theirs, "stream {number} of {}", format.size);
        }
    }
    assert_eq!(by_cpu.len(), damaged.len());
    let flagged = decoded
        .report
        .by_cpu
        .iter()
        .filter(|t| matches!(t.reason, CpuReason::Flagged(_)));
    assert_eq!(flagged.count(), damaged.len() / 2);
}

/// The steps one by one, twice.
fn prepared(
    decoder: &mut BatchDecoder,
    format: &StreamFormat,
    streams: &[Vec<u8>],
    truth: &[Vec<u8>],
) {
    let output = Output::new();
    let slices: Vec<&[u8]> = streams.iter().map(Vec::as_slice).collect();
    let prepared = decoder.prepare_streams(format, &slices).unwrap();
    let tensor = decoder
        .allocate(streams.len(), format.size, 3, &output)
        .unwrap();
    for _ in 0..2 {
        decoder.upload_prepared(&prepared, &output).unwrap();
        decoder
            .launch_prepared(&prepared, &output, &tensor)
            .unwrap();
        assert!(
            decoder
                .flags_of_prepared(&prepared)
                .unwrap()
                .iter()
                .all(|&flags| flags == 0)
        );
        assert!(decoder.download(&tensor).unwrap() == truth.concat());
    }
}

/// Other outputs: as the host executor has them by itself.
fn others(decoder: &mut BatchDecoder, format: &StreamFormat, streams: &[Vec<u8>]) {
    let mut host = BatchDecoder::new(Box::new(HostExecutor::new()));
    let slices: Vec<&[u8]> = streams.iter().map(Vec::as_slice).collect();
    let half = Output::new()
        .with_element(ElementType::F16)
        .with_layout(TensorLayout::Nchw);
    for output in [half, Output::new().with_element(ElementType::F32)] {
        let bytes = |decoder: &mut BatchDecoder| {
            let decoded = decoder.decode_streams(format, &slices, 3, &output).unwrap();
            decoder.download(&decoded.tensor).unwrap()
        };
        assert!(bytes(decoder) == bytes(&mut host));
    }
}

fn encode(size: (u16, u16), sampling: SamplingFactor, restart: u16, seed: usize) -> Vec<u8> {
    let (width, height) = (usize::from(size.0), usize::from(size.1));
    let sample = |index: usize| {
        let (x, y, channel) = (index / 3 % width, index / 3 / width, index % 3);
        let noise = (index + seed).wrapping_mul(2_654_435_761) >> 13 & 31;
        let value = (x * (channel + 1) + y * 2 + seed * 10) % 200 + noise;
        u8::try_from(value).unwrap()
    };
    let pixels: Vec<u8> = (0..width * height * 3).map(sample).collect();
    let mut stream = Vec::new();
    let mut encoder = Encoder::new(&mut stream, 80);
    encoder.set_sampling_factor(sampling);
    if restart > 0 {
        encoder.set_restart_interval(restart);
    }
    encoder
        .encode(&pixels, size.0, size.1, ColorType::Rgb)
        .unwrap();
    stream
}

fn by_cpu(stream: &[u8], size: (u16, u16)) -> Vec<u8> {
    let stride = usize::from(size.0) * 3;
    let mut pixels = vec![0; stride * usize::from(size.1)];
    let options = Options::new(wsi_jpeg::PixelFormat::Rgb8);
    let mut rows = StridedRows::new(&mut pixels, stride);
    assert!(
        Decoder::new()
            .decode(stream, &options, &mut rows)
            .unwrap()
            .is_clean()
    );
    pixels
}
