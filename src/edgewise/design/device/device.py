"""The device as a `Place`: its workers answer as children of this machine do, and files go there by digest.

What a call names by path (`load`, `predict`) is a path of this machine; the files travel. Whatever is timed is timed
there, by the worker itself.
"""

import contextlib
import json
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from uuid import uuid4

import httpx
from pydantic import TypeAdapter, ValidationError

import edgewise
from edgewise.design.device.connection import PATIENCE_S, Connection, OutOfStep
from edgewise.errors import BadConfiguration, ChildFailed, DeviceLost, EdgewiseError, NoRunnableDesign
from edgewise.nouns import Machine, RuntimeName
from edgewise.runtimes.wire import LEASE_S, OFFSET_HEADER, Answer, Call, Description, NewWorker, Request
from edgewise.store.blobs import digest_of_file

FIRST_PATIENCE_S = 3.0
"""For the first answer: a wrong address is told soon."""
START_S = 60.0
TRIES = 3
"""To send a piece of a file, where none of it arrives."""
_REQUEST: TypeAdapter[Request] = TypeAdapter(Request)


@contextlib.contextmanager
def connect(url: str, token: str, *, patience_s: float = PATIENCE_S) -> "Iterator[Device]":
    """The device at `url`, which measures for nobody else while the block lasts.

    Raises:
        BadConfiguration: no such address, the wrong token, or another version of Edgewise there.
        DeviceLost: nothing answers.
        Busy: it measures for someone else.
        NoRunnableDesign: it has no runtime.
    """
    holder = uuid4().hex
    first = Connection(url, token, holder=holder, patience_s=FIRST_PATIENCE_S)
    try:
        description = _described(first.ask("GET", "/v1/machine"), first.url)
        first.ask("PUT", f"/v1/leases/{holder}")
    finally:
        first.close()
    device = Device(Connection(url, token, holder=holder, patience_s=patience_s), description, holder=holder)
    try:
        with device.heard_of():
            yield device
    finally:
        device.close()


