"""A child that does what it is told, the worst included; run as `python -m fakes.answering`."""

import os
import signal
import sys
import time

from edgewise.runtimes.answer import serve


def echo(value: object) -> object:
    return value


def pid() -> int:
    return os.getpid()


def fail(message: str) -> None:
    raise ValueError(message)


def fail_on_disk() -> None:
    raise OSError(28, "No space left on device")


def fail_on_memory() -> None:
    raise MemoryError


def abort() -> None:
    os.abort()


def leave(code: int) -> None:
    sys.stderr.write("leaving\n")
    os._exit(code)


def kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def sleep(seconds: float) -> None:
    time.sleep(seconds)


def shout(text: str) -> str:
    """As native libraries do it: straight to descriptor 1."""
    os.write(1, text.encode())
    sys.stdout.write(text)
    return "said"


def chatter(lines: int, pause_s: float = 0) -> None:
    for number in range(lines):
        time.sleep(pause_s)
        sys.stderr.write(f"line {number} of {lines}\n")


if __name__ == "__main__":
    if os.environ.get("FAKE_GREETING"):
        sys.stdout.write("hello\n")
        sys.stdout.flush()
    commands = (echo, pid, fail, fail_on_disk, fail_on_memory, abort, leave, kill, sleep, shout, chatter)
    serve({command.__name__: command for command in commands})
