"""Networks made for small machines: MobileNet v1 and v2, EfficientNet-EdgeTPU, SqueezeNet, and SSD on MobileNets."""

import math

from graph import Graph, Map

CLASSES = 1001  # ImageNet's thousand and a background, as in TensorFlow's published models
COCO_CLASSES = 91


def mobilenet_v1(size: int, alpha: float = 1.0, classes: int = CLASSES) -> Graph:
    """Howard et al., "MobileNets", arXiv:1704.04861, table 1."""
    graph = Graph()
    image = _mobilenet_v1_features(graph, Map(size, size, 3), alpha)[-1]
    return _classified(graph, image, classes)


def mobilenet_v2(size: int, alpha: float = 1.0) -> Graph:
    """Sandler et al., "MobileNetV2", arXiv:1801.04381, table 2."""
    graph = Graph()
    image = _mobilenet_v2_features(graph, Map(size, size, 3), alpha)[-1]
    return _classified(graph, image, CLASSES)


def efficientnet_edgetpu(size: int, width: float, depth: float) -> Graph:
    """Gupta and Tan, "EfficientNet-EdgeTPU", 2019; block arguments as published in github.com/tensorflow/tpu."""
    blocks = (  # repeats, kernel, stride, expansion, channels, whether depthwise
        (1, 3, 1, 4, 24, False),
        (2, 3, 2, 8, 32, False),
        (4, 3, 2, 8, 48, False),
        (5, 5, 2, 8, 96, True),
        (4, 5, 1, 8, 144, True),
        (2, 5, 2, 8, 192, True),
    )
    graph = Graph()
    image = graph.conv(Map(size, size, 3), _rounded(32 * width), 3, 2)
    for number, (repeats, kernel, stride, expansion, channels, depthwise) in enumerate(blocks):
        for repeat in range(math.ceil(repeats * depth)):
            step, out = (stride if repeat == 0 else 1), _rounded(channels * width)
            hidden = (image.channels if repeat or number else _rounded(24 * width)) * expansion
            if depthwise:
                inner = graph.depthwise(graph.conv(image, hidden, 1), kernel, step)
                result = graph.conv(inner, out, 1)
            else:
                result = graph.conv(graph.conv(image, hidden, kernel), out, 1, step)
            skips = step == 1 and image.channels == out and number > 0
            image = graph.add(image, result) if skips else result
    return _classified(graph, graph.conv(image, _rounded(1280 * width), 1), CLASSES)


def efficientnet_lite(size: int, width: float, depth: float) -> Graph:
    """Liu, "EfficientNet-Lite", 2020: arXiv:1905.11946, table 1, without squeeze and excite, with a fixed head."""
    blocks = (  # repeats, kernel, stride, expansion, channels
        (1, 3, 1, 1, 16),
        (2, 3, 2, 6, 24),
        (2, 5, 2, 6, 40),
        (3, 3, 2, 6, 80),
        (3, 5, 1, 6, 112),
        (4, 5, 2, 6, 192),
        (1, 3, 1, 6, 320),
    )
    graph = Graph()
    image = graph.conv(Map(size, size, 3), 32, 3, 2)
    for number, (repeats, kernel, stride, expansion, channels) in enumerate(blocks):
        scaled = repeats if number in (0, len(blocks) - 1) else math.ceil(repeats * depth)
        for repeat in range(scaled):
            step = stride if repeat == 0 else 1
            inner = graph.conv(image, image.channels * expansion, 1) if expansion > 1 else image
            result = graph.conv(graph.depthwise(inner, kernel, step), _rounded(channels * width), 1)
            image = graph.add(image, result) if step == 1 and image == result else result
    return _classified(graph, graph.conv(image, 1280, 1), 1000)


