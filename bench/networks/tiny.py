"""The four reference networks of MLPerf Tiny: github.com/mlcommons/tiny, benchmark/training.

Banbury et al., "MLPerf Tiny Benchmark", arXiv:2106.07597.
"""

from graph import Graph, Map
from mobile import mobilenet_v1


def image_classification() -> Graph:
    """ic01: ResNet-8 for CIFAR-10."""
    graph = Graph()
    image = graph.conv(Map(32, 32, 3), 16, 3)
    for channels, stride in ((16, 1), (32, 2), (64, 2)):
        inner = graph.conv(graph.conv(image, channels, 3, stride), channels, 3)
        shortcut = graph.conv(image, channels, 1, stride) if stride > 1 else image
        image = graph.add(shortcut, inner)
    graph.softmax(graph.dense(graph.reshape(graph.global_pool(image)), 10))
    return graph


def keyword_spotting() -> Graph:
    """kws01: DS-CNN on 49 frames of 10 MFCCs."""
    graph = Graph()
    image = graph.conv(Map(49, 10, 1), 64, (10, 4), 2)
    for _ in range(4):
        image = graph.separable(image, 64, 3)
    graph.softmax(graph.dense(graph.reshape(graph.global_pool(image)), 12))
    return graph


def visual_wake_words() -> Graph:
    """vww01: MobileNet v1 of width 0.25 on 96 x 96 pixels."""
    return mobilenet_v1(96, 0.25, classes=2)


def anomaly_detection() -> Graph:
    """ad01: an autoencoder over five frames of 128 mel bands."""
    graph, image = Graph(), Map(1, 1, 640)
    for channels in (128, 128, 128, 128, 8, 128, 128, 128, 128, 640):
        image = graph.dense(image, channels)
    return graph
