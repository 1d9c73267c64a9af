"""Our validator says of units what Podman's generator says of them.

Many cases bear the names of the generator's own end-to-end tests (test/e2e/quadlet in Podman); units and outcomes are
written from the generator's source. No generator runs here.
"""

import pytest

from edgewise.build.nodes.quadlet.keys import KEYS
from edgewise.build.nodes.quadlet.validate import validate
from edgewise.build.nodes.versions import Version

NEW = Version(6, 0)
IMAGE = "Image=localhost/image@sha256:0"

GOOD = {
    "basic.container": f"[Container]\n{IMAGE}\n",
    "basic.volume": "[Volume]\n",
    "basic.network": "[Network]\n",
    "basic.pod": "[Pod]\n",
    "basic.image": "[Image]\nImage=localhost/image\n",
    "basic.kube": "[Kube]\nYaml=pod.yaml\n",
    "emptyline.container": f"\n\n[Container]\n\n{IMAGE}\n\n",
    "comment-with-continuation.container": f"[Container]\n{IMAGE}\nEnvironment=A=1 \\\n# said between\nB=2\n",
    "line-continuation-whitespace.container": f"[Container]\n{IMAGE}\nLabel=a=b \\   \n   c=d\n",
    "escapes.container": f'[Container]\n{IMAGE}\nExec=/some/path "an arg" "a;b\\nc" a=b\n',
    "oneshot.container": f"[Container]\n{IMAGE}\n[Service]\nType=oneshot\n",
    "notify-healthy.container": f"[Container]\n{IMAGE}\nNotify=healthy\n",
    "ports.container": f"[Container]\n{IMAGE}\nExposeHostPort=1000\nExposeHostPort=2000-3000/udp\nPublishPort=80:90\n",
    "rootfs.container": "[Container]\nRootfs=/var/lib/image\n",
    "user.container": f"[Container]\n{IMAGE}\nUser=998\nGroup=999\n",
    "remap-auto.container": f"[Container]\n{IMAGE}\nRemapUsers=auto\nRemapUid=0:1000\n",
    "idmapping.container": f"[Container]\n{IMAGE}\nUIDMap=0:10000:10\nGIDMap=10:10000:20\n",
    "device.volume": "[Volume]\nDevice=/dev/vda1\nType=ext4\nOptions=ro\n",
    "gateway.network": "[Network]\nSubnet=192.168.0.0/24\nGateway=192.168.0.1\n",
    "set-working-directory-yaml.kube": "[Kube]\nYaml=pod.yaml\nSetWorkingDirectory=yaml\n",
    "memory.container": f"[Container]\n{IMAGE}\nMemory=64m\n",
    "mount-without-unit.container": f"[Container]\n{IMAGE}\nMount=type=image,source=localhost/a,destination=/m\n",
    "other-sections.container": f"[Container]\n{IMAGE}\n[X-Ours]\nAnything=goes\n[Install]\nWantedBy=default.target\n",
    "options-since-6.volume": "[Volume]\nOptions=size=5g\n",
}
BAD = {
    "noimage.container": ("[Container]\nExec=/bin/true\n", "Image"),
    "image-and-rootfs.container": (f"[Container]\n{IMAGE}\nRootfs=/x\n", "exclude"),
    "unknown-key.container": (f"[Container]\n{IMAGE}\nImaginary=1\n", "Imaginary"),
    "case-matters.container": ("[Container]\nimage=localhost/image\n", "'image'"),
    "badpublish-expose.container": (f"[Container]\n{IMAGE}\nExposeHostPort=eighty\n", "ExposeHostPort"),
    "killmode.container": (f"[Container]\n{IMAGE}\n[Service]\nKillMode=process\n", "KillMode"),
    "service-type.container": (f"[Container]\n{IMAGE}\n[Service]\nType=simple\n", "Type"),
    "remap-manual-without-users.container": (f"[Container]\n{IMAGE}\nRemapUid=0:1\n", "RemapUsers"),
    "idmapping-with-remap.container": (f"[Container]\n{IMAGE}\nUserNS=auto\nRemapUsers=auto\n", "mapping"),
    "group-without-user.container": (f"[Container]\n{IMAGE}\nGroup=1\n", "Group"),
    "image-no-unit.container": ("[Container]\nImage=not-there.image\n", "not-there.image"),
    "network.quadlet-no-unit.container": (f"[Container]\n{IMAGE}\nNetwork=not-there.network\n", "not-there.network"),
    "volume-no-unit.container": (f"[Container]\n{IMAGE}\nVolume=not-there.volume:/x\n", "not-there.volume"),
    "mount-no-unit.container": (
        f"[Container]\n{IMAGE}\nMount=type=volume,source=no.volume,destination=/x\n",
        "no.volume",
    ),
    "mount-image-no-unit.container": (
        f"[Container]\n{IMAGE}\nMount=type=image,source=no.image,destination=/x\n",
        "no.im",
    ),
    "mount-no-type.container": (f"[Container]\n{IMAGE}\nMount=source=/a,destination=/x\n", "type"),
    "pod.not-quadlet.container": (f"[Container]\n{IMAGE}\nPod=mine\n", "no .pod unit"),
    "pod.not-found.container": (f"[Container]\n{IMAGE}\nPod=not-there.pod\n", "not-there.pod"),
    "dependent.error.container": (f"[Container]\n{IMAGE}\n[Unit]\nAfter=not-there.container\n", "not-there.container"),
    "reload-both.container": (f"[Container]\n{IMAGE}\nReloadCmd=/r\nReloadSignal=HUP\n", "exclude"),
    "quadlet-unknown.container": (f"[Container]\n{IMAGE}\n[Quadlet]\nNothing=1\n", "Nothing"),
    "device-type-without-device.volume": ("[Volume]\nType=ext4\n", "Device"),
    "image-driver-without-image.volume": ("[Volume]\nDriver=image\n", "Image"),
    "gateway.no-subnet.network": ("[Network]\nGateway=192.168.0.1\n", "Subnet"),
    "gateway.less-subnet.network": ("[Network]\nSubnet=10.0.0.0/8\nGateway=10.0.0.1\nGateway=10.0.0.2\n", "Subnet"),
    "noyaml.kube": ("[Kube]\nPublishPort=80\n", "Yaml"),
    "set-working-directory-unsupported.kube": ("[Kube]\nYaml=a\nSetWorkingDirectory=/x\n", "SetWorkingDirectory"),
    "remap-manual.kube": ("[Kube]\nYaml=a\nRemapUsers=manual\n", "RemapUsers"),
    "noimage.image": ("[Image]\nArch=arm64\n", "Image"),
    "network-no-unit.pod": ("[Pod]\nNetwork=not-there.network\n", "not-there.network"),
    "no-section.container": (f"{IMAGE}\n", "before the first section"),
    "no-equals.container": (f"[Container]\n{IMAGE}\nReadOnly\n", "neither"),
}