def squeezenet(size: int, version: str) -> Graph:
    """Iandola et al., "SqueezeNet", arXiv:1602.07360, table 1; 1.1 as in the authors' repository."""
    pools, kernel, channels = ({3, 7}, 7, 96) if version == "1.0" else ({2, 4}, 3, 64)
    graph = Graph()
    image = graph.conv(Map(size, size, 3), channels, kernel, 2, padding="valid")
    image = graph.max_pool(image, 3, 2, "ceil")
    for number, (squeezed, expanded) in enumerate(
        ((16, 64), (16, 64), (32, 128), (32, 128), (48, 192), (48, 192), (64, 256), (64, 256)), start=1
    ):
        small = graph.conv(image, squeezed, 1)
        image = graph.concatenate([graph.conv(small, expanded, 1), graph.conv(small, expanded, 3)])
        if number in pools:
            image = graph.max_pool(image, 3, 2, "ceil")
    graph.softmax(graph.global_pool(graph.conv(image, 1000, 1)))
    return graph


def ssd_mobilenet_v1(size: int) -> Graph:
    """Liu et al., "SSD", arXiv:1512.02325, on MobileNet v1, as in TensorFlow's detection models."""
    graph = Graph()
    maps = _mobilenet_v1_features(graph, Map(size, size, 3), 1.0)
    return _detected(graph, [maps[-3], maps[-1]], kernel=1, separable=False)


def ssd_mobilenet_v2(size: int, *, lite: bool) -> Graph:
    """SSD or, with `lite`, SSDLite on MobileNet v2: arXiv:1801.04381, section 6.2."""
    graph = Graph()
    maps = _mobilenet_v2_features(graph, Map(size, size, 3), 1.0)
    return _detected(graph, [maps[0], maps[-1]], kernel=3, separable=lite)


def _mobilenet_v1_features(graph: Graph, image: Map, alpha: float) -> list[Map]:
    image = graph.conv(image, max(8, int(32 * alpha)), 3, 2)
    maps = []
    strides = (1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1)
    channels = (64, 128, 128, 256, 256, *(512,) * 6, 1024, 1024)
    for stride, out in zip(strides, channels, strict=True):
        image = graph.separable(image, max(8, int(out * alpha)), 3, stride)
        maps.append(image)
    return maps


def _mobilenet_v2_features(graph: Graph, image: Map, alpha: float) -> list[Map]:
    """Of the whole network, the expansion before the last stride, and its end."""
    blocks = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))
    image = graph.conv(image, _rounded(32 * alpha), 3, 2)
    expanded = image
    for expansion, channels, repeats, stride in blocks:
        out = _rounded(channels * alpha)
        for repeat in range(repeats):
            step = stride if repeat == 0 else 1
            inner = graph.conv(image, image.channels * expansion, 1) if expansion > 1 else image
            if channels == 160 and repeat == 0:
                expanded = inner
            result = graph.conv(graph.depthwise(inner, 3, step), out, 1)
            image = graph.add(image, result) if step == 1 and image == result else result
    return [expanded, graph.conv(image, max(1280, _rounded(1280 * alpha)), 1)]


def _detected(graph: Graph, maps: list[Map], *, kernel: int, separable: bool) -> Graph:
    """Four more feature maps, then boxes and classes from all six."""
    image = maps[-1]
    for channels in (512, 256, 256, 128):
        inner = graph.conv(image, channels // 2, 1)
        image = graph.separable(inner, channels, 3, 2) if separable else graph.conv(inner, channels, 3, 2)
        maps.append(image)
    boxes, scores = [], []
    for number, image in enumerate(maps):
        anchors = 3 if number == 0 else 6
        for outputs, length in ((boxes, 4), (scores, COCO_CLASSES)):
            if separable:
                predicted = graph.separable(image, anchors * length, kernel)
            else:
                predicted = graph.conv(image, anchors * length, kernel)
            outputs.append(graph.reshape(predicted))
    graph.concatenate(boxes)
    graph.logistic(graph.concatenate(scores))
    return graph


def _classified(graph: Graph, image: Map, classes: int) -> Graph:
    graph.softmax(graph.dense(graph.mean(image), classes))
    return graph


def _rounded(channels: float) -> int:
    """To a multiple of eight, losing no more than a tenth."""
    whole = max(8, int(channels + 4) // 8 * 8)
    return whole + 8 if whole < 0.9 * channels else whole
