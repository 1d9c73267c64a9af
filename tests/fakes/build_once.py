"""Builds one image from packages in a folder, as a child process whose surroundings a test chooses; prints digests.

`build_once.py INPUT STORE [USER]`: INPUT holds wheels/, debs/, model/ and key.pem; USER is whom to become.
pip and mmdebstrap are stood in for by copies.
"""

import json
import os
import shlex
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from edgewise.build import inference, sbom, sign, tools
from edgewise.build.bases import debian
from edgewise.build.compress import Compression
from edgewise.build.content import OnDisk
from edgewise.build.image import About, HealthCheck, Settings
from edgewise.build.inference import Order
from edgewise.build.layer import Entry, file, layer
from edgewise.build.pack import pack
from edgewise.build.platforms import AMD64
from edgewise.store.steps import Store


def model(folder: Path) -> list[Entry]:
    """The files below `folder`, in whatever order the file system has them."""
    found = (path for path in folder.rglob("*") if path.is_file())
    return [file(f"models/{path.relative_to(folder)}", OnDisk.at(path)) for path in found]


def main(given: Path, store: Store) -> dict[str, str]:
    """Digests of all that is made, by name."""

    def copies(argv: Sequence[str], **_: object) -> str:
        hooks = [one for one in argv if one.startswith("--extract-hook=")]
        source = given / ("debs" if hooks else "wheels")
        target = Path(shlex.split(hooks[0])[-1] if hooks else argv[list(argv).index("--dest") + 1])
        for path in source.iterdir():
            shutil.copy(path, target)
        return ""

    tools.run = copies  # type: ignore[assignment]
    debs = debian.resolve(AMD64, store)
    parts = [sbom.of_deb(one) for one in debs]
    key = sign.read_key(given / "key.pem")
    found = {}
    for compression in (Compression.ZSTD, Compression.GZIP):
        order = Order(
            runtime="onnxruntime",
            settings=Settings(entry_point=("/usr/bin/python3",), health=HealthCheck(command=("/usr/bin/python3",))),
            about=About(title="meter", created=86400),
            compression=compression,
        )
        base = debian.base(debs, AMD64, store, mtime=86400, compression=compression)
        top = pack(layer(model(given / "model"), mtime=86400), store, compression=compression, title="model")
        built = inference.build(base, order, store, top=[top], components=parts)
        signed = sign.sign(built.image, "registry.example/meter", key, store.blobs)
        index = inference.over([built], order.about, store)
        made = {"image": built.image, "sbom": built.sbom, "provenance": built.provenance, "index": index}
        found |= {f"{name} {compression}": one.digest for name, one in (made | {"signature": signed.manifest}).items()}
    return found


if __name__ == "__main__":
    if len(sys.argv) > 3:
        with tempfile.TemporaryDirectory() as folder:  # reads every module while the interpreter can be read
            main(Path(sys.argv[1]), Store(Path(folder)))
        os.setgid(int(sys.argv[3]))
        os.setuid(int(sys.argv[3]))
    sys.stdout.write(json.dumps(main(Path(sys.argv[1]), Store(Path(sys.argv[2])))))
