"""python -m edgewise.edge.serve: the server's process. Its surface is described in docs/reference/serving.md.

What is imported here is what starts the server, and no more: a device pays for every module in seconds and megabytes.
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before numpy comes: half of the start-up is its threads
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

import gc

if __name__ == "__main__":
    gc.disable()  # what is imported and loaded is no garbage; `server.py` looks through it once, and enables it

import sys
from collections.abc import Sequence

import uvloop

from edgewise.edge.serve import options, server
from edgewise.edge.serve.core.opening import opened
from edgewise.edge.serve.core.settings import Settings
from edgewise.edge.serve.observe import opening as observing
from edgewise.errors import EdgewiseError, GoldenMissed

FAILED = 1
"""A golden that is not reproduced: what an agent waits for. Everything else has the code of its kind."""


def main(arguments: Sequence[str]) -> int:
    """Serve until a signal; the exit code."""
    try:
        asked = options.read(arguments)

        async def serve() -> None:
            settings = Settings(memory_limit_bytes=asked.memory_bytes, lazy=asked.lazy)
            observer = observing.opened(access_log=asked.access_log)
            core = opened(asked.models, digest=asked.digest, settings=settings, observer=observer)
            await server.Server(asked, core, observer).run()

        uvloop.run(serve())
    except EdgewiseError as error:
        server.say({"ready": False, "reason": error.message})
        server.complain(error)
        return FAILED if isinstance(error, GoldenMissed) else error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
