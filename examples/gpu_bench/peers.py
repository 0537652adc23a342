"""Times the decoders that this Python can import: peers.py STREAMS SLIDE BATCH REPEAT DEVICE.

A line for each: gigapixels a second, and who it is; "--" where a library is missing or fails.
"""

import concurrent.futures
import os
import pathlib
import statistics
import sys
import time


def middle(repeat, run):
    """The middle time of several runs, after one that is not counted."""
    run()
    times = []
    for _ in range(repeat):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def turbo(batch, repeat, _device, _slide):
    """libjpeg-turbo on all cores."""
    import numpy
    import simplejpeg

    threads = os.cpu_count() or 1
    one = simplejpeg.decode_jpeg(batch[0], fastdct=False, fastupsample=False)
    with concurrent.futures.ThreadPoolExecutor(threads) as pool:
        decode = lambda data: simplejpeg.decode_jpeg(data, fastdct=False, fastupsample=False)
        seconds = middle(repeat, lambda: list(pool.map(decode, batch)))
    pixels = one.shape[0] * one.shape[1] * len(batch)
    name = f"libjpeg-turbo (simplejpeg {simplejpeg.__version__}), {threads} threads, output on the host"
    return pixels, seconds, name + f", numpy {numpy.__version__}"


def torchvision(batch, repeat, device, _slide):
    """nvJPEG as torchvision uses it."""
    import torch
    import torchvision

    tensors = [torch.frombuffer(bytearray(data), dtype=torch.uint8) for data in batch]
    where = f"cuda:{device}"

    def run():
        run.last = torchvision.io.decode_jpeg(tensors, device=where)
        torch.cuda.synchronize(device)

    seconds = middle(repeat, run)
    pixels = sum(image.shape[1] * image.shape[2] for image in run.last)
    return pixels, seconds, f"nvJPEG (torchvision {torchvision.__version__}), output on the device"


def cucim(_batch, repeat, device, slide):
    """Tiles of the slide's first level as cuCIM reads them from the file."""
    import cucim
    import cupy

    image = cucim.CuImage(str(slide))
    width, height = image.resolutions["level_dimensions"][0]
    side = 240
    places = [(x, y) for y in range(0, height - side, side) for x in range(0, width - side, side)]

    def run():
        with cupy.cuda.Device(device):
            for region in image.read_region(places, (side, side), level=0, batch_size=64, device="cuda"):
                cupy.asarray(region)
            cupy.cuda.Device(device).synchronize()

    seconds = middle(repeat, run)
    return side * side * len(places), seconds, f"cuCIM {cucim.__version__}, {len(places)} tiles of the slide's file"


def main():
    folder, slide = map(pathlib.Path, sys.argv[1:3])
    count, repeat, device = map(int, sys.argv[3:6])
    streams = [path.read_bytes() for path in sorted(folder.glob("*.jpg"))]
    batch = [streams[number % len(streams)] for number in range(count)]
    for peer in (turbo, torchvision, cucim):
        try:
            pixels, seconds, name = peer(batch, repeat, device, slide)
            print(f"{pixels / seconds / 1e9:9.2f} GP/s  {name}", flush=True)
        except Exception as error:  # whatever a library does, the others are timed
            print(f"       --       {peer.__name__}: {error}", flush=True)


main()
