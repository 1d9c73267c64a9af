"""Builds all three strategies from packages in a folder, as a child whose surroundings a test chooses; prints digests.

`build_once.py INPUT STORE [USER]`: INPUT holds wheels/, debs/ (see `offline.shelf`), model/ and key.pem; USER is whom
to become. pip and mmdebstrap are stood in for by copies.
"""

import json
import os
import sys
import tempfile
from pathlib import Path

from edgewise.build import sbom, sign, tools
from edgewise.build.bases import busybox, debian
from edgewise.build.compress import Compression
from edgewise.build.platforms import AMD64, PLATFORMS
from edgewise.build.strategies.make import Below, Wanted, make
from edgewise.build.strategies.model import ModelFolder
from edgewise.nouns import RuntimeConfiguration, RuntimeName, ServedModel, Signature, Tensor
from edgewise.runtimes import served
from edgewise.store.steps import Store
from fakes import offline
from fakes.model_folders import kept

CREATED = 86400


def model(folder: Path, store: Store) -> ModelFolder:
    """The files below `folder`, in whatever order the file system has them, as model.json sorts them."""
    found = {str(path.relative_to(folder)): path for path in folder.rglob("*") if path.is_file()}
    made = ServedModel(
        name="meter",
        version="1",
        design="given",
        configuration=RuntimeConfiguration(runtime=RuntimeName.ONNXRUNTIME, version="1.0", threads=1),
        files=tuple(kept(store, name, found[name].read_bytes()) for name in sorted(found)),
        signature=Signature(inputs=(Tensor(name="x", dtype="float32", shape=("n",)),), outputs=()),
    )
    return ModelFolder(model=made, document=served.written(made))


def main(given: Path, store: Store) -> dict[str, str]:
    """Digests of all that is made, by name."""
    tools.run = offline.Tool(given)  # type: ignore[assignment]
    key = sign.read_key(given / "key.pem")
    found = {}
    for compression in (Compression.ZSTD, Compression.GZIP):
        how = {"mtime": CREATED, "compression": compression}
        below, cars = [], []
        for platform in PLATFORMS.values() if compression is Compression.ZSTD else (AMD64,):
            debs, boxes = debian.resolve(platform, store), busybox.resolve(platform, store)
            parts = tuple(sbom.of_deb(one) for one in debs)
            below.append(Below(base=debian.base(debs, platform, store, **how), components=parts))  # type: ignore[arg-type]
            cars.append(Below(base=busybox.base(boxes, platform, store, **how)))  # type: ignore[arg-type]
        wanted = Wanted(
            model=model(given / "model", store),
            inference=tuple(below),
            models=tuple(cars),
            compression=compression,
            created=CREATED,
        )
        for strategy, made in make(wanted, store).items():
            for part, root in made.roots.items():
                signed = sign.sign(root, f"registry.example/{part}", key, store.blobs)
                found[f"{compression} {strategy} {part}"] = root.digest
                found[f"{compression} {strategy} {part} signature"] = signed.manifest.digest
            for number, referrer in enumerate(made.referrers):
                found[f"{compression} {strategy} referrer {number}"] = referrer.digest
    return found


if __name__ == "__main__":
    if len(sys.argv) > 3:
        with tempfile.TemporaryDirectory() as folder:  # reads every module while the interpreter can be read
            main(Path(sys.argv[1]), Store(Path(folder)))
        os.setgid(int(sys.argv[3]))
        os.setuid(int(sys.argv[3]))
    sys.stdout.write(json.dumps(main(Path(sys.argv[1]), Store(Path(sys.argv[2])))))
