"""What the probe finds for the networks of MLPerf Tiny: whether running rows together pays.

python bench/batching.py [FOLDER]    FOLDER has kws01.onnx, ic01.onnx and their .tflite files
"""

import hashlib
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from edgewise.design import models
from edgewise.edge.serve.models import folder, loaded
from edgewise.nouns import ModelFile, RuntimeConfiguration, RuntimeName, ServedModel
from edgewise.runtimes import served

DEFAULT = Path(__file__).resolve().parents[2] / "shared" / "data" / "mlperf-tiny"


@dataclass(frozen=True)
class Row:
    """A model file and what runs it."""

    file: str
    runtime: RuntimeName


ROWS = [
    Row("kws01.onnx", RuntimeName.ONNXRUNTIME),
    Row("ic01.onnx", RuntimeName.ONNXRUNTIME),
    Row("kws01.onnx", RuntimeName.OPENVINO),
    Row("ic01.onnx", RuntimeName.OPENVINO),
    Row("kws01_fp32.tflite", RuntimeName.LITERT),
    Row("ic01_fp32.tflite", RuntimeName.LITERT),
    Row("ic01_int8.tflite", RuntimeName.LITERT),
]


def main(source: Path) -> None:
    print("| model | runtime | alone | rows that run together | why | on the loop's thread |")
    print("|---|---|---:|---:|---|---|")
    for row in ROWS:
        with tempfile.TemporaryDirectory() as name:
            place = Path(name)
            content = (source / row.file).read_bytes()
            (place / row.file).write_bytes(content)
            file = ModelFile(
                name=row.file, digest=f"sha256:{hashlib.sha256(content).hexdigest()}", size_bytes=len(content)
            )
            model = ServedModel(
                name="probed", version="1", design="as given", files=(file,),
                configuration=RuntimeConfiguration(runtime=row.runtime, version="", threads=1),
                signature=models.read(place / row.file).signature,
            )  # fmt: skip
            (place / served.NAME).write_bytes(served.written(model))
            found = loaded.load(folder.read(place))
            inline = "yes" if found.inline else "no"
            alone = f"{found.run_s[0] * 1e6:.0f} us"
            print(f"| {row.file} | {row.runtime} | {alone} | {found.batch_limit} | {found.why} | {inline} |")
            found.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else DEFAULT)
