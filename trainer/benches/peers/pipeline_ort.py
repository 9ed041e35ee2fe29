"""A tuned pipeline, JPEG files to features, images a second: `pipeline_ort.py WORK NETWORK IMAGES`.

One process a core. libjpeg-turbo decodes at the smallest scale that is still large enough, OpenCV resizes the middle of the
photo, and ONNX Runtime computes its feature on one thread. Features stay in each process' memory, nothing is written.
"""

import multiprocessing
import os
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import simplejpeg
from network import Network
from onnx_network import session
from rounds import serve


class Stream:
    """What one process holds."""

    def __init__(self, work, name):
        cv2.setNumThreads(1)
        self.network = Network(work, name)
        self.run = session(self.network).run
        self.share = self.network.description["fit"]["stretch"]["share"]

    def feature(self, path):
        side = self.network.side
        # The middle of the scaled photo must have as many pixels as the network reads.
        least = int(np.ceil(side / self.share))
        photo = simplejpeg.decode_jpeg(
            Path(path).read_bytes(), "RGB", fastdct=True, fastupsample=True, min_height=least, min_width=least
        )
        height, width = photo.shape[:2]
        rows, columns = round(height * self.share), round(width * self.share)
        top, left = (height - rows) // 2, (width - columns) // 2
        part = photo[top : top + rows, left : left + columns]
        pixels = cv2.resize(part, (side, side), interpolation=cv2.INTER_AREA)
        planes = cv2.dnn.blobFromImage(pixels)
        return self.run(None, {"pixels": planes})[0].reshape(-1)


def work_on(connection, work, name, core):
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {core})
    stream = Stream(work, name)
    connection.send("ready")
    while paths := connection.recv():
        connection.send(np.stack([stream.feature(path) for path in paths]))


def main():
    work, name, n = sys.argv[1], sys.argv[2], int(sys.argv[3])
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else range(os.cpu_count())
    context = multiprocessing.get_context("spawn")
    connections = []
    for core in cores:
        ours, theirs = context.Pipe()
        context.Process(target=work_on, args=(theirs, work, name, core), daemon=True).start()
        connections.append(ours)
    for connection in connections:
        connection.recv()
    paths = [str(path) for path in sorted((Path(work) / "photos").glob("*.jpg"))[:n]]

    def run(paths):
        shares = [paths[at :: len(connections)] for at in range(len(connections))]
        busy = [(connection, share) for connection, share in zip(connections, shares) if share]
        for connection, share in busy:
            connection.send(share)
        return [connection.recv() for connection, _ in busy]

    def measure():
        begin = time.perf_counter()
        run(paths)
        return n / (time.perf_counter() - begin)

    network = Network(work, name)
    checked = paths[: len(network.features)]
    features = np.empty_like(network.features)
    for at, share in enumerate(run(checked)):
        features[at :: len(connections)] = share
    run(paths[:40])
    serve(network.agreement(features), measure)


if __name__ == "__main__":
    main()
