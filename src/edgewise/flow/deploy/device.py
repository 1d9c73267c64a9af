"""A release onto a device: everything beside what runs, one rename to switch, and back where it does not come up.

1. Ask: which Podman, which machine, what is there by our names.
2. Send, as a tar over standard input: an external model (checked by digest on the device), and all units but one.
3. Pull the images. Until here nothing that runs has changed.
4. Switch: the unit of the workload takes the place of the old one by one rename. Units of both releases lie side by
   side, so a power cut leaves the old or the new.
5. Start, and wait until the server is well, which it is only after it has reproduced its golden.
6. Well: what belonged to older releases alone is removed, volumes of their models too. Not well in time, or stopped by
   whoever waits: the old unit is put back and started. A connection that is lost in the midst leaves the device to what
   it was told last; the next deployment finds out, and completes it or goes back.
"""

import re
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from edgewise.build.nodes.description import HEALTH_COMMAND, File, Workload
from edgewise.build.nodes.device import As, Face, files
from edgewise.build.nodes.quadlet import kube
from edgewise.build.nodes.quadlet.compose import RELEASE_LABEL
from edgewise.build.nodes.quadlet.unit import HOME
from edgewise.build.nodes.quadlet.validate import validate
from edgewise.build.nodes.versions import Version, version
from edgewise.errors import (
    BadNodeFile,
    DeployInterrupted,
    DeployRolledBack,
    EdgewiseError,
    ForeignObjects,
    NodeRefused,
    NodeUnreachable,
    NotDeployable,
)
from edgewise.exchange.release import Strategy
from edgewise.flow.deploy import external, reached, ssh
from edgewise.flow.deploy import files as sending
from edgewise.flow.deploy.files import Switch
from edgewise.flow.deploy.reached import Reached

