"""The device's face without a container engine: systemd runs the server, as closed in as a container.

For external models alone: there is nothing that could unpack an image. The Python environment with edgewise in it is
the device's own. Every 30 s a timer asks the server whether it is well; where it is not, it is started again.
"""

from dataclasses import dataclass

from edgewise.build.nodes.description import HTTP_PORT, MODEL_VARIABLE, File, Workload
from edgewise.build.nodes.owner import SYSTEM, Owner
from edgewise.build.nodes.quadlet import unit
from edgewise.build.nodes.quadlet.compose import PIDS, STOP_TIMEOUT_S
from edgewise.build.nodes.quadlet.unit import Section, Unit, literal, path_variable, word, words
from edgewise.errors import NotDeployable
from edgewise.exchange.release import Strategy

PYTHON = "/opt/edgewise/bin/python3"
SYSTEMCTL = "/usr/bin/systemctl"
HARDENING: tuple[tuple[str, str], ...] = (
    ("DynamicUser", "yes"),
    ("NoNewPrivileges", "yes"),
    ("CapabilityBoundingSet", ""),
    ("AmbientCapabilities", ""),
    ("ProtectSystem", "strict"),
    ("ProtectHome", "yes"),
    ("PrivateTmp", "yes"),
    ("ProtectKernelTunables", "yes"),
    ("ProtectKernelModules", "yes"),
    ("ProtectKernelLogs", "yes"),
    ("ProtectControlGroups", "yes"),
    ("ProtectClock", "yes"),
    ("ProtectHostname", "yes"),
    ("ProtectProc", "invisible"),
    ("RestrictNamespaces", "yes"),
    ("RestrictSUIDSGID", "yes"),
    ("RestrictRealtime", "yes"),
    ("RestrictAddressFamilies", "AF_INET AF_INET6 AF_UNIX"),
    ("LockPersonality", "yes"),
    ("SystemCallArchitectures", "native"),
    ("SystemCallFilter", "@system-service"),
    ("SystemCallFilter", "~@privileged"),
    ("UMask", "0077"),
)

WITHOUT_PRIVILEGE = frozenset(
    [
        "NoNewPrivileges",
        "RestrictNamespaces",
        "RestrictSUIDSGID",
        "RestrictRealtime",
        "RestrictAddressFamilies",
        "LockPersonality",
        "SystemCallArchitectures",
        "SystemCallFilter",
        "UMask",
    ]
)
"""What of it a user's systemd can do: the rest needs namespaces or users that only root can make."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BareLayout:
    """How the services shall be.

    Attributes:
        python: of the environment that edgewise is installed in.
        address: that the server is reached at.
        owner: whose systemd runs them.
    """

    python: str = PYTHON
    address: str = "127.0.0.1"
    port: int = HTTP_PORT
    owner: Owner = SYSTEM


def hardening(owner: Owner) -> tuple[tuple[str, str], ...]:
    """How closed in the services are, as far as the manager can do it."""
    return tuple(pair for pair in HARDENING if not owner.is_user or pair[0] in WITHOUT_PRIVILEGE)


def files(workload: Workload, layout: BareLayout) -> list[File]:
    """The service, and the timer that asks it.

    Raises:
        NotDeployable: the model is in an image.
    """
    if workload.strategy is not Strategy.EXTERNAL:
        raise NotDeployable(
            f"the release is {workload.strategy}: without a container engine only external models can be served",
            hint="nothing was written",
        )
    folder = layout.owner.services
    return [File(path=f"{folder}/{one.name}", content=unit.written(one)) for one in units(workload, layout)]


def units(workload: Workload, layout: BareLayout) -> list[Unit]:
    """The units, the service first."""
    return [_service(workload, layout), *_health(workload, layout)]


def _service(workload: Workload, layout: BareLayout) -> Unit:
    folder = f"{layout.owner.model_store}/{workload.model_digest.replace(':', '/')}"
    argv = [layout.python, "-m", "edgewise.edge.serve", "--http", f"{layout.address}:{layout.port}"]
    environment = {"ORT_DISABLE_TELEMETRY": "1", "OPENBLAS_NUM_THREADS": "1", **workload.environment(folder)}
    described = f"Edgewise: {workload.model_name} {workload.model_version} for {workload.site}, {workload.version}"
    own = (
        ("Type", "exec"),
        *(("Environment", _variable(name, value)) for name, value in sorted(environment.items())),
        ("ExecStart", words(argv)),
        ("Restart", "on-failure"),
        ("RestartSec", "5"),
        ("TimeoutStopSec", str(STOP_TIMEOUT_S)),
        ("TasksMax", str(PIDS)),
        *((("MemoryMax", str(workload.memory_bytes)),) if workload.memory_bytes is not None else ()),
        *((("CPUQuota", f"{workload.cpus * 100:.0f}%"),) if workload.cpus is not None else ()),
        *(() if layout.owner.is_user else _devices(workload)),
        *hardening(layout.owner),
    )
    start = (
        ("Description", literal(described)),
        ("Wants", f"{workload.name}-health.timer"),
        ("RequiresMountsFor", folder),
        ("StartLimitIntervalSec", "600"),
        ("StartLimitBurst", "5"),
    )
    return Unit(
        name=f"{workload.name}.service",
        sections=(
            Section(name="Unit", entries=start),
            Section(name="Service", entries=own),
            Section(name="Install", entries=(("WantedBy", layout.owner.target),)),
            unit.of_release(workload.release),
        ),
    )


def _variable(name: str, value: str) -> str:
    """A variable of the service; no dollar is expanded there, and nothing else but the home in the model's folder."""
    return path_variable(name, value) if name == MODEL_VARIABLE else word(f"{name}={value}").replace("$$", "$")


