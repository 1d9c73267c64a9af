"""The agent's own code: laid out beside, checked, switched to by one rename, put back by a guard that it cannot spoil.

ROOT/agent -> agents/<hex>     whose code runs; without the link, what is installed on the device
ROOT/agents/<hex>/             code of an agent: what stands there is put before what is installed
ROOT/agent.trial               a switch that is not yet confirmed; written before the link is changed
ROOT/agent.refused             agents that were put back, each with the reason

A trial is confirmed by the new agent's first poll that is answered. Until then every start is counted, and a guard
waits beside the process; both belong to what is installed (`launch.py`), not to what is tried. Whatever is killed, and
when: the link names the old code or the new, and a trial that names other code than the link is void.
"""

import json
import os
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from pathlib import Path

import edgewise
from edgewise.errors import ChildFailed
from edgewise.exchange.release import PartKind, Release
from edgewise.runtimes.child import Child
from edgewise.store import atomic, lock

CHECK_S = 60.0
PATH, INSTALLED = "PYTHONPATH", "EDGEWISE_INSTALLED_PATH"
LINK, FOLDER, TRIAL, REFUSED = "agent", "agents", "agent.trial", "agent.refused"
MAX_STARTS = 3
MAX_REFUSED = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """A switch that is not confirmed.

    Attributes:
        agent, before: names of folders of code; "" for what is installed.
        bound_s: how long after each start the first answered poll may take.
        starts: of the new agent, so far.
    """

    agent: str
    before: str
    bound_s: float
    starts: int = 0


def linked(root: Path) -> str:
    """Whose code the link names; "" for what is installed, and where what it names is not there."""
    try:
        name = Path(os.readlink(root / LINK)).name  # noqa: PTH115 - a name, no path
    except OSError:
        return ""
    return name if (root / FOLDER / name).is_dir() else ""


def running(root: Path) -> str:
    """Whose code this process is; "" for what is installed."""
    folder = Path(edgewise.__file__).parents[1]
    return folder.name if folder.parent == (root / FOLDER).resolve() else ""


def wanted(root: Path, made: Release) -> str:
    """The agent that `made` brings; "" where it brings none, or one that runs already or was refused."""
    part = made.part(PartKind.AGENT)
    agent = part.digest.removeprefix("sha256:") if part else ""
    return "" if agent == linked(root) or agent in refused(root) else agent


def refusal(root: Path, made: Release) -> str:
    """Why the agent that `made` brings was refused here, in a sentence; "" where it was not."""
    part = made.part(PartKind.AGENT)
    why = refused(root).get(part.digest.removeprefix("sha256:"), "") if part else ""
    return f"the agent of its release was refused here: {why}" if why else ""


def unfit(root: Path, agent: str) -> str:
    """Why the code of `agent`, which is laid out, cannot do its work here; "" where it can."""
    path = environment(root, agent)[PATH]
    try:
        with Child("edgewise.edge.agent.checking", name="it", prefix=("env", f"{PATH}={path}")) as child:
            told = child.call("check", timeout_s=CHECK_S, root=str(root))
    except ChildFailed as error:
        said = error.log.strip().splitlines()[-1:]
        return ": ".join((error.message, *said))
    there = str((root / FOLDER / agent).resolve())
    return "" if told["folder"] == there else f"what it started is not its own code, but that in {told['folder']}"


def environment(root: Path, agent: str) -> dict[str, str]:
    """Ours, in which the code of `agent` comes before what is installed."""
    installed = os.environ.get(INSTALLED, os.environ.get(PATH, ""))
    code = str((root / FOLDER / agent).resolve()) if agent else ""
    return {**os.environ, INSTALLED: installed, PATH: os.pathsep.join(one for one in (code, installed) if one)}


def held(root: Path) -> AbstractContextManager[None]:
    """As long as the block lasts, nobody else changes the trial."""
    return lock.alone(root, ".agent-trial", wait=True)


def point(root: Path, agent: str) -> None:
    """Let the link name `agent`, or nothing."""
    if agent:
        atomic.point(root / LINK, f"{FOLDER}/{agent}")
    else:
        atomic.remove(root / LINK)


def trial(root: Path) -> Trial | None:
    """The trial under way; None where there is none, or what is written down is damaged or void."""
    try:
        found = Trial(**json.loads((root / TRIAL).read_bytes()))
    except (OSError, ValueError, TypeError):
        return None
    return found if found.agent == linked(root) else None


def begin(root: Path, agent: str, bound_s: float) -> None:
    """Switch to `agent`, on trial.

    Raises:
        StoreFull, StoreUnusable: the old one is what runs.
    """
    keep(root, Trial(agent=agent, before=linked(root), bound_s=bound_s))
    point(root, agent)


def keep(root: Path, made: Trial) -> None:
    """Write the trial down."""
    atomic.write(root / TRIAL, json.dumps(asdict(made)).encode())


def confirm(root: Path, agent: str) -> None:
    """`agent`, which runs, has shown that it works."""
    if (root / TRIAL).exists():
        with held(root):
            found = trial(root)
            if found is not None and found.agent == agent:
                atomic.remove(root / TRIAL)


def put_back(root: Path, made: Trial, reason: str) -> None:
    """Give up what is tried: refused first, then the link, then the trial, so that no cut tries it again."""
    refuse(root, made.agent, reason)
    point(root, made.before)
    atomic.remove(root / TRIAL)


def refuse(root: Path, agent: str, reason: str) -> None:
    """Do not take `agent` again until a person says so."""
    kept = {known: why for known, why in refused(root).items() if known != agent}
    newest = dict(list({**kept, agent: reason[:500]}.items())[-MAX_REFUSED:])
    atomic.write(root / REFUSED, json.dumps(newest, indent=1).encode() + b"\n")


def refused(root: Path) -> dict[str, str]:
    """Agents that were refused, with the reasons."""
    try:
        return {str(agent): str(why) for agent, why in json.loads((root / REFUSED).read_bytes()).items()}
    except (OSError, ValueError, AttributeError):
        return {}


def forgive(root: Path) -> None:
    """All may be tried again."""
    atomic.remove(root / REFUSED)


def needed(root: Path) -> frozenset[str]:
    """Folders of code that must stay."""
    try:
        found = Trial(**json.loads((root / TRIAL).read_bytes()))
    except (OSError, ValueError, TypeError):
        return frozenset({linked(root)})
    return frozenset({linked(root), found.agent, found.before})
