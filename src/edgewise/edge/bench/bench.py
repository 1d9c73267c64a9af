"""What a measuring device does: starts workers for the one who holds the lease, and ends them with it.

The clock of every figure is the worker's own, on this machine; the network is in none of them. A call is numbered,
and the last one is answered from memory when it is asked again: an answer that was lost on the way is not measured
twice.
"""

import contextlib
import tempfile
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import edgewise
from edgewise.edge.bench.files import Files
from edgewise.edge.bench.lease import Lease
from edgewise.errors import Busy, ChildFailed, NotFound
from edgewise.hardware.counting import FAST_S, EnergyMeter
from edgewise.hardware.probe import identity
from edgewise.nouns import Machine
from edgewise.runtimes import protocol
from edgewise.runtimes.place import HERE, Place, Worker
from edgewise.runtimes.wire import (
    MAX_WORKERS,
    Answer,
    Burst,
    Call,
    Description,
    Failure,
    Load,
    Predict,
    Request,
)
from edgewise.store.steps import Store

OUTPUTS = "outputs.npz"


@dataclass(slots=True, kw_only=True)
class _Employed:
    """A worker, the folder it finds its files in, and the last call it answered."""

    worker: Worker
    folder: tempfile.TemporaryDirectory[str]
    busy: threading.Lock = field(default_factory=threading.Lock)
    number: int = 0
    answer: Answer | None = None


