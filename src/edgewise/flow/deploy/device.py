"""A release onto a device: everything beside what runs, one rename to switch, and back where it does not come up.

1. Ask: which Podman, which machine, what is there by our names.
2. Send, as a tar over standard input: an external model (checked by digest on the device), and all units but one.
3. Pull the images. Until here nothing that runs has changed.
4. Switch: the unit of the workload takes the place of the old one by one rename. Units of both releases lie side by
   side, so a power cut leaves the old or the new.
5. Start, and wait until the server is well, which it is only after it has reproduced its golden.
6. Well: what belonged to the old release alone is removed. Not well in time: the old unit is put back and started.
"""

import hashlib
import io
import tarfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from edgewise.build.nodes.description import File, Workload
from edgewise.build.nodes.quadlet import compose
from edgewise.build.nodes.quadlet import run as podman_run
from edgewise.build.nodes.quadlet.compose import MODEL_STORE, Layout
from edgewise.build.nodes.quadlet.validate import validate
from edgewise.build.nodes.versions import Feature, Product, Version, has, version
from edgewise.errors import BadNodeFile, DeployRolledBack, EdgewiseError, ForeignObjects, NodeRefused, NotDeployable
from edgewise.exchange.release import Strategy
from edgewise.flow.deploy import ssh
from edgewise.flow.deploy.ssh import Device
from edgewise.runtimes import served

