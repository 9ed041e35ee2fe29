"""The same network as an ONNX graph, in a session of ONNX Runtime on one thread."""

import numpy as np
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

OPSET = 17
IR_VERSION = 9


def session(network):
    """From pixels, (1, 3, side, side), f32, 0 to 255, to the feature, (1, cells, cells, channels)."""
    graph = _Graph()
    x = graph.node("Sub", ["pixels", graph.constant(network.mean.reshape(1, 3, 1, 1))])
    x = graph.node("Mul", [x, graph.constant((1 / network.std).reshape(1, 3, 1, 1))])
    entered = x
    block = None
    for layer in network.layers:
        if layer["block"] != block:
            entered, block = x, layer["block"]
        x = graph.convolution(x, layer, network.weights)
        if layer["residual"]:
            x = graph.node("Add", [x, entered])
    trim, cell = network.pooling()
    if trim:
        side = network.layers[-1]["side_out"]
        ends = [np.array(ends, np.int64) for ends in ([trim, trim], [side - trim, side - trim], [2, 3])]
        x = graph.node("Slice", [x, *map(graph.constant, ends)])
    x = graph.node("AveragePool", [x], kernel_shape=[cell, cell], strides=[cell, cell])
    graph.node("Transpose", [x], "feature", perm=[0, 2, 3, 1])

    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(graph.serialised(network.side), options, ["CPUExecutionProvider"])


class _Graph:
    def __init__(self):
        self.nodes, self.constants = [], []

    def constant(self, values):
        name = f"constant{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name

    def node(self, kind, inputs, output=None, **attributes):
        output = output or f"value{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [output], **attributes))
        return output

    def convolution(self, x, layer, weights):
        weight, bias = (self.constant(weights[f"{layer['name']}.{part}"]) for part in ("weight", "bias"))
        before, after = layer["before"], layer["after"]
        x = self.node(
            "Conv",
            [x, weight, bias],
            kernel_shape=[layer["kernel"]] * 2,
            strides=[layer["stride"]] * 2,
            pads=[before, before, after, after],
            group=layer["channels_in"] if layer["depthwise"] else 1,
        )
        if layer["activation"] == "relu6":
            return self.node("Clip", [x, self.constant(np.float32(0)), self.constant(np.float32(6))])
        if layer["activation"] == "linear":
            return x
        raise ValueError(f"the activation {layer['activation']} is not known here")

    def serialised(self, side):
        pixels = helper.make_tensor_value_info("pixels", TensorProto.FLOAT, [1, 3, side, side])
        feature = helper.make_tensor_value_info("feature", TensorProto.FLOAT, None)
        graph = helper.make_graph(self.nodes, "features", [pixels], [feature], self.constants)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
        return model.SerializeToString()
