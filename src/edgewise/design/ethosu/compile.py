"""Compiling a model for configurations of an Ethos-U, each in a child process, each kept in the store.

Vela is taken as a library (`ethosu.regor`), many compilations to a child: a command line costs a second each, a
call a few hundredths. A child that crashes is replaced, so that a crash takes down one configuration and no more.
"""

import importlib.metadata
import os
import tempfile
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from edgewise.design import models
from edgewise.design.ethosu.compiled import Compiled, Failure
from edgewise.design.ethosu.configuration import Configuration, options_text, system_text
from edgewise.errors import BadModel, ChildFailed, MissingDependency
from edgewise.nouns import ModelFormat
from edgewise.progress import SILENT, Progress
from edgewise.runtimes.child import Child
from edgewise.store import steps
from edgewise.store.blobs import digest_of
from edgewise.store.steps import Store

PACKAGE = "ethos-u-vela"
WORKER = "edgewise.design.ethosu._worker"
TIMEOUT_S = 300.0
START_TIMEOUT_S = 60.0


def version() -> str:
    """Version of Vela here.

    Raises:
        MissingDependency: it is not installed.
    """
    try:
        return importlib.metadata.version(PACKAGE)
    except importlib.metadata.PackageNotFoundError:
        raise MissingDependency(
            "Vela, the compiler for Ethos-U, is not installed", hint="pip install 'edgewise[design]'"
        ) from None


class Compiler:
    """Compiles one model; a context manager around the child that does it. For one thread.

    Args:
        source: a TFLite file that `models.read` takes.
    """

    def __init__(self, source: Path) -> None:
        self._source = source
        self._child: Child | None = None
        self._vela_ini = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end_child()

    def compile(self, configuration: Configuration, target: Path | None = None) -> Compiled | Failure:
        """What the compiler says about `configuration`; the compiled model goes to `target` where that is given.

        Raises:
            ChildFailed: the child cannot even begin.
        """
        child = self._ready_child()
        try:
            document = child.call(
                "compile",
                timeout_s=TIMEOUT_S,
                title=configuration.npu.traits.title,
                system=system_text(configuration, self._vela_ini),
                options=options_text(configuration),
                target="" if target is None else str(target),
            )
        except ChildFailed as error:
            if not error.lasting:
                self._end_child()
            return Failure(configuration=configuration, reason=error.message, lasting=error.lasting)
        return _judged(Compiled.of(configuration, document))

    def _ready_child(self) -> Child:
        if self._child is None:
            child = Child(WORKER, name="Vela")
            try:
                self._vela_ini = child.call("read", timeout_s=START_TIMEOUT_S, source=str(self._source))
            except BaseException:
                child.close()
                raise
            self._child = child
        return self._child

    def _end_child(self) -> None:
        if self._child is not None:
            self._child.close()
            self._child = None


def _judged(compiled: Compiled) -> Compiled | Failure:
    if compiled.npu_operators:
        return compiled
    npu = compiled.configuration.npu
    reason = (
        f"no int8 path: the {npu} runs none of the model's {len(compiled.cpu_operators)} operators; "
        "quantise its weights and activations to int8"
    )
    return Failure(configuration=compiled.configuration, reason=reason, lasting=True)


def explore(
    tflite: bytes,
    configurations: Sequence[Configuration],
    *,
    workers: int | None = None,
    progress: Progress = SILENT,
    store: Store | None = None,
) -> tuple[Compiled | Failure, ...]:
    """Compile a model for every one of `configurations`; the results are in their order.

    Args:
        tflite: an int8 model; a float one is refused configuration by configuration, with a sentence.
        workers: children at work at once; all cores where None.
        store: where results are kept, by model, configuration and Vela's version; crashes are not.

    Raises:
        BadModel: it is no TFLite model, or a damaged one.
        MissingDependency: Vela is not installed.
        ChildFailed: children cannot begin.
    """
    tool = version()
    digest = digest_of(tflite)
    keys = {entry: _key(entry, digest, tool) for entry in configurations}
    found = {entry: _recall(store, key, entry) for entry, key in keys.items()}
    missing = [entry for entry, result in found.items() if result is None]
    progress.stage("compiling for Ethos-U", len(missing))

    def take(result: Compiled | Failure) -> None:
        found[result.configuration] = result
        _remember(store, keys[result.configuration], result)
        progress.step(str(result.configuration.npu))

    if missing:
        with _source(tflite) as source:
            _compile_all(source, missing, workers or _cores(), take)
    return tuple(result for entry in configurations if (result := found[entry]) is not None)


def artifact(tflite: bytes, configuration: Configuration) -> bytes:
    """The compiled model, a TFLite file with the NPU's command streams; the same bytes each time.

    Raises:
        BadModel, MissingDependency: as `explore`.
        ChildFailed: it cannot be compiled, with the reason.
    """
    version()
    with _source(tflite) as source, Compiler(source) as compiler:
        target = source.with_name("compiled.tflite")
        result = compiler.compile(configuration, target)
        if isinstance(result, Failure):
            raise ChildFailed(result.reason, lasting=result.lasting)
        return target.read_bytes()


@contextmanager
def _source(tflite: bytes) -> Iterator[Path]:
    """A file for the children to read, after a look at it: Vela crashes on what is no model."""
    with tempfile.TemporaryDirectory(prefix="edgewise-") as folder:
        path = Path(folder) / "model.tflite"
        path.write_bytes(tflite)
        if models.read(path).format is not ModelFormat.TFLITE:
            raise BadModel("Vela compiles TFLite models only", hint="convert it to an int8 TFLite file")
        yield path


def _compile_all(
    source: Path, configurations: Sequence[Configuration], workers: int, take: Callable[[Compiled | Failure], None]
) -> None:
    """Children take the next configuration as they are free; `take` is called by one thread at a time."""
    waiting = deque(configurations)
    taking = threading.Lock()

    def work() -> None:
        with Compiler(source) as compiler:
            while waiting:
                try:
                    configuration = waiting.popleft()
                except IndexError:  # another thread was faster
                    return
                result = compiler.compile(configuration)
                with taking:
                    take(result)

    count = max(1, min(workers, len(configurations)))
    with ThreadPoolExecutor(count, thread_name_prefix="vela") as pool:
        futures = [pool.submit(work) for _ in range(count)]
        try:
            for future in futures:
                future.result()
        finally:
            waiting.clear()  # after a fault or Ctrl-C nobody takes up more


def _cores() -> int:
    return len(os.sched_getaffinity(0))


def _key(configuration: Configuration, digest: str, tool: str) -> str:
    return steps.key("ethosu", model=digest, configuration=configuration.document(), tool=f"{PACKAGE} {tool}")


def _recall(store: Store | None, key: str, configuration: Configuration) -> Compiled | Failure | None:
    known: dict[str, Any] | None = None if store is None else store.recall(key)
    if known is None:
        return None
    if "reason" in known:
        return Failure(configuration=configuration, reason=known["reason"], lasting=True)
    return Compiled.of(configuration, known)


def _remember(store: Store | None, key: str, result: Compiled | Failure) -> None:
    if store is None:
        return
    if isinstance(result, Compiled):
        store.record(key, result.document())
    elif result.lasting:
        store.record(key, {"reason": result.reason})