def _devices(workload: Workload) -> tuple[tuple[str, str], ...]:
    """No device but the accelerator's; a vendor's own driver is not closed in."""
    if workload.device is None:
        return (("PrivateDevices", "yes"),)
    if not workload.device.nodes:
        return ()
    return (("DevicePolicy", "closed"), *(("DeviceAllow", f"{node} rw") for node in workload.device.nodes))


def _health(workload: Workload, layout: BareLayout) -> list[Unit]:
    """Asked every 30 s; who does not answer is started again."""
    name = workload.name
    url = f"http://{layout.address}:{layout.port}/v2/health/ready"
    ask = words([layout.python, "-m", "edgewise.edge.serve.health", url])
    bound = ("After", f"{name}.service")
    systemctl = [SYSTEMCTL, *(["--user"] if layout.owner.is_user else [])]
    return [
        _oneshot(
            f"{name}-health",
            f"whether {name} is well",
            ask,
            unit_entries=(("Requisite", f"{name}.service"), bound, ("OnFailure", f"{name}-unwell.service")),
            service_entries=tuple(
                (key, value) for key, value in hardening(layout.owner) if key != "RestrictNamespaces"
            ),
        ),
        _oneshot(
            f"{name}-unwell",
            f"{name} is not well, start it again",
            words([*systemctl, "restart", f"{name}.service"]),
        ),
        Unit(
            name=f"{name}-health.timer",
            sections=(
                Section(
                    name="Unit",
                    entries=(
                        ("Description", literal(f"Edgewise: ask whether {name} is well")),
                        ("BindsTo", f"{name}.service"),
                        bound,
                        # by default a user's timers come before all services, and this one comes after its own
                        ("DefaultDependencies", "no"),
                        ("Conflicts", "shutdown.target"),
                        ("Before", "shutdown.target"),
                    ),
                ),
                Section(name="Timer", entries=(("OnActiveSec", "90"), ("OnUnitInactiveSec", "30"))),
            ),
        ),
    ]


def _oneshot(
    name: str,
    described: str,
    command: str,
    *,
    unit_entries: tuple[tuple[str, str], ...] = (),
    service_entries: tuple[tuple[str, str], ...] = (),
) -> Unit:
    return Unit(
        name=f"{name}.service",
        sections=(
            Section(name="Unit", entries=(("Description", literal(f"Edgewise: {described}")), *unit_entries)),
            Section(name="Service", entries=(("Type", "oneshot"), ("ExecStart", command), *service_entries)),
        ),
    )
