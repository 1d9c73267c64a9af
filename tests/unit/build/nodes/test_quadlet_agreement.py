"""How far our validator agrees with what Podman publishes of its generator: verdicts of its tests, and keys by version.

Verdicts are those that Podman's own end-to-end tests (test/e2e/quadlet_test.go, Apache-2.0, read in November 2026)
assert of units of these names: taken, or refused. The units here are written anew, each to what the name says; no
generator runs. The count is printed.
"""

import sys

import pytest

from edgewise.build.nodes.quadlet.keys import KEYS, takes
from edgewise.build.nodes.quadlet.validate import validate
from edgewise.build.nodes.versions import Version

NEW = Version(5, 4)
APP = "[Container]\nImage=quay.io/example/app\n"

TAKEN = {
    "annotation.container": APP + 'Annotation=org.a="b c" org.d=e\n',
    "autoupdate.container": APP + "AutoUpdate=registry\n",
    "capabilities.container": APP + "DropCapability=CAP_DAC_OVERRIDE CAP_NET_RAW\nAddCapability=CAP_CHOWN\n",
    "cgroups-mode.container": APP + "CgroupsMode=no-conmon\n",
    "comment-with-continuation.container": APP + "Environment=A=1 \\\n# a comment\n; another\nB=2\n",
    "containersconfmodule.container": APP + "ContainersConfModule=/etc/a.conf\n",
    "devices.container": APP + "AddDevice=/dev/fuse\nAddDevice=-/dev/not-there:/dev/x:r\n",
    "disableselinux.container": APP + "SecurityLabelDisable=true\n",
    "dns.container": APP + "DNS=8.7.7.7\n",
    "dns-options.container": APP + "DNSOption=ndots:1\n",
    "dns-search.container": APP + "DNSSearch=example.com\n",
    "entrypoint.container": APP + "Entrypoint=/usr/bin/top -b\n",
    "env.container": APP + 'Environment="A=b c" D=e\n',
    "env-file.container": APP + "EnvironmentFile=/opt/env\nEnvironmentFile=./env\n",
    "env-host.container": APP + "EnvironmentHost=yes\n",
    "escapes.container": APP + 'Exec=/bin/a "b\\tc" d\\x41\n',
    "exec.container": APP + "Exec=/bin/a \\\n  b c\n",
    "globalargs.container": APP + "GlobalArgs=--log-level=debug\n",
    "group-add.container": APP + "GroupAdd=keep-groups\n",
    "health.container": APP + "HealthCmd=/bin/ok\nHealthInterval=1m\nHealthMaxLogCount=5\nHealthStartupCmd=/bin/ok\n",
    "host.container": APP + "AddHost=a:10.0.0.1\n",
    "hostname.container": APP + "HostName=a\n",
    "idmapping.container": APP + "UIDMap=0:10000:10\nGIDMap=0:10000:10\n",
    "install.container": APP + "[Install]\nWantedBy=multi-user.target\nAlias=a.service\n",
    "ip.container": APP + "IP=10.88.64.128\nIP6=fd46::1\n",
    "label.container": APP + 'Label=a=b "c=d e"\n',
    "line-continuation-whitespace.container": APP + "Label=a=b \\ \n  c=d\n",
    "logdriver.container": APP + "LogDriver=journald\n",
    "logopt.container": APP + "LogOpt=path=/a\nLogOpt=max-size=1m\n",
    "mask.container": APP + "Mask=/proc/a:/proc/b\n",
    "name.container": APP + "ContainerName=a\n",
    "nestedselinux.container": APP + "SecurityLabelNested=true\n",
    "network.container": APP + "Network=host\n",
    "network-alias.container": APP + "NetworkAlias=a\n",
    "no_deps.container": APP + "[Quadlet]\nDefaultDependencies=no\n",
    "notify.container": APP + "Notify=yes\n",
    "notify-healthy.container": APP + "Notify=healthy\n",
    "oneshot.container": APP + "[Service]\nType=oneshot\n",
    "other-sections.container": APP + "[X-Ours]\na=b\n",
    "podmanargs.container": APP + "PodmanArgs=--a b\n",
    "ports.container": APP + "ExposeHostPort=1000\nExposeHostPort=2000-3000\nPublishPort=127.0.0.1:80:90\n",
    "ports_ipv6.container": APP + "PublishPort=[::1]:80:90\n",
    "pull.container": APP + "Pull=never\n",
    "quotes.container": APP + "Exec=a 'b c' \"d\"\n",
    "readonly.container": APP + "ReadOnly=yes\n",
    "readonly-tmpfs.container": APP + "ReadOnly=yes\nReadOnlyTmpfs=yes\n",
    "readwrite-notmpfs.container": APP + "ReadOnly=no\nVolatileTmp=no\n",
    "remap-auto.container": APP + "RemapUsers=auto\n",
    "remap-auto2.container": APP + "RemapUsers=auto\nRemapUid=0:1\nRemapGid=0:1\nRemapUidSize=20\n",
    "remap-keep-id.container": APP + "RemapUsers=keep-id\n",
    "remap-manual.container": APP + "RemapUsers=manual\nRemapUid=0:10000:10\nRemapGid=0:10000:10\n",
    "rootfs.container": "[Container]\nRootfs=/var/lib/a\n",
    "seccomp.container": APP + "SeccompProfile=unconfined\n",
    "secrets.container": APP + "Secret=a\nSecret=b,type=env\n",
    "selinux.container": APP + "SecurityLabelType=a_t\nSecurityLabelLevel=s0\nSecurityLabelFileType=b_t\n",
    "service-name.container": APP + "ServiceName=basic\n",
    "shmsize.container": APP + "ShmSize=5g\n",
    "shortname.container": "[Container]\nImage=shortname\n",
    "stopsignal.container": APP + "StopSignal=INT\n",
    "stoptimeout.container": APP + "StopTimeout=20\n",
    "subidmapping.container": APP + "SubUIDMap=a\nSubGIDMap=a\n",
    "sysctl.container": APP + "Sysctl=net.a=1 net.b=2\n",
    "template@.container": APP + "Exec=/bin/a %i\n",
    "timezone.container": APP + "Timezone=local\n",
    "ulimit.container": APP + "Ulimit=nofile=5:5\n",
    "unit-after-override.container": APP + "[Unit]\nAfter=local-fs.target\n",
    "unmask.container": APP + "Unmask=ALL\n",
    "user.container": APP + "User=998\nGroup=999\n",
    "userns.container": APP + "UserNS=keep-id\n",
    "volatiletmp-readonly.container": APP + "ReadOnly=yes\nVolatileTmp=yes\n",
    "workingdir.container": APP + "WorkingDir=/a\n",
    "basic.volume": "[Volume]\n",
    "containersconfmodule.volume": "[Volume]\nContainersConfModule=/a\n",
    "device.volume": "[Volume]\nDevice=/dev/a\nType=ext4\nOptions=a\n",
    "device-copy.volume": "[Volume]\nDevice=/dev/a\nCopy=false\n",
    "globalargs.volume": "[Volume]\nGlobalArgs=--a\n",
    "image.volume": "[Volume]\nDriver=image\nImage=quay.io/example/a\n",
    "label.volume": "[Volume]\nLabel=a=b\n",
    "name.volume": "[Volume]\nVolumeName=a\n",
    "podmanargs.volume": "[Volume]\nPodmanArgs=--a\n",
    "service-name.volume": "[Volume]\nServiceName=basic\n",
    "uid.volume": "[Volume]\nUser=0\nGroup=0\n",
    "absolute.path.kube": "[Kube]\nYaml=/opt/a.yml\n",
    "basic.kube": "[Kube]\nYaml=a.yml\n",
    "configmap.kube": "[Kube]\nYaml=a.yml\nConfigMap=b.yml\n",
    "containersconfmodule.kube": "[Kube]\nYaml=a.yml\nContainersConfModule=/a\n",
    "downforce.kube": "[Kube]\nYaml=a.yml\nKubeDownForce=true\n",
    "exit_code_propagation.kube": "[Kube]\nYaml=a.yml\nExitCodePropagation=any\n",
    "globalargs.kube": "[Kube]\nYaml=a.yml\nGlobalArgs=--a\n",
    "logdriver.kube": "[Kube]\nYaml=a.yml\nLogDriver=journald\n",
    "logopt.kube": "[Kube]\nYaml=a.yml\nLogOpt=a=b\n",
    "network.kube": "[Kube]\nYaml=a.yml\nNetwork=host\n",
    "oneshot.kube": "[Kube]\nYaml=a.yml\n[Service]\nType=oneshot\n",
    "podmanargs.kube": "[Kube]\nYaml=a.yml\nPodmanArgs=--a\n",
    "ports.kube": "[Kube]\nYaml=a.yml\nPublishPort=80:90\n",
    "remap-auto.kube": "[Kube]\nYaml=a.yml\nRemapUsers=auto\n",
    "remap-auto2.kube": "[Kube]\nYaml=a.yml\nRemapUsers=auto\nRemapUid=0:1\nRemapUidSize=20\n",
    "service-name.kube": "[Kube]\nYaml=a.yml\nServiceName=basic\n",
    "workingdir-yaml-rel.kube": "[Kube]\nYaml=a.yml\nSetWorkingDirectory=yaml\n",
    "workingdir-unit.kube": "[Kube]\nYaml=a.yml\nSetWorkingDirectory=unit\n",
    "workingdir-service.kube": "[Kube]\nYaml=a.yml\nSetWorkingDirectory=yaml\n[Service]\nWorkingDirectory=/a\n",
    "basic.network": "[Network]\n",
    "containersconfmodule.network": "[Network]\nContainersConfModule=/a\n",
    "disable-dns.network": "[Network]\nDisableDNS=yes\n",
    "dns.network": "[Network]\nDNS=8.7.7.7\n",
    "driver.network": "[Network]\nDriver=macvlan\n",
    "gateway.network": "[Network]\nSubnet=10.0.0.0/8\nGateway=10.0.0.1\n",
    "globalargs.network": "[Network]\nGlobalArgs=--a\n",
    "internal.network": "[Network]\nInternal=yes\n",
    "ipam-driver.network": "[Network]\nIPAMDriver=dhcp\n",
    "ipv6.network": "[Network]\nIPv6=yes\n",
    "label.network": "[Network]\nLabel=a=b\n",
    "name.network": "[Network]\nNetworkName=a\n",
    "options.multiple.network": "[Network]\nOptions=a=b\nOptions=c=d\n",
    "podmanargs.network": "[Network]\nPodmanArgs=--a\n",
    "range.network": "[Network]\nSubnet=10.0.0.0/8\nIPRange=10.1.0.0/16\n",
    "service-name.network": "[Network]\nServiceName=basic\n",
    "subnets.network": "[Network]\nSubnet=10.0.0.0/16\nSubnet=10.1.0.0/16\n",
    "subnet-trio.network": "[Network]\nSubnet=10.0.0.0/8\nGateway=10.0.0.1\nIPRange=10.1.0.0/16\n",
    "all-tags.image": "[Image]\nImage=quay.io/example/a\nAllTags=true\n",
    "arch.image": "[Image]\nImage=quay.io/example/a\nArch=aarch64\n",
    "arch-os.image": "[Image]\nImage=quay.io/example/a\nArch=aarch64\nOS=windows\n",
    "auth.image": "[Image]\nImage=quay.io/example/a\nAuthFile=/a\n",
    "basic.image": "[Image]\nImage=quay.io/example/a\n",
    "certs.image": "[Image]\nImage=quay.io/example/a\nCertDir=/a\n",
    "containersconfmodule.image": "[Image]\nImage=quay.io/example/a\nContainersConfModule=/a\n",
    "creds.image": "[Image]\nImage=quay.io/example/a\nCreds=a:b\n",
    "decrypt.image": "[Image]\nImage=quay.io/example/a\nDecryptionKey=/a\n",
    "globalargs.image": "[Image]\nImage=quay.io/example/a\nGlobalArgs=--a\n",
    "no_deps.image": "[Image]\nImage=quay.io/example/a\n[Quadlet]\nDefaultDependencies=false\n",
    "os.image": "[Image]\nImage=quay.io/example/a\nOS=windows\n",
    "service-name.image": "[Image]\nImage=quay.io/example/a\nServiceName=basic\n",
    "tls-verify.image": "[Image]\nImage=quay.io/example/a\nTLSVerify=false\n",
    "variant.image": "[Image]\nImage=quay.io/example/a\nVariant=arm/v7\n",
    "basic.pod": "[Pod]\n",
    "dns.pod": "[Pod]\nDNS=8.7.7.7\n",
    "dns-option.pod": "[Pod]\nDNSOption=a\n",
    "dns-search.pod": "[Pod]\nDNSSearch=a\n",
    "host.pod": "[Pod]\nAddHost=a:10.0.0.1\n",
    "ip.pod": "[Pod]\nIP=10.0.0.1\n",
    "name.pod": "[Pod]\nPodName=a\n",
    "network.pod": "[Pod]\nNetwork=host\n",
    "network-alias.pod": "[Pod]\nNetworkAlias=a\n",
    "podmanargs.pod": "[Pod]\nPodmanArgs=--a\n",
    "remap-auto.pod": "[Pod]\nRemapUsers=auto\n",
    "remap-keep-id.pod": "[Pod]\nRemapUsers=keep-id\n",
    "remap-manual.pod": "[Pod]\nRemapUsers=manual\nRemapUid=0:1\n",
    "service-name.pod": "[Pod]\nServiceName=basic\n",
    "shmsize.pod": "[Pod]\nShmSize=5g\n",
}
BESIDE = {
    "a.network.reuse.container": (APP + "Network=basic.container\n", "basic.container"),
    "mount.container": (APP + "Mount=type=volume,source=basic.volume,destination=/a\n", "basic.volume"),
    "network.quadlet.container": (APP + "Network=basic.network\n", "basic.network"),
    "volume.container": (APP + "Volume=basic.volume:/a\nVolume=/b:/c\nVolume=d:/e\n", "basic.volume"),
    "network.quadlet.kube": ("[Kube]\nYaml=a.yml\nNetwork=basic.network\n", "basic.network"),
    "image.quadlet.volume": ("[Volume]\nDriver=image\nImage=basic.image\n", "basic.image"),
    "network.quadlet.pod": ("[Pod]\nNetwork=basic.network\n", "basic.network"),
    "volume.pod": ("[Pod]\nVolume=basic.volume:/a\n", "basic.volume"),
}
OTHERS = {
    "basic.container": APP,
    "basic.volume": "[Volume]\n",
    "basic.network": "[Network]\n",
    "basic.image": "[Image]\nImage=quay.io/example/a\n",
}
REFUSED = {
    "idmapping-with-remap.container": APP + "UIDMap=0:1:1\nRemapUsers=auto\n",
    "subidmapping-with-remap.container": APP + "SubUIDMap=a\nRemapUsers=auto\n",
    "userns-with-remap.container": APP + "UserNS=auto\nRemapUsers=auto\n",
    "bogus.container": APP + "BOGUS=foo\n",
    "noimage.container": "[Container]\nUser=1\n",
    "emptyline.container": "[Container]\nExec=a \\\n\n; said after an empty line\n",
    "pod.non-quadlet.container": APP + "Pod=test-pod\n",
    "pod.not-found.container": APP + "Pod=not-found.pod\n",
    "image-no-image.volume": "[Volume]\nDriver=image\n",
    "build-not-found.quadlet.volume": "[Volume]\nDriver=image\nImage=not-found.build\n",
    "image-not-found.quadlet.volume": "[Volume]\nDriver=image\nImage=not-found.image\n",
    "remap-manual.kube": "[Kube]\nYaml=a.yml\nRemapUsers=manual\n",
    "gateway.less-subnet.network": "[Network]\nSubnet=10.0.0.0/8\nGateway=10.0.0.1\nGateway=10.0.0.2\n",
    "gateway.no-subnet.network": "[Network]\nGateway=10.0.0.1\n",
    "range.less-subnet.network": "[Network]\nSubnet=10.0.0.0/8\nIPRange=10.1.0.0/16\nIPRange=10.2.0.0/16\n",
    "range.no-subnet.network": "[Network]\nIPRange=10.1.0.0/16\n",
    "no-image.image": "[Image]\nArch=a\n",
}
IN_4_4 = [
    "annotation.container",
    "basic.volume",
    "devices.container",
    "env.container",
    "escapes.container",
    "exec.container",
    "install.container",
    "label.container",
    "label.volume",
    "name.container",
    "network.container",
    "notify.container",
    "oneshot.container",
    "other-sections.container",
    "podmanargs.container",
    "ports.container",
    "ports_ipv6.container",
    "remap-auto.container",
    "remap-auto2.container",
    "remap-manual.container",
    "rootfs-not-yet",
    "seccomp.container",
    "shortname.container",
    "timezone.container",
    "uid.volume",
    "user.container",
    "volume.container",
    "absolute.path.kube",
    "basic.kube",
    "network.kube",
    "remap-auto.kube",
    "remap-auto2.kube",
    "basic.network",
    "disable-dns.network",
    "driver.network",
    "gateway.network",
    "internal.network",
    "ipam-driver.network",
    "ipv6.network",
    "label.network",
    "options.multiple.network",
    "range.network",
    "subnets.network",
    "subnet-trio.network",
    "readwrite-notmpfs.container",
    "capabilities.container",
]
"""Taken by the tests that came with the first generator, Podman 4.4."""


