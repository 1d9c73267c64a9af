"""The Inception family as in TF-Slim, whose quantised models are the ones that publications run.

Szegedy et al.: v1 arXiv:1409.4842 (TF-Slim's has 3 x 3 where the paper has 5 x 5), v3 arXiv:1512.00567,
v4 and Inception-ResNet v2 arXiv:1602.07261.
"""

from collections.abc import Sequence

from graph import Graph, Map

Kernel = tuple[int, int]
Branch = Sequence[tuple[int, Kernel]]
"""Convolutions one behind the other: channels and kernel."""

ONE, THREE, FIVE = (1, 1), (3, 3), (5, 5)
WIDE3, TALL3, WIDE7, TALL7 = (1, 3), (3, 1), (1, 7), (7, 1)


def inception_v1(size: int, wide: Kernel = THREE) -> Graph:
    """GoogLeNet: table 1 of its paper; `wide` is the kernel that the paper has as 5 x 5."""
    modules: tuple[tuple[int, ...] | None, ...] = (  # one, squeezed and wide twice, pooled; None is a pool
        (64, 96, 128, 16, 32, 32),
        (128, 128, 192, 32, 96, 64),
        None,
        (192, 96, 208, 16, 48, 64),
        (160, 112, 224, 24, 64, 64),
        (128, 128, 256, 24, 64, 64),
        (112, 144, 288, 32, 64, 64),
        (256, 160, 320, 32, 128, 128),
        None,
        (256, 160, 320, 32, 128, 128),
        (384, 192, 384, 48, 128, 128),
    )
    graph = Graph()
    image = graph.max_pool(graph.conv(Map(size, size, 3), 64, 7, 2), 3, 2)
    image = graph.max_pool(graph.conv(graph.conv(image, 64, 1), 192, 3), 3, 2)
    for module in modules:
        if module is None:
            image = graph.max_pool(image, 3 if image.channels == 480 else 2, 2)
            continue
        one, first, second, third, fourth, pooled = module
        branches = [[(one, ONE)], [(first, ONE), (second, THREE)], [(third, ONE), (fourth, wide)]]
        parts = [_chain(graph, image, branch) for branch in branches]
        parts.append(graph.conv(graph.max_pool(image, 3, 1), pooled, 1))
        image = graph.concatenate(parts)
    return _classified(graph, image)


def inception_v3(size: int) -> Graph:
    """Table 1 of its paper, in TF-Slim's sizes."""
    graph = Graph()
    image = _stem(graph, size)
    for pooled in (32, 64, 64):
        image = _mixed(
            graph,
            image,
            [[(64, ONE)], [(48, ONE), (64, FIVE)], [(64, ONE), (96, THREE), (96, THREE)]],
            pooled,
        )
    image = _reduced(graph, image, [[(384, THREE)], [(64, ONE), (96, THREE), (96, THREE)]])
    for inner in (128, 160, 160, 192):
        long = [(inner, ONE), (inner, TALL7), (inner, WIDE7), (inner, TALL7), (192, WIDE7)]
        image = _mixed(graph, image, [[(192, ONE)], [(inner, ONE), (inner, WIDE7), (192, TALL7)], long], 192)
    image = _reduced(graph, image, [[(192, ONE), (320, THREE)], [(192, ONE), (192, WIDE7), (192, TALL7), (192, THREE)]])
    for _ in range(2):
        parts = [graph.conv(image, 320, 1)]
        parts += _forked(graph, image, [(384, ONE)], 384)
        parts += _forked(graph, image, [(448, ONE), (384, THREE)], 384)
        parts.append(graph.conv(graph.average_pool(image, 3, 1), 192, 1))
        image = graph.concatenate(parts)
    return _classified(graph, image)


def inception_v4(size: int) -> Graph:
    """Figures 3 to 9 of its paper."""
    graph = Graph()
    image = _v4_stem(graph, size)
    for _ in range(4):
        image = _mixed(
            graph,
            image,
            [[(96, ONE)], [(64, ONE), (96, THREE)], [(64, ONE), (96, THREE), (96, THREE)]],
            96,
        )
    image = _reduced(graph, image, [[(384, THREE)], [(192, ONE), (224, THREE), (256, THREE)]])
    for _ in range(7):
        long = [(192, ONE), (192, TALL7), (224, WIDE7), (224, TALL7), (256, WIDE7)]
        image = _mixed(graph, image, [[(384, ONE)], [(192, ONE), (224, WIDE7), (256, TALL7)], long], 128)
    image = _reduced(graph, image, [[(192, ONE), (192, THREE)], [(256, ONE), (256, WIDE7), (320, TALL7), (320, THREE)]])
    for _ in range(3):
        parts = [graph.conv(image, 256, 1)]
        parts += _forked(graph, image, [(384, ONE)], 256)
        parts += _forked(graph, image, [(384, ONE), (448, TALL3), (512, WIDE3)], 256)
        parts.append(graph.conv(graph.average_pool(image, 3, 1), 256, 1))
        image = graph.concatenate(parts)
    return _classified(graph, image)