OURS = b"io.edgewise.release="
"""What every unit of a workload that we wrote holds."""
POLL_S = 1.0
MACHINES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm", "armv8l": "arm"}
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """How a device is deployed to.

    Attributes:
        layout: of the units; the version of Podman is the device's own.
        root: of the device's files; "/" but in tests.
        model: folder of an external model; None where it is there already, or comes another way.
        up_s: how long the server may take to be well.
    """

    layout: Layout
    root: str = "/"
    model: Path | None = None
    up_s: float = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What the device says of itself.

    Attributes:
        running: the content of the workload's unit, b"" where there is none.
    """

    podman: Version
    machine: str
    running: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Staged:
    """What is put on the device.

    Attributes:
        beside: files that change nothing that runs. `switch`: the one that does.
    """

    beside: tuple[File, ...]
    switch: File


def ask(where: Device, workload: Workload, order: Order) -> Found:
    """What is there.

    Raises:
        NotDeployable: there is no Podman, or the images are for another machine.
        ForeignObjects: a unit of our name is not ours.
        NodeUnreachable, NodeRefused: the device does not answer, or refuses.
    """
    code, said = ssh.run(where, ["podman", "--version"], codes=(0, 127))
    if code:
        raise NotDeployable(f"{where} has no Podman", hint="install Podman there; 4.4 or newer has quadlet")
    podman = version(said.split()[-1])
    machine = MACHINES.get(ssh.run(where, ["uname", "-m"])[1].strip(), "")
    if workload.architecture and machine and workload.architecture != machine:
        raise NotDeployable(f"the release is for {workload.architecture}, and {where} is {machine}")
    unit = _path(order, stage(workload, replace(order.layout, podman=podman)).switch)
    code, content = ssh.run(where, ["cat", unit], codes=(0, 1))
    running = b"" if code else content.encode()
    if running and OURS not in running:
        raise ForeignObjects(
            f"{where} has {unit}, which edgewise has not written", hint="move it away, or choose --name"
        )
    return Found(podman=podman, machine=machine, running=running)


def stage(workload: Workload, layout: Layout) -> Staged:
    """The files for the device's Podman, checked as its generator would.

    Raises:
        BadNodeFile: a bug of ours: a unit that the generator would refuse.
    """
    quadlet = has(Product.PODMAN, Feature.QUADLET, layout.podman)
    files = compose.files(workload, layout) if quadlet else podman_run.files(workload, replace(layout, network=False))
    units = {PurePosixPath(one.path).name: one.content for one in files}
    if quadlet and (faults := validate(units, layout.podman)):
        raise BadNodeFile("; ".join(f"{fault.file}: {fault.reason}" for fault in faults))
    name = f"{workload.name}.{'container' if quadlet else 'service'}"
    switch = next(one for one in files if PurePosixPath(one.path).name == name)
    return Staged(beside=tuple(one for one in files if one is not switch), switch=switch)


def planned(workload: Workload, order: Order, found: Found) -> Staged:
    """The files for the device that was asked."""
    return stage(workload, replace(order.layout, podman=found.podman))


def deploy(where: Device, workload: Workload, order: Order, say: Say) -> bool:
    """Put `workload` on the device and start it; False where it ran there already.

    Raises:
        DeployRolledBack: it did not come up, and what ran before runs again.
        NotDeployable, ForeignObjects, NodeUnreachable, NodeRefused: nothing that ran was changed.
    """
    found = ask(where, workload, order)
    staged = planned(workload, order, found)
    if found.running == staged.switch.content and _well(where, workload):
        say(f"{where} runs this release already")
        return False
    say(f"{where}: Podman {found.podman}, {found.machine}")
    if workload.strategy is Strategy.EXTERNAL:
        _send_model(where, workload, order, say)
    _send(where, order, staged.beside)
    for image in (workload.server, *([workload.model] if workload.strategy is Strategy.MODELCAR else [])):
        if image is not None:
            say(f"pulling {image.reference}")
            ssh.run(where, ["podman", "pull", "--quiet", image.reference], timeout_s=ssh.PULL_S)
    _switch(where, order, staged.switch)
    try:
        _start(where, workload, order, quadlet=has(Product.PODMAN, Feature.QUADLET, found.podman))
    except EdgewiseError as error:
        _back(where, workload, order, staged, found)
        raise DeployRolledBack(
            f"{workload.name} did not come up on {where}: {error.message}",
            hint="the release before runs again" if found.running else "nothing ran there before, and nothing does",
        ) from error
    _clean(where, workload, order, staged)
    say(f"{workload.name} is up on {where}, and has reproduced its golden")
    return True


def _send_model(where: Device, workload: Workload, order: Order, say: Say) -> None:
    """Send an external model to where the unit mounts it; the folder has its name when every file was checked."""
    target = f"{order.root.rstrip('/')}{MODEL_STORE}/{workload.model_digest.replace(':', '/')}"
    code, _ = ssh.run(where, ["test", "-d", target], codes=(0, 1))
    if not code:
        return
    if order.model is None:
        raise NotDeployable(f"{where} has no {target}", hint="name the model folder here by --model, to send it")
    digests = _model_files(order.model, workload)
    say(f"sending {len(digests)} files of the model")
    staging = f"{target}.tmp"
    ssh.run(where, ["rm", "-rf", "--", staging])
    ssh.run(where, ["mkdir", "-p", "--", staging])
    content = {name: (order.model / name).read_bytes() for name in digests}
    ssh.run(where, ["tar", "-x", "-C", staging, "--no-same-owner"], given=_tar(content), timeout_s=ssh.PULL_S)
    listing = "".join(f"{digest.removeprefix('sha256:')}  {staging}/{name}\n" for name, digest in digests.items())
    ssh.run(where, ["sha256sum", "--check", "--strict", "--status"], given=listing.encode(), timeout_s=ssh.PULL_S)
    ssh.run(where, ["chmod", "-R", "a+rX,go-w", "--", staging])
    ssh.run(where, ["sync"])
    ssh.run(where, ["mv", "-T", "--", staging, target])


def _model_files(folder: Path, workload: Workload) -> dict[str, str]:
    """Digests of all files of the model by name, model.json's first.

    Raises:
        NotDeployable: the folder does not hold the release's model.
    """
    try:
        document = (folder / served.NAME).read_bytes()
    except OSError as error:
        raise NotDeployable(f"{folder} has no {served.NAME}: {error.strerror}") from error
    digest = f"sha256:{hashlib.sha256(document).hexdigest()}"
    if digest != workload.model_digest:
        raise NotDeployable(f"{folder} holds another model: {digest}, not {workload.model_digest}")
    model = served.read(document)
    files = {one.name: one.digest for one in (*model.files, *((model.golden.file,) if model.golden else ()))}
    for name, wanted in files.items():
        path = folder / name
        if not path.is_file() or f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}" != wanted:
            raise NotDeployable(f"{path} is missing, or is not what model.json says")
    return {served.NAME: digest, **files}


def _send(where: Device, order: Order, files: Sequence[File]) -> None:
    """Put `files` in their places, each by a rename of its own."""
    if not files:
        return
    temporary = {_temporary(one.path): one.content for one in files}
    root = order.root
    ssh.run(where, ["tar", "-x", "-C", root, "--no-same-owner"], given=_tar(temporary))
    for one in files:
        ssh.run(where, ["mv", "-T", "--", _in(root, _temporary(one.path)), _in(root, one.path)])


def _switch(where: Device, order: Order, file: File) -> None:
    """The one rename. The old unit keeps a second name, to go back to."""
    new, now = _in(order.root, _temporary(file.path)), _path(order, file)
    ssh.run(
        where, ["tar", "-x", "-C", order.root, "--no-same-owner"], given=_tar({_temporary(file.path): file.content})
    )
    ssh.run(where, ["ln", "-f", "--", now, _before(now)], codes=(0, 1))
    ssh.run(where, ["sync"])
    ssh.run(where, ["mv", "-T", "--", new, now])


def _start(where: Device, workload: Workload, order: Order, *, quadlet: bool) -> None:
    ssh.run(where, ["systemctl", "daemon-reload"])
    service = f"{workload.name}.service"
    if not quadlet:  # the generator enables its units itself
        ssh.run(where, ["systemctl", "enable", "--quiet", service])
    ssh.run(where, ["systemctl", "restart", service], timeout_s=order.up_s + ssh.COMMAND_S)
    until = time.monotonic() + order.up_s
    while not _well(where, workload):
        code, state = ssh.run(where, ["systemctl", "is-active", service], codes=(0, 1, 3))
        if code == 3 and state.strip() == "failed":
            raise NodeRefused(f"{service} has failed")
        if time.monotonic() > until:
            raise NodeRefused(f"its server was not well within {order.up_s:g} s")
        time.sleep(POLL_S)


def _well(where: Device, workload: Workload) -> bool:
    """Whether the release runs, and its server says that it is ready."""
    asked = ["podman", "inspect", "--format", '{{index .Config.Labels "io.edgewise.release"}}', workload.name]
    code, label = ssh.run(where, asked, codes=(0, 125))
    if code or label.strip() != workload.release:
        return False
    code, _ = ssh.run(where, ["podman", "healthcheck", "run", workload.name], codes=(0, 1, 125))
    return code == 0


def _back(where: Device, workload: Workload, order: Order, staged: Staged, found: Found) -> None:
    """The old unit in its place again and started; where there was none, ours away and stopped."""
    now = _path(order, staged.switch)
    service = f"{workload.name}.service"
    if found.running:
        ssh.run(where, ["mv", "-T", "--", _before(now), now])
        ssh.run(where, ["systemctl", "daemon-reload"])
        ssh.run(where, ["systemctl", "reset-failed", service], codes=(0, 1))
        ssh.run(where, ["systemctl", "restart", service], timeout_s=order.up_s + ssh.COMMAND_S)
    else:
        ssh.run(where, ["systemctl", "stop", service], codes=(0, 1, 5))
        ssh.run(where, ["rm", "-f", "--", now])
        ssh.run(where, ["systemctl", "daemon-reload"])


def _clean(where: Device, workload: Workload, order: Order, staged: Staged) -> None:
    """Remove what belonged to older releases of this workload alone: units with another release in their name."""
    now = _path(order, staged.switch)
    folder = str(PurePosixPath(now).parent)
    kept = {PurePosixPath(one.path).name for one in (*staged.beside, staged.switch)}
    _, listing = ssh.run(where, ["ls", "-1", "--", folder])
    old = [name for name in listing.splitlines() if _is_release_unit(name, workload) and name not in kept]
    ssh.run(where, ["rm", "-f", "--", _before(now), *(f"{folder}/{name}" for name in old)])


def _is_release_unit(name: str, workload: Workload) -> bool:
    rest = name.removeprefix(f"{workload.name}-")
    digits = rest[:12]
    return rest != name and len(digits) == 12 and set(digits) <= set("0123456789abcdef") and rest[12:13] in ("-", ".")


def _tar(content: Mapping[str, bytes]) -> bytes:
    found = io.BytesIO()
    with tarfile.open(fileobj=found, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for name, data in content.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(data), 0o644
            archive.addfile(member, io.BytesIO(data))
    return found.getvalue()


def _temporary(path: str) -> str:
    """Beside `path`, where the generator does not look: its ending is none of a unit."""
    whole = PurePosixPath(path)
    return str(whole.with_name(f".{whole.name}.edgewise-new"))


def _before(path: str) -> str:
    whole = PurePosixPath(path)
    return str(whole.with_name(f".{whole.name}.edgewise-before"))


def _path(order: Order, file: File) -> str:
    return _in(order.root, file.path)


def _in(root: str, path: str) -> str:
    return f"{root.rstrip('/')}/{path}"
