"""The systemd unit of the agent, as a value that is written once."""

from collections.abc import Mapping
from pathlib import Path

Unit = Mapping[str, Mapping[str, str]]


def unit(program: str, root: Path, *, memory: str = "512M") -> Unit:
    """Sections of edgewise-agent.service.

    KillMode=process: a server outlives an agent that crashes, and the next agent takes over from it; an agent that is
    stopped ends its servers itself.
    """
    return {
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


def written(made: Unit) -> str:
    """The unit as systemd reads it."""
    sections = (
        "\n".join((f"[{name}]", *(f"{key}={value}" for key, value in entries.items())))
        for name, entries in made.items()
    )
    return "\n\n".join(sections) + "\n"
