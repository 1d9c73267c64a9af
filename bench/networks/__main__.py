"""Writes the layers of the networks that calibration rows speak of: python bench/networks.

--check        write nothing; end with 1 where a file is not what this script makes
--model FILE   write the layers of an ONNX or TFLite file to stdout instead, for a folder of one's own
"""

import argparse
import csv
import io
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import inception
import mobile
import residual
import tiny
from graph import Graph

from edgewise.design import models
from edgewise.hardware.calibration._networks import CONVOLUTION_HEADS, HEADS
from edgewise.nouns import Layer

FOLDER = Path(__file__).resolve().parents[2] / "src" / "edgewise" / "hardware" / "calibration" / "networks"

NETWORKS: Mapping[str, Callable[[], Graph]] = {
    "densenet-121-224": lambda: residual.densenet(224),
    **{
        f"efficientnet-lite{number}-{size}": lambda size=size, width=width, depth=depth: mobile.efficientnet_lite(
            size, width, depth
        )
        for number, (size, width, depth) in enumerate(
            ((224, 1.0, 1.0), (240, 1.0, 1.1), (260, 1.1, 1.2), (280, 1.2, 1.4), (300, 1.4, 1.8))
        )
    },
    "efficientnet-edgetpu-l-300": lambda: mobile.efficientnet_edgetpu(300, 1.2, 1.4),
    "efficientnet-edgetpu-m-240": lambda: mobile.efficientnet_edgetpu(240, 1.0, 1.1),
    "efficientnet-edgetpu-s-224": lambda: mobile.efficientnet_edgetpu(224, 1.0, 1.0),
    "googlenet-224": lambda: inception.inception_v1(224, inception.FIVE),
    "inception-resnet-v2-299": lambda: inception.inception_resnet_v2(299),
    "inception-v1-224": lambda: inception.inception_v1(224),
    "inception-v3-299": lambda: inception.inception_v3(299),
    "inception-v4-299": lambda: inception.inception_v4(299),
    "mlperf-tiny-ad01": tiny.anomaly_detection,
    "mlperf-tiny-ic01": tiny.image_classification,
    "mlperf-tiny-kws01": tiny.keyword_spotting,
    "mlperf-tiny-vww01": tiny.visual_wake_words,
    "mobilenet-v1-0.25-128": lambda: mobile.mobilenet_v1(128, 0.25),
    "mobilenet-v1-0.5-160": lambda: mobile.mobilenet_v1(160, 0.5),
    "mobilenet-v1-1.0-224": lambda: mobile.mobilenet_v1(224),
    "mobilenet-v2-1.0-224": lambda: mobile.mobilenet_v2(224),
    "mobilenet-v2-1.4-224": lambda: mobile.mobilenet_v2(224, 1.4),
    "resnet-18-224": lambda: residual.resnet_basic(224, (2, 2, 2, 2)),
    "resnet-34-224": lambda: residual.resnet_basic(224, (3, 4, 6, 3)),
    "resnet-50-224": lambda: residual.resnet_v1(224, 50, "first-1x1", 1000),
    **{
        f"resnet-{depth}-v1.5-224": lambda depth=depth: residual.resnet_v1(224, depth, "first-3x3", 1000)
        for depth in (50, 101, 152)
    },
    **{
        f"resnet-{depth}-v1-slim-{size}": lambda depth=depth, size=size: residual.resnet_v1(size, depth, "last-3x3")
        for depth, size in ((50, 224), (50, 299), (101, 224), (152, 224))
    },
    **{f"resnet-{depth}-v2-299": lambda depth=depth: residual.resnet_v2(299, depth) for depth in (50, 101, 152)},
    "squeezenet-1.0-224": lambda: mobile.squeezenet(224, "1.0"),
    "squeezenet-1.1-224": lambda: mobile.squeezenet(224, "1.1"),
    "squeezenet-1.1-227": lambda: mobile.squeezenet(227, "1.1"),
    "ssd-mobilenet-v1-300": lambda: mobile.ssd_mobilenet_v1(300),
    "ssd-mobilenet-v2-300": lambda: mobile.ssd_mobilenet_v2(300, lite=False),
    "ssdlite-mobilenet-v2-300": lambda: mobile.ssd_mobilenet_v2(300, lite=True),
    "vgg16-224": lambda: residual.vgg(224, 16),
    "vgg19-224": lambda: residual.vgg(224, 19),
}


def table(layers: Sequence[Layer]) -> str:
    """The layers as the CSV file that `calibration.networks` reads."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(HEADS)
    for layer in layers:
        if layer.macs is None or layer.read_elements is None or layer.written_elements is None:
            raise SystemExit(f"{layer.name}: its size is not known")
        shape = "x".join(str(size) for size in layer.output_shape) or "1"
        counts = (layer.macs, layer.parameters, layer.read_elements, layer.written_elements)
        sizes = [getattr(layer.convolution, head, "") for head in CONVOLUTION_HEADS]
        writer.writerow([layer.name, layer.operator, shape, *counts, *sizes])
    return text.getvalue()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--model", type=Path)
    chosen = parser.parse_args()
    if chosen.model is not None:
        sys.stdout.write(table(models.read(chosen.model).layers))
        return 0
    wrong = 0
    for name, build in NETWORKS.items():
        path, text = FOLDER / f"{name}.csv", table(build().layers)
        if chosen.check:
            same = path.is_file() and path.read_text(encoding="utf-8") == text
            wrong += not same
            print(f"{name}: {'as made' if same else 'differs'}")
        else:
            path.write_text(text, encoding="utf-8")
            print(f"{name}: {sum(layer.macs or 0 for layer in build().layers) / 1e6:.2f} million MACs")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
