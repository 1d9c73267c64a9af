"""The child's side of `child.Child`: commands in, answers out, everything else to the log."""

import json
import os
import re
import select
import sys
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from typing import Any

MAX_MESSAGE = 400
FOLDER = re.compile(r"(?<![\w.])/(?:[\w.@+-]+/)+")
"""The folder of an absolute path: ours are temporary, and a sentence is the same wherever it is said."""
WHERE_NOT_WHAT = "Exception from src/"
"""How OpenVINO begins the lines that name its source files."""
ORPHAN_SECONDS = 2.0


def serve(commands: Mapping[str, Callable[..., Any]]) -> None:
    """Answer commands from standard input until it ends.

    Native libraries print where they like: the real standard output is kept for answers, and file
    descriptor 1 becomes the log. A Python exception is answered as one line, with the traceback logged.
    A child whose parent has gone ends soon, in the midst of a command too.
    """
    threading.Thread(target=_end_when_orphaned, daemon=True).start()
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    for line in sys.stdin:
        message = json.loads(line)
        try:
            answer = {"result": commands[message["command"]](**message["arguments"])}
        except Exception as error:  # whatever a runtime raises is the parent's verdict, not our crash
            traceback.print_exc()
            answer = {"error": _sentence(error), "lasting": not isinstance(error, OSError | MemoryError)}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


def _end_when_orphaned() -> None:
    """Sleeps in the kernel until nobody holds the other end of standard input."""
    hangup = select.poll()
    hangup.register(0, 0)
    hangup.poll()
    time.sleep(ORPHAN_SECONDS)
    os._exit(1)


def _sentence(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    lines = [line for line in lines if not line.startswith(WHERE_NOT_WHAT)] or lines
    text = FOLDER.sub("", " ".join(lines[:3])) or type(error).__name__
    return text if len(text) <= MAX_MESSAGE else text[: MAX_MESSAGE - 3] + "..."
