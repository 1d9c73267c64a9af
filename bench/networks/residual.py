"""Plain, residual and dense stacks: VGG, ResNet v1 and v2, DenseNet."""

from typing import Literal

from graph import Graph, Map

UNITS = {50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}

Stride = Literal["first-1x1", "first-3x3", "last-3x3"]
"""Where a stage shrinks the image: in its first unit (He et al.; "v1.5"), or in its last (TF-Slim)."""


def vgg(size: int, depth: Literal[16, 19]) -> Graph:
    """Simonyan and Zisserman, arXiv:1409.1556, table 1, columns D and E."""
    graph, image = Graph(), Map(size, size, 3)
    third = 3 if depth == 16 else 4
    for channels, repeats in ((64, 2), (128, 2), (256, third), (512, third), (512, third)):
        for _ in range(repeats):
            image = graph.conv(image, channels, 3)
        image = graph.max_pool(image, 2, 2, "valid")
    for channels in (4096, 4096, 1000):
        image = graph.dense(image, channels)
    graph.softmax(image)
    return graph


def resnet_basic(size: int, units: tuple[int, ...]) -> Graph:
    """He et al., arXiv:1512.03385, table 1, without bottlenecks: 18 layers are (2, 2, 2, 2), 34 are (3, 4, 6, 3)."""
    graph = Graph()
    image = graph.max_pool(graph.conv(Map(size, size, 3), 64, 7, 2), 3, 2)
    for stage, channels in enumerate((64, 128, 256, 512)):
        for unit in range(units[stage]):
            stride = 2 if stage and not unit else 1
            inner = graph.conv(graph.conv(image, channels, 3, stride), channels, 3)
            shortcut = graph.conv(image, channels, 1, stride) if stride == 2 else image
            image = graph.add(inner, shortcut)
    graph.softmax(graph.dense(graph.global_pool(image), 1000))
    return graph


def resnet_v1(size: int, depth: int, where: Stride, classes: int = 1001) -> Graph:
    """He et al., arXiv:1512.03385, table 1, with bottlenecks."""
    graph = Graph()
    image = graph.max_pool(graph.conv(Map(size, size, 3), 64, 7, 2), 3, 2)
    for stage, units in enumerate(UNITS[depth]):
        channels = 64 << stage
        for unit in range(units):
            stride = _stride(stage, unit, units, where)
            early, late = (stride, 1) if where == "first-1x1" else (1, stride)
            inner = graph.conv(image, channels, 1, early)
            inner = graph.conv(graph.conv(inner, channels, 3, late), 4 * channels, 1)
            image = graph.add(inner, _shortcut(graph, image, 4 * channels, stride))
    graph.softmax(graph.dense(graph.mean(image), classes))
    return graph


def resnet_v2(size: int, depth: int) -> Graph:
    """He et al., "Identity Mappings", arXiv:1603.05027, as in TF-Slim: normalised before every unit."""
    graph = Graph()
    image = graph.max_pool(graph.conv(Map(size, size, 3), 64, 7, 2), 3, 2)
    for stage, units in enumerate(UNITS[depth]):
        channels = 64 << stage
        for unit in range(units):
            stride = _stride(stage, unit, units, "last-3x3")
            ready = graph.normalise(image)
            source = image if image.channels == 4 * channels else ready
            shortcut = _shortcut(graph, source, 4 * channels, stride)
            inner = graph.conv(graph.conv(ready, channels, 1), channels, 3, stride)
            image = graph.add(graph.conv(inner, 4 * channels, 1), shortcut)
    graph.softmax(graph.dense(graph.mean(graph.normalise(image)), 1001))
    return graph


def densenet(size: int, blocks: tuple[int, ...] = (6, 12, 24, 16), growth: int = 32) -> Graph:
    """Huang et al., arXiv:1608.06993, table 1; the default is DenseNet-121."""
    graph = Graph()
    image = graph.max_pool(graph.conv(Map(size, size, 3), 2 * growth, 7, 2), 3, 2)
    for number, layers in enumerate(blocks):
        if number:
            image = graph.conv(graph.normalise(image), image.channels // 2, 1)
            image = graph.average_pool(image, 2, 2, "valid")
        for _ in range(layers):
            grown = graph.conv(graph.conv(graph.normalise(image), 4 * growth, 1), growth, 3)
            image = graph.concatenate([image, grown])
    graph.softmax(graph.dense(graph.mean(graph.normalise(image)), 1000))
    return graph


def _stride(stage: int, unit: int, units: int, where: Stride) -> int:
    if where == "last-3x3":
        return 2 if stage < 3 and unit == units - 1 else 1
    return 2 if stage and unit == 0 else 1


def _shortcut(graph: Graph, image: Map, channels: int, stride: int) -> Map:
    if image.channels != channels:
        return graph.conv(image, channels, 1, stride)
    return graph.max_pool(image, 1, stride) if stride > 1 else image