class Bench:
    """The workers of this device.

    Args:
        store: of the bench alone.
        machine: this one, probed.
        meter: of energy, None where there is none.
        lease: who measures.
        place: where workers run.
    """

    def __init__(
        self, store: Store, *, machine: Machine, meter: EnergyMeter | None, lease: Lease, place: Place = HERE
    ) -> None:
        self._store, self._machine, self._meter, self._lease, self._place = store, machine, meter, lease, place
        self.files = Files(store)
        self._employed: dict[str, _Employed] = {}
        self._lock = threading.Lock()

    def describe(self) -> Description:
        """This device, and its state at the moment."""
        return Description(
            edgewise=edgewise.__version__,
            machine=self._machine,
            identity=identity(self._machine),
            versions=protocol.versions(),
            meter=self._meter.name if self._meter else "",
            meter_interval_s=self._meter.interval_s if self._meter else 0.0,
            load=self._place.load_average(),
            available_bytes=self._place.available_bytes(),
        )

    def take(self, holder: str) -> None:
        """Let `holder` measure.

        Raises:
            Busy: another one measures.
        """
        self.look_after()
        with self._lock:
            self._lease.take(holder)

    def renew(self, holder: str) -> None:
        """See that `holder` is the one who measures, and take it as a sign of life.

        Raises:
            LeaseEnded: it is not its turn any more.
        """
        self._lease.renew(holder)

    def give_back(self, holder: str) -> None:
        """End the workers of `holder`, and let another one measure."""
        with self._lock:
            leaving = self._dismissed() if self._lease.give_back(holder) else []
        _end(leaving)

    def look_after(self) -> None:
        """End the workers of a client that is gone. To be called every second or so."""
        with self._lock:
            leaving = self._dismissed() if self._lease.expire() else []
        _end(leaving)

    def stop(self) -> None:
        """End everything, whoever holds the lease; calls that wait are told that it has ended."""
        with self._lock:
            self._lease.end()
            leaving = self._dismissed()
        _end(leaving)

    def start(self, holder: str, identifier: str, name: str) -> None:
        """Start a worker; one that is there already is left alone.

        Raises:
            LeaseEnded: it is not the turn of `holder`.
            Busy: there are too many.
            ChildFailed: it could not be started.
        """
        with self._lock:
            self._lease.renew(holder)
            if identifier in self._employed:
                return
            if len(self._employed) >= MAX_WORKERS:
                raise Busy(f"the device runs {MAX_WORKERS} workers already", hint="end some before starting more")
            folder = self._store.scratch()
            try:
                worker = self._place.start(name=name)
            except BaseException:
                folder.cleanup()
                raise
            self._employed[identifier] = _Employed(worker=worker, folder=folder)

    def call(self, holder: str, identifier: str, call: Call) -> Answer:
        """What the worker answers.

        Raises:
            LeaseEnded: it is not the turn of `holder`, or it ended before the answer was there.
            NotFound: no such worker or file.
            Busy: the number is neither that of the last call nor the next.
        """
        employed = self._find(identifier)
        with employed.busy:
            self._lease.renew(holder)
            if call.number == employed.number and employed.answer is not None:
                return employed.answer
            if call.number != employed.number + 1:
                raise Busy(f"call {call.number} is out of turn after call {employed.number}")
            answer = self._answer(employed, call)
            self._lease.renew(holder)  # who was ended with the lease did not fail by itself
            employed.number, employed.answer = call.number, answer
            return answer

    def log(self, identifier: str) -> str:
        """The newest of what the worker wrote to its standard error."""
        employed = self._find(identifier)
        with employed.busy:
            return employed.worker.log()

    def end(self, identifier: str) -> None:
        """End a worker; nothing where there is none."""
        with self._lock:
            employed = self._employed.pop(identifier, None)
        _end([employed] if employed else [])

    def _find(self, identifier: str) -> _Employed:
        with self._lock:
            if identifier not in self._employed:
                raise NotFound("the device knows no such worker", hint="run the same command again")
            return self._employed[identifier]

    def _dismissed(self) -> list[_Employed]:
        leaving = list(self._employed.values())
        self._employed.clear()
        if leaving:
            self._place.kill_all()  # whoever waits for one is told
        return leaving

    def _answer(self, employed: _Employed, call: Call) -> Answer:
        folder = Path(employed.folder.name)
        try:
            match call.request:
                case Load():
                    arguments = self._laid_out(call.request, folder)
                    result = employed.worker.call("load", timeout_s=call.timeout_s, **arguments)
                case Predict():
                    target = folder / OUTPUTS
                    result = employed.worker.call("predict", timeout_s=call.timeout_s, outputs=str(target))
                    result = {**result, "outputs": self.files.keep(target)}
                case Burst():
                    result = self._metered(employed.worker, call)
                case _:
                    result = employed.worker.call(
                        call.request.command, timeout_s=call.timeout_s, **_arguments(call.request)
                    )
        except ChildFailed as error:
            return Answer(failure=Failure(message=error.message, log=error.log, lasting=error.lasting))
        return Answer(result=result)

    def _laid_out(self, request: Load, folder: Path) -> dict[str, Any]:
        """The arguments of `load`, with the files where the worker finds them: in a folder of this call alone."""
        place = Path(tempfile.mkdtemp(dir=folder))
        model, inputs = place / "model", place / "inputs.npz"
        for name, digest in request.files.items():
            target = model / name
            target.parent.mkdir(parents=True, exist_ok=True)
            self.files.lay_out(digest, target)
        self.files.lay_out(request.inputs, inputs)
        arguments = _arguments(request)
        del arguments["files"]
        return arguments | {"path": str(model / request.path), "inputs": str(inputs)}

    def _metered(self, worker: Worker, call: Call) -> Mapping[str, Any]:
        if self._meter is not None and self._meter.interval_s > FAST_S:
            return self._with_reading(worker.call("burst", timeout_s=call.timeout_s, **_arguments(call.request)))
        before = self._joules()
        result = worker.call("burst", timeout_s=call.timeout_s, **_arguments(call.request))
        after = self._joules()
        return result if before is None or after is None else {**result, "joules": after - before}

    def _with_reading(self, result: Mapping[str, Any]) -> Mapping[str, Any]:
        """`result` with the meter's newest reading, where it can be read."""
        assert self._meter is not None
        try:
            now = self._meter.read()
        except (OSError, ValueError):
            return result
        return {**result, "reading": {"at_s": now.at_s, "joules": now.joules}}

    def _joules(self) -> float | None:
        if self._meter is None:
            return None
        try:
            return self._meter.read_joules()
        except (OSError, ValueError):  # the sensor is gone: no figure, rather than a wrong one
            return None


def _arguments(request: Request) -> dict[str, Any]:
    return request.model_dump(mode="json", exclude={"command"})


def _end(leaving: list[_Employed]) -> None:
    for employed in leaving:
        with employed.busy:
            employed.worker.close()
            with contextlib.suppress(OSError):
                employed.folder.cleanup()