def faults(name: str, content: str, podman: Version, *others: str) -> list[str]:
    given = {other: OTHERS[other].encode() for other in others} | {name: content.encode()}
    return [fault.reason for fault in validate(given, podman) if fault.file == name]


def test_verdicts_are_those_that_podman_s_own_tests_assert(capsys: pytest.CaptureFixture[str]) -> None:
    other = {name: said for name, content in TAKEN.items() if (said := faults(name, content, NEW))}
    other |= {name: said for name, (content, beside) in BESIDE.items() if (said := faults(name, content, NEW, beside))}
    other |= {name: ["taken"] for name, content in REFUSED.items() if not faults(name, content, NEW)}
    count = len(TAKEN) + len(BESIDE) + len(REFUSED)
    with capsys.disabled():
        sys.stdout.write(f"\nquadlet: {count - len(other)} of {count} units agreed, {len(REFUSED)} of them refused\n")
    assert other == {}


def test_what_the_first_generator_took_is_taken_for_it_and_its_newer_keys_are_not() -> None:
    for name in IN_4_4:
        if name in TAKEN:
            assert faults(name, TAKEN[name], Version(4, 4)) == [], name
    newer = [name for name in TAKEN if name not in IN_4_4 and faults(name, TAKEN[name], Version(4, 4))]
    assert len(newer) > 60  # keys and kinds that came later


