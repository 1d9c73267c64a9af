"""A training for tests: tells three bands of a noisy wave apart, in plain numpy, within a second or two.

Dimensions: how wide and deep the network is, how finely the wave is read, and what share of the hidden units
is pruned away after training and the rest fine-tuned. Every structure takes the whole wave: the graph itself
averages it down to its resolution.
"""

import accidents
import numpy as np
from network import Network, to_onnx
from waves import waves

STRUCTURE = {"width": [4, 16, 64], "depth": range(1, 3), "resolution": [8, 32], "pruning": [0.0, 0.5]}
FILES = ["settings.json"]


def build(structure):
    return to_onnx(Network.random(structure, np.random.default_rng(0), pruned=True), "untrained.onnx")


def fit(structure):
    accidents.happen(structure)
    random = np.random.default_rng(0)
    x, y = waves(600, random)
    network = Network.random(structure, random)
    print("trained to a loss of", network.train(x, y, random, epochs=25))  # noqa: T201
    if structure["pruning"]:
        network = network.pruned(structure["pruning"])
        print("fine-tuned to a loss of", network.train(x, y, random, epochs=8))  # noqa: T201
    accidents.note(structure)
    return to_onnx(network, "trained.onnx")
