"""The door to other programs: pip and mmdebstrap, in an environment that says nothing of the person who called.

Arguments are lists, never a shell's line. What a program printed on stderr travels with the error.
"""

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence

from edgewise.errors import ChildFailed, MissingDependency

KEPT = ("HOME", "PATH", "TMPDIR", "SSL_CERT_FILE", "http_proxy", "https_proxy", "no_proxy")
"""Of the caller's environment, with everything that starts with `PIP_`: where things are, never how they are said."""


def run(argv: Sequence[str], *, timeout_s: float, package: str, env: Mapping[str, str] | None = None) -> str:
    """What `argv` printed on stdout.

    Args:
        package: Debian package that brings the program, for the hint.
        env: added to a plain environment: C.UTF-8, UTC.

    Raises:
        MissingDependency: there is no such program here.
        ChildFailed: it ended with another code than 0, or not in time.
    """
    program = shutil.which(argv[0])
    if program is None:
        raise MissingDependency(f"{argv[0]} is needed and not installed", hint=f"apt-get install {package}")
    given = {name: value for name, value in os.environ.items() if name in KEPT or name.startswith("PIP_")}
    plain = given | {"LC_ALL": "C.UTF-8", "TZ": "UTC"} | dict(env or {})
    try:
        done = subprocess.run(
            [program, *argv[1:]],
            env=plain,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=timeout_s,
            check=False,
            umask=0o022,
        )
    except subprocess.TimeoutExpired:
        raise ChildFailed(f"{argv[0]} did not end within {timeout_s:g} s", hint="check the network") from None
    if done.returncode:
        log = done.stderr.decode(errors="replace")
        raise ChildFailed(f"{argv[0]} failed with code {done.returncode}", log=log, hint="its last lines are above")
    return done.stdout.decode(errors="replace")
