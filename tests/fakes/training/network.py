"""Dense layers with ReLU on an averaged wave: trained by momentum, pruned by magnitude, exported as ONNX."""

import itertools
from dataclasses import dataclass

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from waves import BANDS, LENGTH


@dataclass
class Network:
    resolution: int
    layers: list  # of [weight [inputs, outputs], bias [outputs]]

    @classmethod
    def random(cls, structure, random, *, pruned=False):
        width = round(structure["width"] * (1 - structure["pruning"] if pruned else 1))
        sizes = [structure["resolution"], *[width] * structure["depth"], BANDS]
        layers = [
            [(random.standard_normal((a, b)) * np.sqrt(2 / a)).astype(np.float32), np.zeros(b, np.float32)]
            for a, b in itertools.pairwise(sizes)
        ]
        return cls(structure["resolution"], layers)

    def averaged(self, x):
        return x.reshape(len(x), self.resolution, -1).mean(axis=2)

    def train(self, x, y, random, *, epochs, rate=0.05):
        speed = [[np.zeros_like(part) for part in layer] for layer in self.layers]
        losses = []
        for _ in range(epochs):
            for rows in np.array_split(random.permutation(len(x)), max(1, len(x) // 32)):
                loss, gradients = self.gradients(self.averaged(x[rows]), y[rows])
                losses.append(loss)
                for layer, moving, gradient in zip(self.layers, speed, gradients, strict=True):
                    for part, velocity, step in zip(layer, moving, gradient, strict=True):
                        velocity[...] = 0.9 * velocity - rate * step
                        part[...] += velocity
        return round(float(np.mean(losses[-10:])), 3)

    def gradients(self, x, y):
        seen = [x]
        for index, (weight, bias) in enumerate(self.layers):
            x = x @ weight + bias
            seen.append(np.maximum(x, 0) if index < len(self.layers) - 1 else x)
            x = seen[-1]
        share = np.exp(x - x.max(axis=1, keepdims=True))
        share /= share.sum(axis=1, keepdims=True)
        loss = -np.log(share[np.arange(len(y)), y] + 1e-9).mean()
        share[np.arange(len(y)), y] -= 1
        gradient, found = share / len(y), []
        for index in reversed(range(len(self.layers))):
            found.append([seen[index].T @ gradient, gradient.sum(axis=0)])
            gradient = gradient @ self.layers[index][0].T * (seen[index] > 0)
        return loss, found[::-1]

    def pruned(self, share):
        """Without the hidden units whose outgoing weights are least."""
        layers = [[part.copy() for part in layer] for layer in self.layers]
        for one, other in itertools.pairwise(layers):
            keep = round(len(one[1]) * (1 - share))
            kept = np.sort(np.argsort(-np.abs(other[0]).sum(axis=1), kind="stable")[:keep])
            one[0], one[1], other[0] = one[0][:, kept], one[1][kept], other[0][kept]
        return Network(self.resolution, layers)


def to_onnx(network, path):
    window = LENGTH // network.resolution
    stored = [numpy_helper.from_array(np.array([-1, 1, LENGTH], np.int64), "as_map")]
    stored.append(numpy_helper.from_array(np.array([-1, network.resolution], np.int64), "as_rows"))
    nodes = [
        helper.make_node("Reshape", ["wave", "as_map"], ["map"]),
        helper.make_node("AveragePool", ["map"], ["averaged"], kernel_shape=[window], strides=[window]),
        helper.make_node("Reshape", ["averaged", "as_rows"], ["h0"]),
    ]
    for index, (weight, bias) in enumerate(network.layers):
        stored += [numpy_helper.from_array(weight, f"w{index}"), numpy_helper.from_array(bias, f"b{index}")]
        last = index == len(network.layers) - 1
        out = "bands" if last else f"g{index}"
        nodes.append(helper.make_node("Gemm", [f"h{index}", f"w{index}", f"b{index}"], [out]))
        if not last:
            nodes.append(helper.make_node("Relu", [out], [f"h{index + 1}"]))
    wave = helper.make_tensor_value_info("wave", TensorProto.FLOAT, ["batch", LENGTH])
    bands = helper.make_tensor_value_info("bands", TensorProto.FLOAT, ["batch", BANDS])
    model = helper.make_model(
        helper.make_graph(nodes, "bands", [wave], [bands], stored), opset_imports=[helper.make_opsetid("", 17)]
    )
    model.ir_version = 8
    onnx.checker.check_model(model)
    onnx.save(model, path)
    return path