class Device:
    """A device that measures for us. Made by `connect`.

    Attributes:
        machine: it, as its own probe has it (named `this`, as every machine names itself).
        identity: of the machine, for cache keys.
        versions: of the runtimes that it has.
        meter: name of the energy meter that it reads, "" where it has none.
        meter_interval_s: from one reading of the meter to the next.
    """

    def __init__(self, connection: Connection, description: Description, *, holder: str) -> None:
        self.machine: Machine = description.machine
        self.identity: str = description.identity
        self.versions: Mapping[RuntimeName, str] = description.versions
        self.meter: str = description.meter
        self.meter_interval_s: float = description.meter_interval_s
        self._connection, self._holder = connection, holder
        self._sending = threading.Lock()

    @property
    def url(self) -> str:
        """Its address."""
        return self._connection.url

    @property
    def cores(self) -> int:
        """Cores of the device."""
        return self.machine.cpu.cores or 1

    def start(self, *, name: str, prefix: tuple[str, ...] = ()) -> "RemoteWorker":
        """A worker on the device."""
        if prefix:
            raise ChildFailed(f"{name} is asked to run under {prefix[0]}, which only this machine does", lasting=True)
        return RemoteWorker(self, self._connection, name=name)

    def load_average(self) -> float:
        """One-minute load average of the device."""
        return self._now().load

    def available_bytes(self) -> int:
        """Memory of the device that is free for new work."""
        return self._now().available_bytes

    def kill_all(self) -> None:
        """End every worker on the device, and let nobody wait for it any more."""
        self.close()

    def send(self, path: Path) -> str:
        """See that the device has the file at `path`; its digest.

        Raises:
            DeviceLost: it is gone.
            StoreFull: it has no room for the file.
        """
        digest = digest_of_file(path)
        size = path.stat().st_size
        address = f"/v1/files/{digest}"

        reached, in_vain = -1, 0
        with self._sending:
            while True:
                whole, start = self._connection.offset(address, OFFSET_HEADER)
                if whole:
                    return digest
                in_vain = 0 if start > reached else in_vain + 1
                reached = max(reached, start)
                if in_vain > TRIES:
                    raise DeviceLost(f"the device at {self.url} does not take {path.name}", hint="look at its output")
                # OutOfStep: another attempt of ours arrived meanwhile
                with contextlib.suppress(httpx.TransportError, OutOfStep):
                    self._connection.send(address, path, start=start, size=size)

    def close(self) -> None:
        """End the workers and the lease, if the device is still there."""
        if not self._connection.lost:
            with contextlib.suppress(EdgewiseError, httpx.HTTPError):
                self._connection.ask("DELETE", f"/v1/leases/{self._holder}", once=True)
            self._connection.give_up()
        self._connection.close()

    @contextlib.contextmanager
    def heard_of(self) -> Iterator[None]:
        """While the block lasts, tell the device from time to time that we are there, when we ask nothing else."""
        over = threading.Event()

        def tell() -> None:
            while not over.wait(LEASE_S / 6):
                if self._connection.lost:
                    return
                if time.monotonic() - self._connection.answered_at > LEASE_S / 3:
                    # what is wrong will be told to whoever needs an answer
                    with contextlib.suppress(EdgewiseError, httpx.HTTPError, RuntimeError):
                        self._connection.ask("PUT", f"/v1/leases/{self._holder}", once=True)

        thread = threading.Thread(target=tell, daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()

    def _now(self) -> Description:
        return _described(self._connection.ask("GET", "/v1/machine"), self.url)


class RemoteWorker:
    """A worker on a device; answers as `runtimes.child.Child` does."""

    def __init__(self, device: Device, connection: Connection, *, name: str) -> None:
        self._device, self._connection, self._name = device, connection, name
        self._path = f"/v1/workers/{uuid4().hex}"
        self._number = 0
        connection.ask("PUT", self._path, document=NewWorker(name=name[:200]), work_s=START_S)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def call(self, command: str, *, timeout_s: float, **arguments: Any) -> Any:
        """Answer to `command`.

        Raises:
            ChildFailed: the worker answered with an error, died, or took longer than `timeout_s`.
            DeviceLost: the device is gone.
        """
        target = arguments.pop("outputs", None)
        if command == "load":
            arguments |= self._sent(Path(arguments["path"]), Path(arguments["inputs"]))
        try:
            request = _REQUEST.validate_json(json.dumps({"command": command, **arguments}, allow_nan=False))
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            raise ChildFailed(f"{self._name} cannot be asked to {command}: {first['msg']}", lasting=True) from None
        self._number += 1
        call = Call(number=self._number, timeout_s=timeout_s, request=request)
        body = self._connection.ask("POST", f"{self._path}/calls", document=call, work_s=timeout_s)
        try:
            answer = Answer.model_validate_json(body)
        except ValidationError:
            raise ChildFailed(f"{self._name} answered {command} with {body[:60]!r}") from None
        if answer.failure is not None:
            failure = answer.failure
            raise ChildFailed(failure.message, log=failure.log, lasting=failure.lasting)
        result = dict(answer.result or {})
        if target is not None:
            digest = result.pop("outputs")
            self._connection.fetch(f"/v1/files/{digest}", digest, Path(target))
        return result

    def log(self) -> str:
        """The newest of what the worker wrote to its standard error."""
        return self._connection.ask("GET", f"{self._path}/log").decode(errors="replace")

    def close(self) -> None:
        """End the worker, if the device is still there."""
        if not self._connection.lost:
            with contextlib.suppress(EdgewiseError, httpx.HTTPError):
                self._connection.ask("DELETE", self._path, once=True)

    def _sent(self, path: Path, inputs: Path) -> dict[str, Any]:
        """The arguments that name files, once the device has them: all that lies in the model's folder."""
        folder = path.parent
        files = {
            str(file.relative_to(folder)): self._device.send(file)
            for file in sorted(folder.rglob("*"))
            if file.is_file()
        }
        return {"path": path.name, "files": files, "inputs": self._device.send(inputs)}


def _described(body: bytes, url: str) -> Description:
    """What a device says of itself, if we can work with it."""
    try:
        version = json.loads(body)["edgewise"]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise BadConfiguration(f"what answers at {url} is no edgewise agent", hint="check the address") from None
    if version != edgewise.__version__:
        raise BadConfiguration(
            f"the device at {url} runs edgewise {str(version)[:40]}, and this is {edgewise.__version__}",
            hint=f"install the same version on both: pip install 'edgewise=={edgewise.__version__}'",
        )
    try:
        description = Description.model_validate_json(body)
    except ValidationError:
        raise BadConfiguration(f"what answers at {url} is no edgewise agent", hint="check the address") from None
    if not description.versions:
        raise NoRunnableDesign(
            f"the device at {url} has no runtime to measure with",
            hint="on the device: pip install 'edgewise[onnxruntime]'",
        )
    return description