OURS = b"io.edgewise.release="
"""What every unit of a workload that we wrote holds."""
FIRST_POLL_S, POLL_S = 0.05, 1.0
MACHINES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm", "armv8l": "arm"}
ALL = {"0.0.0.0": "127.0.0.1", "": "127.0.0.1", "::": "[::1]"}  # noqa: S104 - asked there, not listened at
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """How a device is deployed to.

    Attributes:
        face: of the units; the version of Podman is the device's own.
        root: of the device's files; "" for its own, or the user's home.
        model: folder of an external model; None where it is there already, or comes another way.
        up_s: how long the server may take to be well.
    """

    face: Face
    root: str = ""
    model: Path | None = None
    up_s: float = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What the device says of itself.

    Attributes:
        face: for the device's own Podman.
        beside: files that change nothing that runs. `file`: the one that does, whose present state is `switch`.
    """

    there: Reached
    machine: str
    face: Face
    beside: tuple[File, ...]
    file: File
    switch: Switch


def ask(where: ssh.Device, workload: Workload, order: Order) -> Found:
    """What is there, and what would be put there. Nothing is changed.

    Raises:
        NotDeployable: it has not what the units need, the images are for another machine, or the workload runs there
            by units of another kind.
        ForeignObjects: a unit of our name is not ours.
        NodeUnreachable, NodeRefused: the device does not answer, or refuses.
    """
    there = reached.reach(where, order.face.layout.owner, order.root)
    machine = MACHINES.get(there.run("uname", "-m")[1].strip(), "")
    if order.face.kind is As.SERVICE:
        face = order.face
        _check_python(there, face)
    else:
        face = replace(order.face, layout=replace(order.face.layout, podman=podman(there)))
        if workload.architecture and machine and workload.architecture != machine:
            raise NotDeployable(f"the release is for {workload.architecture}, and {there} is {machine}")
    beside, file = stage(workload, face)
    _check_other_kinds(there, workload, face)
    switch = sending.look(there, file.path)
    if switch.now and OURS not in switch.now:
        raise ForeignObjects(
            f"{there} has {there.path(file.path)}, which edgewise has not written",
            hint="move it away, or choose --name",
        )
    return Found(there=there, machine=machine, face=face, beside=beside, file=file, switch=switch)


def stage(workload: Workload, face: Face) -> tuple[tuple[File, ...], File]:
    """The files that lie beside and the one that decides, checked as Podman's generator would.

    Raises:
        BadNodeFile: a bug of ours: a unit that the generator would refuse.
    """
    made = files(workload, face)
    if face.quadlet:
        units = {PurePosixPath(one.path).name: one.content for one in made}
        if faults := validate(units, face.layout.podman):
            raise BadNodeFile("; ".join(f"{fault.file}: {fault.reason}" for fault in faults))
    name = face.switch(workload)
    switch = next(one for one in made if PurePosixPath(one.path).name == name)
    return tuple(one for one in made if one is not switch), switch


def deploy(found: Found, workload: Workload, order: Order, say: Say) -> bool:
    """Put `workload` on the device and start it; False where it ran there already.

    Raises:
        DeployRolledBack: it did not come up, and what ran before runs again.
        DeployInterrupted: the connection was lost after the switch.
        NotDeployable, ForeignObjects, NodeUnreachable, NodeRefused: nothing that ran was changed.
    """
    there = found.there
    named = found.face.kind is not As.SERVICE or not found.switch.switched  # without a container nobody says which runs
    if found.switch.now == found.file.content and named and _well(found, workload):
        _clean(found, workload)  # whoever was cut off may have left something
        say(f"{there} runs this release already")
        return False
    say(f"{there}: {found.machine or 'a machine of another kind'}")
    reached.linger(there)
    if workload.strategy is Strategy.EXTERNAL:
        sent = external.send(there, workload, found.face.layout.owner, order.model)
        say(f"{sent} files of the model sent" if sent else "the model is there")
    sending.send(there, found.beside)
    if found.face.kind is not As.SERVICE:
        for image in (workload.server, *([workload.model] if workload.strategy is Strategy.MODELCAR else [])):
            if image is not None:
                say(f"pulling {image.reference}")
                there.podman("pull", "--quiet", image.reference, timeout_s=ssh.PULL_S)
    sending.prepare(there, found.file, found.switch)
    try:
        sending.flip(there, found.file)
        _start(found, workload, order)
    except NodeUnreachable as error:
        raise _interrupted(found, workload, error) from error
    except KeyboardInterrupt:
        say("interrupted: going back")
        _back(found, workload, order)
        raise
    except EdgewiseError as error:
        _back(found, workload, order)
        raise DeployRolledBack(
            f"{workload.name} did not come up on {there}: {error.message}",
            hint="the release before runs again" if found.switch.old else "nothing ran there before, and nothing does",
        ) from error
    try:
        _clean(found, workload)
    except NodeUnreachable as error:
        raise _interrupted(found, workload, error) from error
    say(f"{workload.name} is up on {there}, and has reproduced its golden")
    return True


def podman(there: Reached) -> Version:
    """The version of the device's Podman.

    Raises:
        NotDeployable: it has none.
    """
    code, said = there.podman("--version", codes=(0, 127))
    if code:
        raise NotDeployable(
            f"{there} has no Podman", hint="install Podman there, or --as service for an external model"
        )
    return version(said.split()[-1])


def _python(there: Reached, face: Face) -> str:
    return face.python.replace(HOME, there.root, 1)


def _check_python(there: Reached, face: Face) -> None:
    python = _python(there, face)
    if there.run(python, "-c", "import edgewise.edge.serve", codes=(0, 1, 126, 127))[0]:
        raise NotDeployable(f"{there} has no edgewise in {python}", hint="pip install edgewise there, or name --python")


def _check_other_kinds(there: Reached, workload: Workload, face: Face) -> None:
    """Units of another kind would run the server a second time, or be hidden by ours."""
    owner = face.layout.owner
    own = {face.switch(workload), *([f"{workload.name}.pod"] if face.kind is As.POD else [])}
    kinds = [f"{owner.quadlets}/{workload.name}.{ending}" for ending in ("container", "kube", "pod")]
    others = [
        path for path in (*kinds, f"{owner.services}/{workload.name}.service") if PurePosixPath(path).name not in own
    ]
    _, listed = there.run("ls", "-1", "-d", "--", *map(there.path, others), codes=(0, 2))
    if listed.strip():
        raise NotDeployable(
            f"{workload.name} is on {there} already, by {', '.join(listed.split())}",
            hint="deploy it --as that, or stop and remove that first",
        )


def _start(found: Found, workload: Workload, order: Order) -> None:
    there, service = found.there, f"{workload.name}.service"
    there.systemctl("daemon-reload")
    if not found.face.quadlet:  # the generator enables its units itself
        there.systemctl("enable", "--quiet", service)
    if found.face.kind is As.POD:
        there.systemctl("restart", f"{workload.name}-pod.service", timeout_s=order.up_s + ssh.COMMAND_S)
    verb = "start" if found.face.kind is As.POD else "restart"
    there.systemctl(verb, service, timeout_s=order.up_s + ssh.COMMAND_S)
    until, poll_s = time.monotonic() + order.up_s, FIRST_POLL_S
    while not _well(found, workload):
        code, state = there.systemctl("is-active", service, codes=(0, 1, 3))
        if code == 3 and state.strip() == "failed":
            raise NodeRefused(f"{service} has failed")
        if time.monotonic() > until:
            raise NodeRefused(f"its server was not well within {order.up_s:g} s")
        time.sleep(poll_s)
        poll_s = min(2 * poll_s, POLL_S)


def _well(found: Found, workload: Workload) -> bool:
    """Whether the release runs, and its server says that it is ready."""
    there, name, label = found.there, workload.name, f'{{{{index .%sLabels "{RELEASE_LABEL}"}}}}'
    match found.face.kind:
        case As.SERVICE:
            if there.systemctl("is-active", "--quiet", f"{name}.service", codes=(0, 1, 3, 4))[0]:
                return False
            layout = found.face.layout
            url = f"http://{ALL.get(layout.address, layout.address)}:{layout.port}/v2/health/ready"
            python = _python(there, found.face)
            return not there.run(python, "-m", "edgewise.edge.serve.health", url, codes=(0, 1))[0]
        case As.KUBE:
            code, said = there.podman("pod", "inspect", "--format", label % "", name, codes=(0, 125))
            if code or said.strip() != kube.release_label(workload):
                return False
            return not there.podman("exec", f"{name}-server", *HEALTH_COMMAND, codes=(0, 1, 125, 126, 255))[0]
        case _:
            code, said = there.podman("inspect", "--format", label % "Config.", name, codes=(0, 125))
            if code or said.strip() != workload.release:
                return False
            return not there.podman("healthcheck", "run", name, codes=(0, 1, 125))[0]


def _back(found: Found, workload: Workload, order: Order) -> None:
    """The old unit in its place again and started; where there was none, ours away and stopped."""
    there, service = found.there, f"{workload.name}.service"
    try:
        if not found.switch.old:
            there.systemctl("stop", service, codes=(0, 1, 5))
        sending.restore(there, found.switch)
        there.systemctl("daemon-reload")
        if found.switch.old:
            there.systemctl("reset-failed", service, codes=(0, 1))
            there.systemctl("restart", service, timeout_s=order.up_s + ssh.COMMAND_S)
    except NodeUnreachable as error:
        raise _interrupted(found, workload, error) from error


def _interrupted(found: Found, workload: Workload, error: NodeUnreachable) -> DeployInterrupted:
    return DeployInterrupted(
        f"the connection was lost while {workload.name} was switched on {found.there}: {error.message}",
        hint="deploy once more: it completes this release, or goes back to the one before",
    )


def _clean(found: Found, workload: Workload) -> None:
    """Remove what belonged to other releases of this workload alone: units, and volumes with their models."""
    there, folder = found.there, str(PurePosixPath(found.file.path).parent)
    kept = {PurePosixPath(one.path).name for one in (*found.beside, found.file)}
    _, listing = there.run("ls", "-1", "--", there.path(folder))
    old = [name for name in listing.splitlines() if _of_a_release(name, workload) and name not in kept]
    sending.settle(there, found.file.path)
    if old:
        services = [made for name in old if (made := _service_of(name))]
        there.systemctl("stop", *services, codes=(0, 1, 5))
        there.run("rm", "-f", "--", *(there.path(f"{folder}/{name}") for name in old))
        there.systemctl("daemon-reload")
    if found.face.kind is As.SERVICE:
        return
    _, listing = there.podman("volume", "ls", "--quiet")
    mine = re.compile(rf"(?:systemd-)?{re.escape(workload.name)}-([0-9a-f]{{12}})-model")
    for name in listing.splitlines():
        of = mine.fullmatch(name.strip())
        if of and of[1] != workload.short_digest:
            there.podman("volume", "rm", "--", name.strip(), codes=(0, 1, 2))  # somebody else may use it


def _of_a_release(name: str, workload: Workload) -> bool:
    return re.fullmatch(rf"{re.escape(workload.name)}-[0-9a-f]{{12}}[-.].*", name) is not None


def _service_of(name: str) -> str:
    """What the generator makes of the unit `name`; "" where it is none."""
    stem, _, ending = name.rpartition(".")
    match ending:
        case "container" | "service":
            return f"{stem}.service"
        case "image" | "volume":
            return f"{stem}-{ending}.service"
        case _:
            return ""