def inception_resnet_v2(size: int) -> Graph:
    """Figures 15 to 19 of its paper, in TF-Slim's sizes."""
    graph = Graph()
    image = _stem(graph, size)
    image = _mixed(graph, image, [[(96, ONE)], [(48, ONE), (64, FIVE)], [(64, ONE), (96, THREE), (96, THREE)]], 64)
    for _ in range(10):
        image = _residual(graph, image, [[(32, ONE)], [(32, ONE), (32, THREE)], [(32, ONE), (48, THREE), (64, THREE)]])
    image = _reduced(graph, image, [[(384, THREE)], [(256, ONE), (256, THREE), (384, THREE)]])
    for _ in range(20):
        image = _residual(graph, image, [[(192, ONE)], [(128, ONE), (160, WIDE7), (192, TALL7)]])
    image = _reduced(
        graph,
        image,
        [[(256, ONE), (384, THREE)], [(256, ONE), (288, THREE)], [(256, ONE), (288, THREE), (320, THREE)]],
    )
    for _ in range(10):
        image = _residual(graph, image, [[(192, ONE)], [(192, ONE), (224, WIDE3), (256, TALL3)]])
    return _classified(graph, graph.conv(image, 1536, 1))


def _stem(graph: Graph, size: int) -> Map:
    image = graph.conv(Map(size, size, 3), 32, 3, 2, padding="valid")
    image = graph.conv(graph.conv(image, 32, 3, padding="valid"), 64, 3)
    image = graph.max_pool(image, 3, 2, "valid")
    image = graph.conv(graph.conv(image, 80, 1), 192, 3, padding="valid")
    return graph.max_pool(image, 3, 2, "valid")


def _v4_stem(graph: Graph, size: int) -> Map:
    image = graph.conv(Map(size, size, 3), 32, 3, 2, padding="valid")
    image = graph.conv(graph.conv(image, 32, 3, padding="valid"), 64, 3)
    pooled = graph.max_pool(image, 3, 2, "valid")
    image = graph.concatenate([pooled, graph.conv(image, 96, 3, 2, padding="valid")])
    short = graph.conv(graph.conv(image, 64, 1), 96, 3, padding="valid")
    long = _chain(graph, image, [(64, ONE), (64, WIDE7), (64, TALL7)])
    image = graph.concatenate([short, graph.conv(long, 96, 3, padding="valid")])
    strided = graph.conv(image, 192, 3, 2, padding="valid")
    return graph.concatenate([strided, graph.max_pool(image, 3, 2, "valid")])


def _chain(graph: Graph, image: Map, branch: Branch) -> Map:
    for channels, kernel in branch:
        image = graph.conv(image, channels, kernel)
    return image


def _forked(graph: Graph, image: Map, branch: Branch, channels: int) -> list[Map]:
    """`branch`, and behind it a wide and a tall convolution side by side."""
    image = _chain(graph, image, branch)
    return [graph.conv(image, channels, WIDE3), graph.conv(image, channels, TALL3)]


def _mixed(graph: Graph, image: Map, branches: Sequence[Branch], pooled: int) -> Map:
    parts = [_chain(graph, image, branch) for branch in branches]
    parts.append(graph.conv(graph.average_pool(image, 3, 1), pooled, 1))
    return graph.concatenate(parts)


def _reduced(graph: Graph, image: Map, branches: Sequence[Branch]) -> Map:
    """The last convolution of every branch has stride 2, beside a pool."""
    parts = []
    for branch in branches:
        channels, kernel = branch[-1]
        parts.append(graph.conv(_chain(graph, image, branch[:-1]), channels, kernel, 2, padding="valid"))
    parts.append(graph.max_pool(image, 3, 2, "valid"))
    return graph.concatenate(parts)


def _residual(graph: Graph, image: Map, branches: Sequence[Branch]) -> Map:
    joined = graph.concatenate([_chain(graph, image, branch) for branch in branches])
    return graph.add(image, graph.conv(joined, image.channels, 1))


def _classified(graph: Graph, image: Map) -> Graph:
    graph.softmax(graph.dense(graph.mean(image), 1001))
    return graph
