"""Images of the real server, made of this machine's Python and of the packages that the tests run with, without pip.

made = ServerImages(folder)
part = made.server(); part = made.server(model_folder); part = made.model(model_folder)
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy

from edgewise.build import image, server
from edgewise.build.base import Base
from edgewise.build.bases import host
from edgewise.build.compress import Compression
from edgewise.build.content import OnDisk
from edgewise.build.image import About, Settings
from edgewise.build.layer import Entry, file, layer
from edgewise.build.pack import Packed, pack
from edgewise.build.wheels.needed import EVERYWHERE, Filter, needed
from edgewise.build.wheels.unpack import SITE
from edgewise.exchange.release import Part, PartKind
from edgewise.store.oci.documents import Descriptor
from edgewise.store.oci.layout import Layout
from edgewise.store.steps import Store

RUNTIME = "onnxruntime"
PACKAGES = ("numpy", "numpy.libs", "onnxruntime", "uvloop", "httptools", "orjson")
ABOUT = About(title="server")


class ServerImages:
    """Images in a layout in `folder`, which share all layers but the model's."""

    def __init__(self, folder: Path) -> None:
        self._store = Store(folder)
        self.layout = Layout(folder)
        self.layout._prepare()
        self._base = host.base(self._store, compression=Compression.NONE)
        self._empty = replace(self._base, layers=())
        wanted = server.server(RUNTIME)
        code = server.code_layer(server.sources(wanted, needed(RUNTIME).imports), wanted, mtime=0)
        packages = layer(_packages())
        self._own = [pack(one, self._store, compression=Compression.NONE) for one in (packages, code)]

    def server(self, model: Path | None = None) -> Part:
        """The server, with `model` in it."""
        told = {"PYTHONSAFEPATH": "1", "EDGEWISE_MODEL": "/models"}
        settings = Settings(entry_point=(server.PYTHON, "-m", server.SERVE), environment=told)
        layers = [*self._own, *([self._model(model)] if model else [])]
        return self._part("inference", self._base, layers, settings)

    def model(self, model: Path) -> Part:
        """The model in an image of its own, in which nothing can run."""
        return self._part("model", self._empty, [self._model(model)], Settings())

    def _model(self, folder: Path) -> Packed:
        files = [path for path in folder.rglob("*") if path.is_file()]
        entries = [file(f"models/{path.relative_to(folder)}", OnDisk.at(path)) for path in files]
        return pack(layer(entries), self._store, compression=Compression.NONE)

    def _part(self, name: str, base: Base, layers: list[Packed], settings: Settings) -> Part:
        made: Descriptor = image.build(base, layers, settings, ABOUT, self._store.blobs)
        self.layout.tag(made.digest.removeprefix("sha256:")[:12], made)
        source = f"oci:{self.layout.folder}"
        size = sum(packed.size_bytes for packed in (*base.layers, *layers))
        return Part(name=name, kind=PartKind.IMAGE, digest=made.digest, size_bytes=size, source=source)


def _packages() -> Iterator[Entry]:
    """Of the tests' own environment, less what images leave out."""
    out = Filter((*EVERYWHERE, *needed(RUNTIME).left_out, "*/__pycache__/*"))
    site = Path(numpy.__file__).parents[1]
    for package in PACKAGES:
        for path in sorted((site / package).rglob("*")):
            place = str(path.relative_to(site))
            if path.is_file() and not out.leaves_out(place):
                yield file(f"{SITE}/{place}", OnDisk.at(path))
