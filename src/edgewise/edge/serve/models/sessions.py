"""Sessions of one model: the one that the design measured, and others for more rows or other shapes.

The first session has the shapes of one inference as the design fixed them: what was measured is what runs. Where more
rows run together there are further sessions, loaded by the same function with the same options. ONNX Runtime has one of
them, with the batch axis left free; OpenVINO and LiteRT, whose shapes are fixed, have one for each number of rows.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

from edgewise.edge.serve.models.probe import timed
from edgewise.errors import BadModel
from edgewise.runtimes import protocol
from edgewise.runtimes.protocol import Fixed, Session
from edgewise.runtimes.samples import Array
from edgewise.served_nouns import RuntimeConfiguration, RuntimeName, Signature

FREE_AXES = (RuntimeName.ONNXRUNTIME,)
"""Runtimes whose sessions take any size of an axis that is not fixed."""
LIMIT_SHAPES = 16
"""Sessions of one model that are kept for shapes beside those of its batches; the oldest goes first."""

BINDING_GAIN = 0.95
"""Binding must take less than this share of the time without."""

Shapes = tuple[tuple[int, ...], ...]
Run = Callable[[Sequence[Array]], Sequence[Array]]


class Sessions:
    """Runs one model, whatever the number of rows. One call at a time."""

    def __init__(self, path: Path, configuration: RuntimeConfiguration, signature: Signature, shapes: Shapes) -> None:
        """Load the session for `shapes`, those of one inference.

        Raises:
            MissingDependency: the runtime is not installed.
            BadModel: it cannot load the file.
        """
        self._path = path
        self._configuration = configuration
        self._signature = signature
        self._load = protocol.loader(configuration.runtime)
        self.free = configuration.runtime in FREE_AXES
        self._first = shapes
        self._session = self._loaded(shapes, axes(signature, shapes))
        self._first_run: Run = self._session.run
        self._any: Session | None = None
        self._kept: dict[Shapes, Session] = {}
        self._others: dict[Shapes, Session] = {}

    def run(self, inputs: Sequence[Array]) -> Sequence[Array]:
        """Outputs for `inputs`, which belong to the caller."""
        shapes = tuple([array.shape for array in inputs])
        if shapes == self._first:
            return self._first_run(inputs)
        return self.session(shapes).run(inputs)

    def session(self, shapes: Shapes) -> Session:
        """The session for `shapes`, loaded where it is not yet.

        Raises:
            BadModel: the runtime cannot load the model with these shapes.
        """
        if shapes == self._first:
            return self._session
        if self.free:
            if self._any is None:
                self._any = self._loaded(shapes, {})
            return self._any
        found = self._kept.get(shapes) or self._others.get(shapes)
        if found is None:
            found = self._loaded(shapes, axes(self._signature, shapes))
            if len(self._others) >= LIMIT_SHAPES:
                del self._others[next(iter(self._others))]
            self._others[shapes] = found
        return found

    def bind(self, inputs: Sequence[Array]) -> None:
        """Run one inference through bound memory from now on, where the runtime can and where it is quicker."""
        bound = getattr(self._session, "bound", None)
        if bound is None:
            return
        try:
            run: Run = bound(inputs)
            if timed(run, inputs) < BINDING_GAIN * timed(self._session.run, inputs):
                self._first_run = run
        except Exception:  # a model whose outputs have other shapes each time cannot be bound; it runs as it is
            self._first_run = self._session.run

    def keep(self, rows: Sequence[int]) -> None:
        """Drop every session but the first and those for so many rows of one inference's shape."""
        if len(rows) < 2:
            self._any = None
        wanted = {tuple((count, *shape[1:]) for shape in self._first) for count in rows}
        self._kept = {shapes: session for shapes, session in self._others.items() if shapes in wanted}
        self._others.clear()

    def _loaded(self, shapes: Shapes, fixed: dict[str, int]) -> Session:
        configuration = self._configuration
        try:
            return self._load(
                self._path,
                threads=configuration.threads,
                options=configuration.options,
                fixed=Fixed(shapes=shapes, axes=fixed),
            )
        except (MemoryError, OSError):
            raise
        except Exception as error:  # runtimes raise what they like
            raise BadModel(
                f"{configuration.runtime} cannot load {self._path.name}: {_words(error)}",
                hint=f"it was measured with {configuration.runtime} {configuration.version}",
            ) from error


def axes(signature: Signature, shapes: Shapes) -> dict[str, int]:
    """Size of every dynamic axis by its name, where a name has one size; as the design fixes them."""
    sizes: dict[str, set[int]] = {}
    for tensor, shape in zip(signature.inputs, shapes, strict=True):
        if len(tensor.shape) != len(shape):
            continue
        for axis, size in zip(tensor.shape, shape, strict=True):
            if isinstance(axis, str) and axis not in ("?", "..."):
                sizes.setdefault(axis, set()).add(size)
    return {axis: found.pop() for axis, found in sizes.items() if len(found) == 1}


def _words(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return " ".join(lines[:2])[:400] or type(error).__name__
