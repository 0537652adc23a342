"""Compiles CUDA C++ with NVRTC: nvrtc.py LIBRARY SOURCES OUT, one line on stdout for each output.

LIBRARY is the folder of the package, SOURCES that of the kernels: each *.cu becomes a part of one
program, in the order of names. The lines of stdin say what to make: a file's name, what it is (PTX or
CUBIN), and the options.
"""

import ctypes
import pathlib
import sys


def load(folder):
    """NVRTC, with the part that it looks for by itself loaded before."""
    libraries = sorted(pathlib.Path(folder).glob("**/libnvrtc*.so*"))
    libraries = [path for path in libraries if ".alt." not in path.name]
    for path in libraries:
        if "builtins" in path.name:
            ctypes.CDLL(str(path), mode=ctypes.RTLD_GLOBAL)
    (path,) = [path for path in libraries if "builtins" not in path.name]
    return ctypes.CDLL(str(path))


def compile_one(nvrtc, program_text, headers, kind, options):
    """The bytes of a compiled program, and what the compiler says of it."""
    program = ctypes.c_void_p()
    texts = (ctypes.c_char_p * len(headers))(*headers.values())
    names = (ctypes.c_char_p * len(headers))(*[name.encode() for name in headers])
    code = nvrtc.nvrtcCreateProgram(
        ctypes.byref(program), program_text, b"wsi.cu", len(headers), texts, names
    )
    if code:
        sys.exit(f"nvrtcCreateProgram: {code}")
    options = (ctypes.c_char_p * len(options))(*[option.encode() for option in options])
    code = nvrtc.nvrtcCompileProgram(program, len(options), options)
    log = fetch(nvrtc, program, "ProgramLog").rstrip(b"\0").decode()
    if code:
        sys.exit(f"{log}\nnvrtcCompileProgram: {code}")
    return fetch(nvrtc, program, kind), log


def fetch(nvrtc, program, what):
    size = ctypes.c_size_t()
    code = getattr(nvrtc, f"nvrtcGet{what}Size")(program, ctypes.byref(size))
    if code:
        sys.exit(f"nvrtcGet{what}Size: {code}")
    data = ctypes.create_string_buffer(size.value)
    code = getattr(nvrtc, f"nvrtcGet{what}")(program, data)
    if code:
        sys.exit(f"nvrtcGet{what}: {code}")
    return data.raw[: size.value]


def main():
    library, sources, out = map(pathlib.Path, sys.argv[1:4])
    nvrtc = load(library)
    major, minor = ctypes.c_int(), ctypes.c_int()
    nvrtc.nvrtcVersion(ctypes.byref(major), ctypes.byref(minor))
    files = sorted(sources.glob("*.cu")) + sorted(sources.glob("*.cuh"))
    headers = {path.name: path.read_bytes() for path in files}
    includes = [f'#include "{name}"\n' for name in headers if name.endswith(".cu")]
    program_text = "".join(includes).encode()
    print(f"nvrtc {major.value}.{minor.value}")
    for line in sys.stdin:
        name, kind, *options = line.split()
        data, log = compile_one(nvrtc, program_text, headers, kind, options)
        if kind == "PTX":
            data = data.rstrip(b"\0")
        (out / name).write_bytes(data)
        for line in log.splitlines():
            if line.strip():
                print(f"{name}: {line.strip()}")


main()
