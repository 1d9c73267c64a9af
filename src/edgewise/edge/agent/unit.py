"""The systemd unit of the agent, as a value that is written once."""

from collections.abc import Mapping
from pathlib import Path

Unit = Mapping[str, Mapping[str, str]]


NOT_WITH_CONTAINERS = (
    "NoNewPrivileges",
    "ProtectSystem",
    "ReadWritePaths",
    "ProtectHome",
    "PrivateTmp",
    "ProtectKernelTunables",
    "ProtectKernelModules",
    "ProtectControlGroups",
    "RestrictAddressFamilies",
    "RestrictNamespaces",
    "RestrictSUIDSGID",
    "LockPersonality",
    "SystemCallArchitectures",
    "CapabilityBoundingSet",
    "UMask",
)
"""What Podman cannot work under: it makes namespaces and mounts, which must outlive the agent, for its containers."""


def unit(program: str, root: Path, *, memory: str = "512M", containers: bool = False) -> Unit:
    """Sections of edgewise-agent.service.

    Args:
        containers: whether the agent runs releases by Podman. Its sandbox is then that of each container.

    KillMode=process: a server outlives an agent that crashes, and the next agent takes over from it; an agent that is
    stopped ends its servers itself.
    """
    made = {
        "Unit": {
            "Description": "Edgewise agent",
            "Wants": "network-online.target",
            "After": "network-online.target",
            "StartLimitIntervalSec": "0",
        },
        "Service": {
            "Type": "notify",
            "NotifyAccess": "main",
            "ExecStart": f"{program} agent run --root {root}",
            "Restart": "always",
            "RestartSec": "1",
            "WatchdogSec": "60",
            "KillMode": "process",
            "TimeoutStopSec": "45",
            "StateDirectory": "edgewise",
            "StateDirectoryMode": "0700",
            "MemoryMax": memory,
            "TasksMax": "256",
            "NoNewPrivileges": "yes",
            "ProtectSystem": "strict",
            "ReadWritePaths": str(root),
            "ProtectHome": "yes",
            "PrivateTmp": "yes",
            "ProtectKernelTunables": "yes",
            "ProtectKernelModules": "yes",
            "ProtectControlGroups": "yes",
            "RestrictAddressFamilies": "AF_UNIX AF_INET AF_INET6",
            "RestrictNamespaces": "yes",
            "RestrictSUIDSGID": "yes",
            "LockPersonality": "yes",
            "SystemCallArchitectures": "native",
            "CapabilityBoundingSet": "",
            "UMask": "0077",
        },
        "Install": {"WantedBy": "multi-user.target"},
    }
    if containers:
        made["Service"] = {key: value for key, value in made["Service"].items() if key not in NOT_WITH_CONTAINERS}
    return made


def written(made: Unit) -> str:
    """The unit as systemd reads it."""
    sections = (
        "\n".join((f"[{name}]", *(f"{key}={value}" for key, value in entries.items())))
        for name, entries in made.items()
    )
    return "\n\n".join(sections) + "\n"
