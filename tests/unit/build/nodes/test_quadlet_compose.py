import json
import shlex
from itertools import product

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgewise.build.nodes.describe import Wish, describe
from edgewise.build.nodes.description import NodeKind
from edgewise.build.nodes.quadlet import compose, run, unit
from edgewise.build.nodes.quadlet.compose import Layout, Modelcar
from edgewise.build.nodes.quadlet.validate import validate
from edgewise.build.nodes.versions import Version
from edgewise.errors import BadNodeFile
from edgewise.exchange.release import Strategy
from edgewise.hardware import catalogue
from fakes.workloads import MODEL, MODEL_JSON, RELEASE, SERVER, release, workload

VERSIONS = [Version(4, minor) for minor in range(4, 9)] + [Version(5, minor) for minor in range(9)] + [Version(6, 0)]
STRATEGIES = [Strategy.EMBEDDED, Strategy.EXTERNAL, Strategy.MODELCAR]


def named(files):
    return {one.path.rpartition("/")[2]: one.content for one in files}


def container(files, name="meter-reader.container"):
    return unit.read(name, named(files)[name]).section("Container")


@pytest.mark.parametrize(("podman", "strategy", "modelcar"), product(VERSIONS, STRATEGIES, Modelcar), ids=str)
def test_every_face_is_accepted_by_every_version(podman: Version, strategy: Strategy, modelcar: Modelcar):
    for in_pod in (False, True) if podman >= Version(5, 0) else (False,):
        files = compose.files(workload(strategy), Layout(podman=podman, modelcar=modelcar, in_pod=in_pod, grpc=True))
        assert validate(named(files), podman) == []


@pytest.mark.parametrize("podman", [Version(4, 4), Version(4, 8), Version(5, 4), Version(6, 0)], ids=str)
def test_hardening_and_limits_are_there_whatever_the_version(podman: Version):
    own = container(compose.files(workload(), Layout(podman=podman)))
    said = " ".join(f"--{key}={value}" for key, value in own.entries)
    assert own.last("ReadOnly") == own.last("NoNewPrivileges") == "true"
    assert own.last("DropCapability") == "all"
    assert own.last("User") == "65532:65532"
    limit = str(int(100 * 1.25 + 64) << 20)
    for flag, key in (("--memory", "Memory"), ("--pids-limit", "PidsLimit"), ("--cpus", "")):
        assert (key and own.last(key)) or flag in (own.last("PodmanArgs") or ""), said
    assert limit in said
    assert "edgewise.edge.serve.health" in said


def test_the_digest_is_told_to_the_server_and_images_are_pinned():
    files = named(compose.files(workload(Strategy.EXTERNAL), Layout(podman=Version(5, 4))))
    own = unit.read("c", files["meter-reader.container"]).section("Container")
    assert f"EDGEWISE_MODEL_DIGEST={MODEL_JSON}" in own.every("Environment")
    assert own.every("Volume") == [f"/var/lib/edgewise/models/{MODEL_JSON.replace(':', '/')}:/mnt/models:ro,z"]
    assert files["meter-reader-dddddddddddd.image"].decode().count(f"@{SERVER}\n") == 1
    assert f"Label=io.edgewise.release={RELEASE}".encode() in files["meter-reader.container"]


def test_a_modelcar_is_mounted_as_an_image_or_copied_once_before_the_server():
    mounted = named(compose.files(workload(), Layout(podman=Version(5, 4))))
    assert (
        b"Mount=type=image,source=meter-reader-dddddddddddd-model.image,destination=/modelcar\n"
        in mounted["meter-reader.container"]
    )
    assert f"@{MODEL}".encode() in mounted["meter-reader-dddddddddddd-model.image"]
    extracted = named(compose.files(workload(), Layout(podman=Version(5, 4), modelcar=Modelcar.EXTRACT)))
    assert "meter-reader-dddddddddddd-model.volume" in extracted
    assert b"Type=oneshot" in extracted["meter-reader-dddddddddddd-model.container"]
    assert (
        b"Requires=meter-reader-dddddddddddd-model.service\nAfter=meter-reader-dddddddddddd-model.service"
        in extracted["meter-reader.container"]
    )


def test_an_old_podman_gets_services_that_run_what_the_units_describe():
    layout = Layout(podman=Version(4, 3), network=False, modelcar=Modelcar.EXTRACT)
    files = named(run.files(workload(), layout))
    assert set(files) == {"meter-reader.service", "meter-reader-dddddddddddd-model.service"}
    service = unit.read("s", files["meter-reader.service"]).section("Service")
    argv = shlex.split(service.last("ExecStart") or "")
    assert argv[-1].endswith(f"@{SERVER}")
    assert argv[argv.index("--health-cmd") + 1] == json.dumps(["/usr/bin/python3", "-m", "edgewise.edge.serve.health"])
    assert argv[argv.index("--volume") + 1] == "meter-reader-dddddddddddd-model:/mnt/models:ro"
    assert {"--read-only", "--security-opt=no-new-privileges", "--rm"} <= set(argv)


def test_an_accelerator_is_a_cdi_device_and_a_pod_publishes_for_its_server():
    wish = Wish(machine=catalogue.find("coral-dev-board"), accelerator="edge-tpu")
    made = describe(release(Strategy.EMBEDDED), RELEASE, NodeKind.DEVICE, wish)
    files = compose.files(made, Layout(podman=Version(5, 4), in_pod=True))
    by_path = {one.path: json.loads(one.content) for one in files if one.path.startswith("etc/cdi")}
    specification = by_path["etc/cdi/edgewise-edge-tpu.json"]
    assert (specification["cdiVersion"], specification["kind"]) == ("0.3.0", "edgewise.io/edge-tpu")
    own = container(files)
    assert own.last("AddDevice") == "edgewise.io/edge-tpu=all"
    assert own.last("Pod") == "meter-reader.pod"
    assert own.last("PublishPort") is None
    pod = unit.read("p", named(files)["meter-reader.pod"]).section("Pod")
    assert pod.last("PublishPort") == "127.0.0.1:8080:8080"


def test_the_same_workload_gives_the_same_bytes():
    layout = Layout(podman=Version(5, 4))
    assert compose.files(workload(), layout) == compose.files(workload(), layout)


PLAIN = container(compose.files(workload(Strategy.EMBEDDED, settings={}), Layout(podman=Version(5, 4))))


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.dictionaries(st.from_regex(r"[A-Z_]{1,8}", fullmatch=True), st.text(max_size=20), max_size=3))
def test_no_setting_can_add_a_line_or_be_expanded(told):
    made = workload(Strategy.EMBEDDED, settings=told)
    try:
        files = compose.files(made, Layout(podman=Version(5, 4)))
    except BadNodeFile:
        return
    own = container(files)
    others = [pair for pair in own.entries if pair[0] != "Environment"]
    assert others == [pair for pair in PLAIN.entries if pair[0] != "Environment"]
    said = own.every("Environment")
    for name, value in told.items():
        if name not in ("EDGEWISE_MODEL", "EDGEWISE_MODEL_DIGEST"):
            expected = f"{name}={value}".replace("%", "%%").replace("$", "$$")
            assert any(words == [expected] for words in map(_split, said)), (name, value, said)


def _split(text: str) -> list[str]:
    """Words by systemd's rules, as far as we write them."""
    if text.startswith('"'):
        return [text[1:-1].replace('\\"', '"').replace("\\\\", "\\")]
    return [text]
