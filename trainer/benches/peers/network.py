"""A network as our side described it: its layers, weights, and what its features must be.

Nothing of an architecture is written here: graphs are made of the list of layers alone.
"""

import json
import struct
from pathlib import Path

import numpy as np

TYPES = {"F16": np.float16, "F32": np.float32}


class Network:
    """What lies in a network's folder."""

    def __init__(self, work, name):
        folder = Path(work) / "networks" / name
        self.description = json.loads((folder / "network.json").read_text())
        self.layers = self.description["layers"]
        self.side = self.description["side"]
        self.dim = self.description["dim"]
        self.mean = np.array(self.description["mean"], np.float32)
        self.std = np.array(self.description["std"], np.float32)
        self.weights = _safetensors((folder / "weights.safetensors").read_bytes())
        self.pixels = np.fromfile(folder / "pixels.u8", np.uint8).reshape(-1, self.side, self.side, 3)
        self.features = np.fromfile(folder / "features.f32", np.float32).reshape(-1, self.dim)

    def agreement(self, features):
        """The least cosine between our features and these, in order, and the largest error by the largest number."""
        ours, theirs = self.features.astype(np.float64), np.asarray(features, np.float64)
        cosine = (ours * theirs).sum(1) / np.sqrt((ours**2).sum(1) * (theirs**2).sum(1))
        error = np.abs(ours - theirs).max(1) / np.abs(ours).max(1)
        return {"cosine": float(cosine.min()), "error": float(error.max())}

    def pooling(self):
        """Rows and columns cut off on each side, and the side of a cell."""
        trim, cells = self.description["trim"], self.description["cells"]
        return trim, (self.layers[-1]["side_out"] - 2 * trim) // cells


def _safetensors(data):
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + length])
    body = memoryview(data)[8 + length :]
    tensors = {}
    for name, tensor in header.items():
        if name != "__metadata__":
            begin, end = tensor["data_offsets"]
            values = np.frombuffer(body[begin:end], TYPES[tensor["dtype"]])
            tensors[name] = values.reshape(tensor["shape"]).astype(np.float32)
    return tensors