PUBLISHED = {
    "Container": """
        AddCapability AddDevice AddHost Annotation AutoUpdate CgroupsMode ContainerName
        ContainersConfModule DNS DNSOption DNSSearch DropCapability Environment EnvironmentFile
        EnvironmentHost Entrypoint Exec ExposeHostPort GIDMap GlobalArgs Group GroupAdd HealthCmd
        HealthInterval HealthOnFailure HealthLogDestination HealthMaxLogCount HealthMaxLogSize
        HealthRetries HealthStartPeriod HealthStartupCmd HealthStartupInterval HealthStartupRetries
        HealthStartupSuccess HealthStartupTimeout HealthTimeout HostName IP6 IP Image Label
        LogDriver LogOpt Mask Memory Mount Network NetworkAlias NoNewPrivileges Notify PidsLimit Pod
        PodmanArgs PublishPort Pull ReadOnly ReadOnlyTmpfs ReloadCmd ReloadSignal RemapGid RemapUid
        RemapUidSize RemapUsers Retry RetryDelay Rootfs RunInit SeccompProfile Secret
        SecurityLabelDisable SecurityLabelFileType SecurityLabelLevel SecurityLabelNested
        SecurityLabelType ServiceName ShmSize StopSignal StartWithPod StopTimeout SubGIDMap
        SubUIDMap Sysctl Timezone Tmpfs UIDMap Ulimit Unmask User UserNS VolatileTmp Volume
        WorkingDir
    """,
    "Volume": """
        ContainersConfModule Copy Device Driver GlobalArgs Group Image Label Options PodmanArgs
        ServiceName Type User VolumeName
    """,
    "Network": """
        Label DNS ContainersConfModule GlobalArgs DisableDNS Driver Gateway IPAMDriver IPRange IPv6
        InterfaceName Internal NetworkName NetworkDeleteOnStop Options ServiceName Subnet PodmanArgs
    """,
    "Kube": """
        AutoUpdate ConfigMap ContainersConfModule ExitCodePropagation GlobalArgs KubeDownForce
        LogDriver LogOpt Network PodmanArgs PublishPort RemapGid RemapUid RemapUidSize RemapUsers
        ServiceName SetWorkingDirectory UserNS Yaml
    """,
    "Image": """
        AllTags Arch AuthFile CertDir ContainersConfModule Creds DecryptionKey GlobalArgs Image
        ImageTag OS PodmanArgs Retry RetryDelay ServiceName TLSVerify Variant
    """,
    "Pod": """
        AddHost ContainersConfModule DNS DNSOption DNSSearch ExitPolicy GIDMap GlobalArgs HostName
        IP IP6 Label Network NetworkAlias PodName PodmanArgs PublishPort RemapGid RemapUid
        RemapUidSize RemapUsers ServiceName ShmSize SubGIDMap SubUIDMap UIDMap UserNS Volume
    """,
    "Quadlet": """
        DefaultDependencies
    """,
}
"""Keys of the generator's source in the weeks before Podman 5.6 (pkg/systemd/quadlet/quadlet.go)."""
LATER_IN_5_6 = {("Image", "Policy")}
"""Came to 5.6 after that state of the source."""


@pytest.mark.parametrize("section", PUBLISHED)
def test_keys_are_those_of_the_generator_s_source(section: str) -> None:
    ours = {key for key in KEYS[section] if takes(section, key, Version(5, 6)) and (section, key) not in LATER_IN_5_6}
    assert ours == set(PUBLISHED[section].split())
