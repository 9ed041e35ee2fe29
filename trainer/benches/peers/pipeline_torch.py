"""What one writes with torchvision, JPEG files to features, images a second: `pipeline_torch.py WORK NETWORK IMAGES`.

A DataLoader with one worker a core decodes, crops, resizes and normalises; PyTorch computes batches eagerly on all cores.
"""

import os
import sys
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from network import Network
from rounds import serve
from torch import nn
from torchvision.io import decode_jpeg, read_file
from torchvision.transforms import v2

BATCH = 32


class Block(nn.Module):
    """Layers one after the other, the input added where the description says so."""

    def __init__(self, layers, weights):
        super().__init__()
        self.residual = any(layer["residual"] for layer in layers)
        self.layers = nn.Sequential(*(module for layer in layers for module in _modules(layer, weights)))

    def forward(self, x):
        y = self.layers(x)
        return x + y if self.residual else y


def _modules(layer, weights):
    before, after = layer["before"], layer["after"]
    if before != after:
        yield nn.ZeroPad2d((before, after, before, after))
        before = 0
    convolution = nn.Conv2d(
        layer["channels_in"],
        layer["channels_out"],
        layer["kernel"],
        layer["stride"],
        before,
        groups=layer["channels_in"] if layer["depthwise"] else 1,
    )
    convolution.weight.data = torch.from_numpy(weights[f"{layer['name']}.weight"])
    convolution.bias.data = torch.from_numpy(weights[f"{layer['name']}.bias"])
    yield convolution
    if layer["activation"] == "relu6":
        yield nn.ReLU6(inplace=True)
    elif layer["activation"] != "linear":
        raise ValueError(f"the activation {layer['activation']} is not known here")


class Features(nn.Module):
    """From normalised pixels, (batch, 3, side, side), to features."""

    def __init__(self, network):
        super().__init__()
        blocks = []
        for layer in network.layers:
            if not blocks or layer["block"] is None or layer["block"] != blocks[-1][-1]["block"]:
                blocks.append([])
            blocks[-1].append(layer)
        self.blocks = nn.Sequential(*(Block(layers, network.weights) for layers in blocks))
        self.trim, self.cell = network.pooling()

    def forward(self, x):
        x = self.blocks(x)
        trim = self.trim
        if trim:
            x = x[:, :, trim:-trim, trim:-trim]
        return F.avg_pool2d(x, self.cell).permute(0, 2, 3, 1).flatten(1)


class Photos(torch.utils.data.Dataset):
    """Files as normalised pixels."""

    def __init__(self, paths, network):
        self.paths = paths
        self.share = network.description["fit"]["stretch"]["share"]
        self.prepare = v2.Compose(
            [
                v2.Resize((network.side, network.side), v2.InterpolationMode.BICUBIC, antialias=True),
                v2.ToDtype(torch.float32),
                v2.Normalize(network.mean.tolist(), network.std.tolist()),
            ]
        )

    def __len__(self):
        return len(self.paths)

    def __getitem__(self, index):
        photo = decode_jpeg(read_file(self.paths[index]))
        size = [round(side * self.share) for side in photo.shape[1:]]
        return self.prepare(v2.functional.center_crop(photo, size))


def main():
    work, name, n = sys.argv[1], sys.argv[2], int(sys.argv[3])
    network = Network(work, name)
    model = Features(network).eval()
    paths = [str(path) for path in sorted((Path(work) / "photos").glob("*.jpg"))[:n]]

    loader = torch.utils.data.DataLoader(
        Photos(paths, network), BATCH, num_workers=os.cpu_count(), persistent_workers=True
    )

    def run():
        with torch.inference_mode():
            return [model(batch).numpy() for batch in loader]

    def measure():
        begin = time.perf_counter()
        run()
        return n / (time.perf_counter() - begin)

    # Also starts the workers, which stay.
    features = np.concatenate(run())[: len(network.features)]
    serve(network.agreement(features), measure)


if __name__ == "__main__":
    main()
