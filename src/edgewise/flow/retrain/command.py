"""The door to the user's training command: started in edge.yaml's folder, bounded in time, ended with all its children.

What it is told stands in variables: EDGEWISE_CASES, the folder of judged cases; EDGEWISE_MODEL, the model of now;
EDGEWISE_OUT, where the new model has to be written. It gets none of Edgewise's own variables, which may hold keys.
"""

import contextlib
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from edgewise.errors import TrainingFailed
from edgewise.progress import SILENT, Progress

LOG_BYTES = 64 << 10
GRACE_S = 5.0
LOOK_S = 0.2
OURS = "EDGEWISE_"


def run(
    command: Sequence[str],
    told: Mapping[str, Path],
    *,
    folder: Path,
    timeout_s: float,
    progress: Progress = SILENT,
) -> str:
    """Run `command` to its end; the end of what it printed.

    Args:
        told: variables that it gets.
        folder: where it runs.

    Raises:
        TrainingFailed: it cannot be started, ends with another code than 0, or not in time; carries its last lines.
    """
    kept = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
    environment = kept | {name: str(path) for name, path in told.items()} | {"PYTHONUNBUFFERED": "1"}
    with tempfile.TemporaryFile() as log:
        try:
            process = subprocess.Popen(
                list(command),
                cwd=folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # so that its children end with it
            )
        except OSError as error:
            raise TrainingFailed(
                f"{command[0]} cannot be started: {error.strerror}", hint="retrain.command in edge.yaml names it"
            ) from error
        try:
            _wait(process, timeout_s, progress)
        finally:
            _end(process)
        said = _tail(log.fileno())
    if process.returncode:
        raise TrainingFailed(_how(process.returncode), log=said, hint="its last lines are above")
    return said


def _wait(process: "subprocess.Popen[bytes]", timeout_s: float, progress: Progress) -> None:
    until = time.monotonic() + timeout_s
    while process.poll() is None:
        if time.monotonic() >= until:
            _end(process)
            raise TrainingFailed(
                f"the training command did not end within {timeout_s:g} s", hint="retrain.timeout in edge.yaml"
            )
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(LOOK_S)
            continue
        progress.step("training", amount=0)


def _end(process: "subprocess.Popen[bytes]") -> None:
    """Nothing of it is left: asked first, and killed where it does not go."""
    for how, patience_s in ((signal.SIGTERM, GRACE_S), (signal.SIGKILL, None)):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, how)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(patience_s)
            if how is signal.SIGTERM and _gone(process.pid):
                return


def _gone(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return True
    return False


def _how(code: int) -> str:
    if code < 0:
        return f"the training command was ended by {signal.Signals(-code).name}"
    return f"the training command ended with code {code}"


def _tail(descriptor: int) -> str:
    size = os.fstat(descriptor).st_size
    return os.pread(descriptor, LOG_BYTES, max(0, size - LOG_BYTES)).decode(errors="replace")
