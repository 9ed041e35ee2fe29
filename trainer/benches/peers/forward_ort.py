"""ONNX Runtime from pixels to feature on one thread, images a second: `forward_ort.py WORK NETWORK IMAGES`."""

import itertools
import sys
import time

import numpy as np
from network import Network
from onnx_network import session
from rounds import serve


def main():
    work, name, n = sys.argv[1], sys.argv[2], int(sys.argv[3])
    network = Network(work, name)
    run = session(network).run
    # As the runtime wants them, made before any clock runs: what it is timed on is normalisation and what follows.
    images = [np.ascontiguousarray(p.transpose(2, 0, 1)[None].astype(np.float32)) for p in network.pixels]

    def measure(n=n):
        begin = time.perf_counter()
        for image in itertools.islice(itertools.cycle(images), n):
            run(None, {"pixels": image})
        return n / (time.perf_counter() - begin)

    features = [run(None, {"pixels": image})[0].reshape(-1) for image in images]
    measure(min(n, 20))
    serve(network.agreement(features), measure)


main()
