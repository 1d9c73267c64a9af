"""Services without a container engine or for old Podmans, and .kube units, held against systemd and the schemas."""

import os
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from edgewise.build.nodes import bare
from edgewise.build.nodes.bare import BareLayout
from edgewise.build.nodes.kubernetes.validate import validate as validate_objects
from edgewise.build.nodes.owner import USER
from edgewise.build.nodes.quadlet import kube, run, unit
from edgewise.build.nodes.quadlet.compose import Layout, Modelcar
from edgewise.build.nodes.quadlet.validate import validate
from edgewise.build.nodes.versions import Version
from edgewise.errors import NotDeployable
from edgewise.exchange.release import Strategy
from fakes.workloads import MODEL_JSON, workload

STRATEGIES = [Strategy.EMBEDDED, Strategy.EXTERNAL, Strategy.MODELCAR]


def verified(files, folder: Path, *, true: str, manager: str = "--system") -> str:
    """What systemd says of units, where every program is `true`: those of a device are not here."""
    if shutil.which("systemd-analyze") is None:
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(
            "systemd-analyze is missing (apt install systemd)"
        )
    paths = []
    for one in files:
        path = folder / one.path.rpartition("/")[2]
        path.write_bytes(one.content.replace(b"/opt/edgewise/bin/python3", true.encode()))
        paths.append(str(path))
    done = subprocess.run(
        ["systemd-analyze", manager, "verify", "--man=no", *paths],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "XDG_RUNTIME_DIR": str(folder)},
    )
    told = (str(folder), ".service", "cycle")
    return "\n".join(line for line in done.stderr.splitlines() if any(word in line for word in told))


def test_systemd_takes_the_services_without_an_engine(tmp_path: Path):
    files = bare.files(workload(Strategy.EXTERNAL, settings={"A": "a $b %n 'c' \"d\""}), BareLayout())
    assert verified(files, tmp_path, true="/bin/true") == ""


def test_a_user_s_systemd_takes_its_services(tmp_path: Path):
    without = bare.files(workload(Strategy.EXTERNAL), BareLayout(owner=USER))
    assert verified(without, tmp_path, true="/bin/true", manager="--user") == ""
    layout = Layout(podman=Version(4, 3), network=False, modelcar=Modelcar.EXTRACT, owner=USER)
    old = run.files(workload(Strategy.MODELCAR), layout, podman=("/bin/true",))
    assert verified(old, tmp_path, true="/bin/true", manager="--user") == ""
    text = without[0].content.decode()
    assert "EDGEWISE_MODEL=%h/.local/share/edgewise/models/" in text
    assert "DynamicUser" not in text


def test_systemd_would_say_what_is_wrong(tmp_path: Path):
    (first, *others) = bare.files(workload(Strategy.EXTERNAL), BareLayout())
    broken = first.content.replace(b"DynamicUser=yes", b"DynamicUsr=yes")
    assert "DynamicUsr" in verified([replace(first, content=broken), *others], tmp_path, true="/bin/true")


def test_a_service_without_an_engine_is_closed_in_and_told_its_model():
    files = bare.files(workload(Strategy.EXTERNAL), BareLayout())
    service = unit.read("s", files[0].content).section("Service")
    assert service.last("MemoryMax") == str(int(100 * 1.25 + 64) << 20)
    assert service.last("CPUQuota") == "100%"
    assert service.last("ProtectSystem") == "strict"
    assert f"EDGEWISE_MODEL=/var/lib/edgewise/models/{MODEL_JSON.replace(':', '/')}" in service.every("Environment")
    assert [one.path.rpartition("/")[2] for one in files] == [
        "meter-reader.service",
        "meter-reader-health.service",
        "meter-reader-unwell.service",
        "meter-reader-health.timer",
    ]


def test_images_need_an_engine():
    with pytest.raises(NotDeployable, match="only external models"):
        bare.files(workload(Strategy.MODELCAR), BareLayout())


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_systemd_takes_the_services_of_old_podmans(tmp_path: Path, strategy: Strategy):
    layout = Layout(podman=Version(4, 3), network=False, modelcar=Modelcar.EXTRACT)
    files = run.files(workload(strategy, settings={"A": "a $b %n 'c' \"d\""}), layout, podman=("/bin/true",))
    assert verified(files, tmp_path, true="/bin/true") == ""


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_kube_unit_plays_a_pod_that_the_api_would_take(strategy: Strategy):
    files = {
        one.path.rpartition("/")[2]: one.content for one in kube.files(workload(strategy), Layout(podman=Version(4, 8)))
    }
    assert validate(files, Version(4, 4)) == []
    pod = yaml.safe_load(files["meter-reader-dddddddddddd.yaml"])
    assert validate_objects([("meter-reader.yaml", pod)], Version(1, 33)) == []
    assert pod["spec"]["containers"][0]["securityContext"]["readOnlyRootFilesystem"] is True
