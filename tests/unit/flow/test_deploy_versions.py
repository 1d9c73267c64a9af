"""Which versions a cluster says that it has, and what is written for them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from edgewise.build.nodes.kubernetes.microshift import BUNDLED_KSERVE
from edgewise.build.nodes.versions import Version
from edgewise.cli.main import run
from edgewise.exchange.release import Strategy, written
from edgewise.flow.deploy import api, installed
from fakes.clusters import Double, cluster
from fakes.workloads import release

MICROSHIFT = "/api/v1/namespaces/kube-public/configmaps/microshift-version"
COMPONENT = "/apis/components.platform.opendatahub.io/v1alpha1/kserves/default-kserve"
CONTROLLER = "/apis/apps/v1/namespaces/{}/deployments/kserve-controller-manager"
SERVED = "/apis/serving.kserve.io/v1beta1/namespaces/edgewise-press-line/inferenceservices/meter-reader"
DEPLOYED = "/apis/apps/v1/namespaces/edgewise-press-line/deployments/meter-reader"


@pytest.fixture
def double() -> Double:
    return Double()


@pytest.fixture
def kubeconfig(tmp_path: Path, double: Double, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    with cluster(tmp_path, double) as path:
        monkeypatch.setenv("KUBECONFIG", str(path))
        monkeypatch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(path))
        yield path


@pytest.fixture
def document(tmp_path: Path) -> str:
    path = tmp_path / "release.json"
    path.write_bytes(written(release()))
    return str(path)


def by_image(image: str) -> Any:
    containers = [{"name": "kube-rbac-proxy", "image": "quay.io/brancz/kube-rbac-proxy:v0.18.0"}]
    return {"spec": {"template": {"spec": {"containers": [*containers, {"name": "manager", "image": image}]}}}}


def by_platform(text: str) -> Any:
    return {"status": {"releases": [{"name": "vLLM", "version": "v0.18.0"}, {"name": "KServe", "version": text}]}}


def by_map(major: str, minor: str) -> Any:
    return {"data": {"major": major, "minor": minor, "patch": "3", "version": f"{major}.{minor}.3"}}


@pytest.mark.parametrize(
    ("there", "found"),
    [
        ({CONTROLLER.format("kserve"): by_image("kserve/kserve-controller:v0.15.2")}, Version(0, 15)),
        (
            {CONTROLLER.format("kserve"): by_image("a.example:5000/k/kserve-controller:v0.20.0@sha256:ab")},
            Version(0, 20),
        ),
        ({CONTROLLER.format("opendatahub"): by_image("quay.io/o/kserve-controller:v0.14.0-rc1")}, Version(0, 14)),
        ({COMPONENT: by_platform("v0.17.0")}, Version(0, 17)),
        (
            {COMPONENT: by_platform("v0.17.0"), CONTROLLER.format("kserve"): by_image("k/kserve-controller:v0.11.0")},
            Version(0, 17),
        ),
        (
            {COMPONENT: by_platform("soon"), CONTROLLER.format("kserve"): by_image("k/kserve-controller:v0.11.0")},
            Version(0, 11),
        ),
        ({CONTROLLER.format("kserve"): by_image("quay.io/modh/kserve-controller@sha256:ab")}, None),
        ({CONTROLLER.format("kserve"): by_image("kserve/kserve-controller:latest")}, None),
        ({CONTROLLER.format("kserve"): by_image("r.example/odh-kserve-controller-rhel9:v2.22")}, None),
        ({CONTROLLER.format("kserve"): by_image("k/kserve-controller:v0." + "1" * 5000)}, None),
        ({CONTROLLER.format("kserve"): {"spec": {"template": ["what"]}}, COMPONENT: {"status": {"releases": 7}}}, None),
        ({COMPONENT: {"status": {"releases": ["KServe", {"name": "KServe", "version": 17}]}}}, None),
        ({MICROSHIFT: by_map("4", "20")}, BUNDLED_KSERVE),
        ({MICROSHIFT: by_map("4", "20"), COMPONENT: by_platform("v0.17.0")}, Version(0, 17)),
        ({}, None),
    ],
)
def test_kserve_is_known_by_its_platform_its_controller_or_by_microshift(
    kubeconfig: Path, double: Double, there: dict[str, Any], found: Version | None
):
    double.objects |= there
    with api.Cluster(kubeconfig) as reached:
        assert installed.kserve(reached) == found


@pytest.mark.parametrize(
    ("there", "found"),
    [
        (by_map("4", "19"), Version(4, 19)),
        (by_map("", ""), None),
        (by_map("4", "x" * 100), None),
        ({"data": None}, None),
        ({"data": {"version": "4.19.0"}}, None),
        ({}, None),
    ],
)
def test_microshift_is_known_by_its_map(kubeconfig: Path, double: Double, there: Any, found: Version | None):
    double.objects[MICROSHIFT] = there
    with api.Cluster(kubeconfig) as reached:
        assert installed.microshift(reached) == found


def test_what_is_not_ours_to_see_and_apis_that_are_not_there_are_no_fault(tmp_path: Path, double: Double):
    del double.kinds["components.platform.opendatahub.io/v1alpha1"]
    hidden = {CONTROLLER.format("kserve"): by_image("k/kserve-controller:v0.15.0"), MICROSHIFT: by_map("4", "19")}
    double.objects |= hidden
    double.hidden |= set(hidden)
    with cluster(tmp_path, double) as path, api.Cluster(path) as reached:
        assert installed.kserve(reached) is None
        assert installed.microshift(reached) is None


def test_an_answer_without_end_is_not_read_to_its_end(
    kubeconfig: Path, double: Double, monkeypatch: pytest.MonkeyPatch, document: str, capfd: pytest.CaptureFixture[str]
):
    monkeypatch.setattr(api, "MOST_BYTES", 1 << 20)
    double.objects[COMPONENT] = {"status": {"releases": [{"name": "x" * (2 << 20)}]}}
    assert run(["deploy", document, "--to", "kubernetes", "--yes"]) == 93
    assert "larger than 1 MiB" in capfd.readouterr().err
    assert double.applied() == []


def test_a_cluster_gets_what_its_own_kserve_understands(
    kubeconfig: Path, double: Double, document: str, capfd: pytest.CaptureFixture[str]
):
    mode = "serving.kserve.io/deploymentMode"
    for text, wanted in (("v0.15.0", "RawDeployment"), ("v0.17.0", "Standard")):
        double.objects[COMPONENT] = by_platform(text)
        assert run(["deploy", document, "--to", "kubernetes", "--yes", "--wait", "1"]) == 0
        assert double.objects[SERVED]["metadata"]["annotations"][mode] == wanted
        assert f"the cluster has KServe {text[1:5]}" in capfd.readouterr().err
    told = ["--target-version", "0.15"]
    assert run(["deploy", document, "--to", "kubernetes", "--yes", "--wait", "1", *told]) == 0  # what is said counts
    assert double.objects[SERVED]["metadata"]["annotations"][mode] == "RawDeployment"
    assert "KServe" not in capfd.readouterr().err


def test_a_microshift_gets_an_image_volume_where_it_has_them(
    kubeconfig: Path, double: Double, tmp_path: Path, capfd: pytest.CaptureFixture[str]
):
    path = tmp_path / "modelcar.json"
    path.write_bytes(written(release(Strategy.MODELCAR)))
    for minor, copied in (("19", True), ("20", False)):
        double.objects[MICROSHIFT] = by_map("4", minor)
        double.objects.pop(DEPLOYED, None)
        face = ["--face", "microshift", "--yes", "--wait", "1"]
        assert run(["deploy", str(path), "--to", "kubernetes", *face]) == 0
        assert bool(double.objects[DEPLOYED]["spec"]["template"]["spec"].get("initContainers")) is copied
        assert f"the cluster has MicroShift 4.{minor}" in capfd.readouterr().err


def test_a_cluster_that_does_not_say_gets_the_usual_and_a_sentence(
    kubeconfig: Path, double: Double, document: str, capfd: pytest.CaptureFixture[str]
):
    for face, product in (("openshift", "KServe"), ("microshift", "MicroShift")):
        assert run(["deploy", document, "--to", "kubernetes", "--face", face, "--dry-run"]) == 0
        said = capfd.readouterr().err
        assert f"the cluster does not say which {product} it has: written for" in said
        assert "--target-version" in said


def test_files_are_written_for_the_cluster_that_is_asked(
    kubeconfig: Path, double: Double, document: str, capsys: pytest.CaptureFixture[str]
):
    double.objects |= {COMPONENT: by_platform("v0.15.0"), MICROSHIFT: by_map("4", "18")}
    assert run(["generate", "openshift", document, "--target-version", "kubernetes"]) == 0
    told = capsys.readouterr()
    assert "deploymentMode: RawDeployment" in told.out
    assert "the cluster has KServe 0.15" in told.err
    assert run(["generate", "microshift", document, "--target-version", "kubernetes"]) == 0
    told = capsys.readouterr()
    assert "the cluster has MicroShift 4.18" in told.err
    assert not [one for one in double.sent if one[0] != "GET"]


@pytest.mark.parametrize(
    ("face", "node"), [("quadlet", "kubernetes"), ("openshift", "ssh://gateway"), ("microshift", "ssh://gateway")]
)
def test_a_node_of_another_kind_is_not_asked(document: str, face: str, node: str, capsys: pytest.CaptureFixture[str]):
    assert run(["generate", face, document, "--target-version", node]) == 89
    assert "quadlet asks ssh://" in capsys.readouterr().err


def test_units_are_written_for_the_podman_of_the_device_that_is_asked(
    document: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    program = tmp_path / "ssh"
    program.write_text("#!/bin/sh\necho podman version 4.3.1\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert run(["generate", "quadlet", document, "--target-version", "ssh://root@gateway.example"]) == 0
    told = capsys.readouterr()
    assert "root@gateway.example has Podman 4.3" in told.err
    assert "these units call podman run" in told.err
    assert "# etc/systemd/system/meter-reader.service" in told.out
