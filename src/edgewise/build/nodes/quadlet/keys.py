"""Which keys Podman's generator takes in which section, and since which version.

Facts from Podman's release notes and the source of its generator (pkg/systemd/quadlet, Apache-2.0), read in November
2026, 4.4 to 6.1. A key that the generator does not know is an error of the whole unit.
"""

from collections.abc import Mapping
from typing import Final

from edgewise.build.nodes.versions import Version

_SINCE: Final[Mapping[str, Mapping[str, str]]] = {
    "Container": {
        "4.4": "AddCapability AddDevice Annotation ContainerName DropCapability Environment EnvironmentFile"
        " EnvironmentHost Exec ExposeHostPort Group Image Label Network NoNewPrivileges Notify PodmanArgs PublishPort"
        " ReadOnly RemapGid RemapUid RemapUidSize RemapUsers RunInit SeccompProfile SecurityLabelDisable"
        " SecurityLabelFileType SecurityLabelLevel SecurityLabelType Timezone User VolatileTmp Volume",
        "4.5": "HealthCmd HealthInterval HealthOnFailure HealthRetries HealthStartPeriod HealthStartupCmd"
        " HealthStartupInterval HealthStartupRetries HealthStartupSuccess HealthStartupTimeout HealthTimeout IP IP6"
        " LogDriver Mount Rootfs Secret Tmpfs UserNS",
        "4.6": "AutoUpdate HostName Mask Pull SecurityLabelNested Sysctl Unmask WorkingDir",
        "4.7": "DNS DNSOption DNSSearch PidsLimit ShmSize Ulimit",
        "4.8": "ContainersConfModule GIDMap GlobalArgs ReadOnlyTmpfs SubGIDMap SubUIDMap UIDMap",
        "5.0": "Entrypoint Pod StopTimeout",
        "5.1": "GroupAdd",
        "5.2": "LogOpt NetworkAlias StopSignal",
        "5.3": "AddHost CgroupsMode HealthLogDestination HealthMaxLogCount HealthMaxLogSize ServiceName StartWithPod",
        "5.5": "Memory ReloadCmd ReloadSignal Retry RetryDelay",
        "5.7": "HttpProxy",
        "5.8": "AppArmor",
        "6.1": "ImageVolume",
    },
    "Volume": {
        "4.4": "Copy Device Group Label Options Type User",
        "4.6": "PodmanArgs",
        "4.8": "ContainersConfModule Driver GlobalArgs Image VolumeName",
        "5.3": "ServiceName",
        "6.0": "GID UID",
    },
    "Network": {
        "4.4": "DisableDNS Driver Gateway IPAMDriver IPRange IPv6 Internal Label Options Subnet",
        "4.6": "PodmanArgs",
        "4.7": "DNS",
        "4.8": "ContainersConfModule GlobalArgs NetworkName",
        "5.3": "ServiceName",
        "5.5": "NetworkDeleteOnStop",
        "5.6": "InterfaceName",
    },
    "Kube": {
        "4.4": "ConfigMap Network PublishPort RemapGid RemapUid RemapUidSize RemapUsers Yaml",
        "4.5": "LogDriver UserNS",
        "4.6": "ExitCodePropagation PodmanArgs",
        "4.7": "AutoUpdate",
        "4.8": "ContainersConfModule GlobalArgs KubeDownForce",
        "5.0": "SetWorkingDirectory",
        "5.2": "LogOpt",
        "5.3": "ServiceName",
    },
    "Image": {
        "4.8": "AllTags Arch AuthFile CertDir ContainersConfModule Creds DecryptionKey GlobalArgs Image ImageTag OS"
        " PodmanArgs TLSVerify Variant",
        "5.3": "ServiceName",
        "5.5": "Retry RetryDelay",
        "5.6": "Policy",
    },
    "Pod": {
        "5.0": "ContainersConfModule GlobalArgs Network PodName PodmanArgs PublishPort Volume",
        "5.2": "NetworkAlias",
        "5.3": "AddHost DNS DNSOption DNSSearch GIDMap IP IP6 RemapGid RemapUid RemapUidSize RemapUsers ServiceName"
        " SubGIDMap SubUIDMap UIDMap UserNS",
        "5.4": "ShmSize",
        "5.5": "HostName",
        "5.6": "ExitPolicy Label",
        "5.7": "StopTimeout",
    },
    "Quadlet": {"5.3": "DefaultDependencies"},
}

KINDS: Final[Mapping[str, str]] = {
    ".container": "Container",
    ".volume": "Volume",
    ".network": "Network",
    ".kube": "Kube",
    ".image": "Image",
    ".pod": "Pod",
}
"""Section of a unit by the ending of its file's name."""


def _version(text: str) -> Version:
    major, minor = text.split(".")
    return Version(int(major), int(minor))


KEYS: Final[Mapping[str, Mapping[str, Version]]] = {
    section: {key: _version(since) for since, keys in rows.items() for key in keys.split()}
    for section, rows in _SINCE.items()
}
"""By section and key: the first version that takes it."""


def takes(section: str, key: str, podman: Version) -> bool:
    """Whether the generator of `podman` takes `key` in `section`."""
    since = KEYS[section].get(key)
    return since is not None and since <= podman


def kind_since(section: str) -> Version:
    """The first version that knows units of this kind at all."""
    return min(KEYS[section].values())
