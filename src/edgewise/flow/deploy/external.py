"""An external model onto a device: every file checked there, and then one rename."""

import hashlib
from pathlib import Path

from edgewise.build.nodes.description import Workload
from edgewise.build.nodes.owner import Owner
from edgewise.errors import NotDeployable
from edgewise.flow.deploy import files as sending
from edgewise.flow.deploy import ssh
from edgewise.flow.deploy.reached import Reached
from edgewise.runtimes import served


def send(there: Reached, workload: Workload, owner: Owner, folder: Path | None) -> int:
    """Send the model in `folder` to where the unit looks for it; how many files, 0 where it was there already.

    Raises:
        NotDeployable: it is not there and nobody says where it is here, or it is another model.
        NodeUnreachable, NodeRefused: as the device has it; what was sent is sent again next time.
    """
    target = there.path(f"{owner.models}/{workload.model_digest.replace(':', '/')}")
    if not there.run("test", "-d", target, codes=(0, 1))[0]:
        return 0
    if folder is None:
        raise NotDeployable(f"{there} has no {target}", hint="name the model folder here by --model, to send it")
    digests = _digests(folder, workload)
    staging = f"{target}.tmp"
    there.run("rm", "-rf", "--", staging)
    there.run("mkdir", "-p", "--", staging)
    content = {name: (folder / name).read_bytes() for name in digests}
    there.run("tar", "-x", "-C", staging, "--no-same-owner", given=sending.archive(content), timeout_s=ssh.PULL_S)
    listing = "".join(f"{digest.removeprefix('sha256:')}  {staging}/{name}\n" for name, digest in digests.items())
    there.run("sha256sum", "--check", "--strict", "--status", given=listing.encode(), timeout_s=ssh.PULL_S)
    there.run("chmod", "-R", "a+rX,go-w", "--", staging)
    there.run("sync")
    there.run("mv", "-T", "--", staging, target)
    return len(digests)


def _digests(folder: Path, workload: Workload) -> dict[str, str]:
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