@pytest.mark.parametrize("name", GOOD)
def test_a_good_unit_passes(name: str):
    assert validate({name: GOOD[name].encode()}, NEW) == []


@pytest.mark.parametrize("name", BAD)
def test_a_broken_unit_is_told_with_its_reason(name: str):
    content, reason = BAD[name]
    (fault,) = validate({name: content.encode()}, NEW)
    assert fault.file == name
    assert reason in fault.reason


def test_references_between_units_of_one_folder_hold():
    files = {
        "a.container": f"[Container]\n{IMAGE}\nVolume=v.volume:/v\nNetwork=n.network:ip=10.0.0.2\nPod=p.pod\n",
        "b.container": "[Container]\nImage=i.image\nMount=type=image,source=i.image,destination=/m\n"
        "[Unit]\nAfter=a.container",
        "v.volume": "[Volume]\n",
        "n.network": "[Network]\n",
        "p.pod": "[Pod]\nNetwork=n.network\n",
        "i.image": "[Image]\nImage=localhost/image\n",
        "notes.txt": "[Container]\nwhatever",
    }
    assert validate({name: text.encode() for name, text in files.items()}, NEW) == []


@pytest.mark.parametrize(
    ("name", "content", "first"),
    [
        ("a.container", f"[Container]\n{IMAGE}\nMount=type=tmpfs,destination=/t\n", Version(4, 5)),
        ("a.container", f"[Container]\n{IMAGE}\nSysctl=a=b\n", Version(4, 6)),
        ("a.container", f"[Container]\n{IMAGE}\nPidsLimit=5\n", Version(4, 7)),
        ("a.image", "[Image]\nImage=localhost/a\n", Version(4, 8)),
        ("a.pod", "[Pod]\n", Version(5, 0)),
        ("a.container", f"[Container]\n{IMAGE}\nGroupAdd=5\n", Version(5, 1)),
        ("a.container", f"[Container]\n{IMAGE}\nStopSignal=INT\n", Version(5, 2)),
        ("a.container", f"[Container]\n{IMAGE}\nCgroupsMode=split\n", Version(5, 3)),
        ("a.pod", "[Pod]\nShmSize=1m\n", Version(5, 4)),
        ("a.container", f"[Container]\n{IMAGE}\nMemory=1g\n", Version(5, 5)),
        ("a.pod", "[Pod]\nExitPolicy=stop\n", Version(5, 6)),
        ("a.container", f"[Container]\n{IMAGE}\nHttpProxy=false\n", Version(5, 7)),
        ("a.container", f"[Container]\n{IMAGE}\nAppArmor=x\n", Version(5, 8)),
        ("a.volume", "[Volume]\nUID=5\n", Version(6, 0)),
    ],
)
def test_keys_are_known_from_their_version_on(name: str, content: str, first: Version):
    older = [Version(4, minor) for minor in range(4, 9)] + [Version(5, minor) for minor in range(9)] + [Version(6, 0)]
    for podman in older:
        faults = validate({name: content.encode()}, podman)
        assert bool(faults) == (podman < first), podman


def test_the_table_of_keys_has_no_key_twice():
    from edgewise.build.nodes.quadlet import keys

    for section, rows in keys._SINCE.items():
        every = [key for text in rows.values() for key in text.split()]
        assert len(every) == len(set(every)) == len(KEYS[section]), section
