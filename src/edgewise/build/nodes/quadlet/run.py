"""What quadlet would make of a workload, for Podman before 4.4: plain systemd units that call `podman run`.

Follows what Podman's generator writes: a container that systemd owns, replaced when it is there already and removed
when the unit stops.
"""

from edgewise.build.nodes.description import File, Workload
from edgewise.build.nodes.quadlet import compose, options, unit
from edgewise.build.nodes.quadlet.compose import Layout
from edgewise.build.nodes.quadlet.options import Container
from edgewise.build.nodes.quadlet.unit import Section, Unit, literal, words

PODMAN = "/usr/bin/podman"


def files(workload: Workload, layout: Layout, *, podman: tuple[str, ...] = (PODMAN,)) -> list[File]:
    """All files of the face, below the root of the device.

    Args:
        podman: the program with options of its own, such as --runtime.
    """
    return [
        *(
            File(path=f"{layout.owner.services}/{one.name}", content=unit.written(one))
            for one in units(workload, layout, podman)
        ),
        *compose.cdi_files(workload, layout),
    ]


def units(workload: Workload, layout: Layout, podman: tuple[str, ...] = (PODMAN,)) -> list[Unit]:
    """The services: one that fills the model's volume where there is one, and the server's."""
    extracts = [
        one for one in compose.units(workload, layout) if one.name == f"{compose.model_name(workload)}.container"
    ]
    found = []
    if extracts:
        found.append(_service(compose.extraction(workload, layout), workload, layout, podman, oneshot=True))
    needed = tuple(f"{compose.model_name(workload)}.service" for _ in extracts)
    return [*found, _service(compose.server(workload, layout), workload, layout, podman, needed=needed)]


def argv(container: Container, podman: tuple[str, ...] = (PODMAN,), *, detached: bool = True) -> list[str]:
    """The command line that runs `container`; names of units in it become those of what they make."""
    own = [flag.replace(".volume:", ":") for flag in options.flags(container)]
    how = ["--detach", "--sdnotify=conmon", "--cgroups=split"] if detached else ["--cgroups=split"]
    return [*podman, "run", "--replace", "--rm", *how, *own, container.image, *container.command]


def _service(
    container: Container,
    workload: Workload,
    layout: Layout,
    podman: tuple[str, ...],
    *,
    oneshot: bool = False,
    needed: tuple[str, ...] = (),
) -> Unit:
    described = f"Edgewise: {container.name} for {workload.site}, {workload.version}"
    online = "" if layout.owner.is_user else "network-online.target"  # a user's systemd knows no such target
    remove = words([*podman, "rm", "--volumes", "--force", "--ignore", container.name])
    kind = (
        (("Type", "oneshot"), ("RemainAfterExit", "yes")) if oneshot else (("Type", "notify"), ("NotifyAccess", "all"))
    )
    ending = () if oneshot else (("ExecStop", remove), ("ExecStopPost", f"-{remove}"))
    restart = () if oneshot else (("Restart", "on-failure"), ("RestartSec", "5"))
    return Unit(
        name=f"{container.name}.service",
        sections=(
            Section(
                name="Unit",
                entries=(
                    ("Description", literal(described)),
                    *((("Wants", online),) if online else ()),
                    *((("After", after),) if (after := " ".join(filter(None, (online, *needed)))) else ()),
                    *(("Requires", name) for name in needed),
                    ("RequiresMountsFor", "%t/containers"),
                    ("StartLimitIntervalSec", "600"),
                    ("StartLimitBurst", "5"),
                ),
            ),
            Section(
                name="Service",
                entries=(
                    *kind,
                    ("Environment", "PODMAN_SYSTEMD_UNIT=%n"),
                    ("KillMode", "mixed"),
                    ("Delegate", "yes"),
                    ("SyslogIdentifier", "%N"),
                    ("ExecStart", words(argv(container, podman, detached=not oneshot))),
                    *ending,
                    *restart,
                    ("TimeoutStartSec", "900"),
                ),
            ),
            Section(name="Install", entries=(("WantedBy", layout.owner.target),)),
        ),
    )
