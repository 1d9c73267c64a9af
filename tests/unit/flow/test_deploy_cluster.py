"""`edgewise deploy --to kubernetes`: what is sent, in which order, and what is never sent."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from edgewise.cli.main import run
from edgewise.exchange.release import Strategy, written
from fakes.clusters import Double, cluster
from fakes.workloads import release

SPACE = "/api/v1/namespaces/edgewise-press-line"


@pytest.fixture
def double() -> Double:
    return Double()


@pytest.fixture
def kubeconfig(tmp_path: Path, double: Double) -> Iterator[Path]:
    with cluster(tmp_path, double) as path:
        yield path


def put(tmp_path: Path, kubeconfig: Path, *more: str, given=None) -> int:
    path = tmp_path / "release.json"
    path.write_bytes(written(given or release()))
    told = ["--to", "kubernetes", "--kubeconfig", str(kubeconfig), "--wait", "1"]
    return run(["deploy", str(path), *told, *more])


def test_everything_is_applied_by_the_server_in_order(tmp_path: Path, kubeconfig: Path, double: Double, capfd):
    assert put(tmp_path, kubeconfig, "--yes") == 0
    applied = double.applied()
    assert applied[0] == SPACE
    assert [path.rpartition("/")[2] for path in applied[1:]] == ["meter-reader"] * 4 + [
        "meter-reader-metrics",
        "meter-reader",
    ]
    for method, _, query, body, kind in double.sent:
        if method == "PATCH":
            assert kind == "application/apply-patch+yaml"
            assert query["fieldManager"] == ["edgewise"]
            assert query["force"] == ["false"]
            assert body["metadata"]["labels"]["app.kubernetes.io/managed-by"] == "edgewise"
    assert "all of it is ready" in capfd.readouterr().err


def test_a_dry_run_shows_the_difference_and_applies_nothing(tmp_path: Path, kubeconfig: Path, double: Double, capfd):
    assert put(tmp_path, kubeconfig, "--dry-run") == 0
    assert double.applied() == []
    out = capfd.readouterr().out
    assert "new InferenceService edgewise-press-line/meter-reader" in out
    assert "+  namespace: edgewise-press-line" in out


def test_the_second_time_only_what_changes_is_shown(tmp_path: Path, kubeconfig: Path, double: Double, capfd):
    put(tmp_path, kubeconfig, "--yes")
    capfd.readouterr()
    assert put(tmp_path, kubeconfig, "--dry-run") == 0
    assert "changed" not in capfd.readouterr().out
    assert put(tmp_path, kubeconfig, "--dry-run", given=release(version="meter-reader 8")) == 0
    out = capfd.readouterr().out
    assert "changed InferenceService" in out
    assert "-    edgewise.io/version: meter-reader 7" in out
    assert "+    edgewise.io/version: meter-reader 8" in out
    assert "managedFields" not in out
    tried = [query for method, _, query, _, _ in double.sent if method == "PATCH" and "dryRun" in query]
    assert all(query["dryRun"] == ["All"] for query in tried)
    assert len(tried) > 7


def test_what_is_somebody_else_s_is_told_before_anything_is_sent(
    tmp_path: Path, kubeconfig: Path, double: Double, capfd
):
    double.given(SPACE, {"kind": "Namespace", "metadata": {"name": "edgewise-press-line"}}, "kubectl-create")
    path = "/apis/serving.kserve.io/v1beta1/namespaces/edgewise-press-line/inferenceservices/meter-reader"
    double.objects[path] = {
        "kind": "InferenceService",
        "metadata": {"name": "meter-reader", "labels": {"app": "theirs"}},
    }
    assert put(tmp_path, kubeconfig, "--yes") == 91
    said = capfd.readouterr().err
    assert "Namespace edgewise-press-line, InferenceService edgewise-press-line/meter-reader" in said
    assert [one for one in double.sent if one[0] == "PATCH"] == []
    assert put(tmp_path, kubeconfig, "--yes", "--adopt") == 0
    assert {query["force"][0] for method, _, query, _, _ in double.sent if method == "PATCH"} == {"true"}


def test_a_field_that_somebody_else_owns_is_a_conflict_and_nothing_is_applied(
    tmp_path: Path, kubeconfig: Path, double: Double, capfd
):
    assert put(tmp_path, kubeconfig, "--yes") == 0
    path = "/apis/policy/v1/namespaces/edgewise-press-line/poddisruptionbudgets/meter-reader"
    there = double.objects[path]
    there["spec"]["maxUnavailable"] = 2
    double.managers[path][("spec", "maxUnavailable")] = "kubectl-edit"
    applied = len(double.applied())
    assert put(tmp_path, kubeconfig, "--yes", given=release(version="meter-reader 8")) == 91
    said = capfd.readouterr().err
    assert 'PodDisruptionBudget meter-reader: Apply failed with 1 conflict: conflict with "kubectl-edit"' in said
    assert ".spec.maxUnavailable" in said
    assert "--adopt" in said
    assert len(double.applied()) == applied  # the dry run of all of them comes first
    assert put(tmp_path, kubeconfig, "--yes", "--adopt", given=release(version="meter-reader 8")) == 0
    assert double.managers[path][("spec", "maxUnavailable")] == "edgewise"


def test_a_field_that_somebody_else_added_is_left_to_them(tmp_path: Path, kubeconfig: Path, double: Double):
    assert put(tmp_path, kubeconfig, "--yes") == 0
    path = "/api/v1/namespaces/edgewise-press-line/services/meter-reader-metrics"
    double.objects[path]["metadata"]["labels"]["team"] = "line-3"
    double.managers[path][("metadata", "labels", "team")] = "kubectl-label"
    assert put(tmp_path, kubeconfig, "--yes") == 0


def test_a_namespace_with_what_is_somebody_else_s_is_told_with_what_is_in_it(
    tmp_path: Path, kubeconfig: Path, double: Double, capfd
):
    double.given(SPACE, {"kind": "Namespace", "metadata": {"name": "edgewise-press-line"}}, "kubectl-create")
    for name in ("shop", "till"):
        one = {"kind": "Service", "metadata": {"name": name}}
        double.given(f"{SPACE}/services/{name}", one, "helm")
    assert put(tmp_path, kubeconfig, "--yes") == 91
    assert "; in the namespace are Service shop, Service till" in capfd.readouterr().err
    assert [one for one in double.sent if one[0] == "PATCH"] == []


def test_the_double_refuses_what_is_no_clean_apply(double: Double):
    """So that what the other tests send is one."""
    good = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "a", "labels": {"x": "y"}}}
    asked = {"fieldManager": ["edgewise"]}
    path, kind = "/api/v1/namespaces/a", "application/apply-patch+yaml"
    assert double.answer("PATCH", path, asked, good, kind)[0] == 200
    for query, body, content in (
        (asked, good, "application/merge-patch+json"),
        ({}, good, kind),
        (asked, good | {"metadata": {"name": "b"}}, kind),
        (asked, good | {"metadata": {"name": "a", "uid": "1"}}, kind),
        (asked, good | {"status": {}}, kind),
        (asked, good | {"metadata": {"name": "a", "labls": {}}}, kind),
    ):
        assert double.answer("PATCH", path, query, body, content)[0] == 400


def test_what_the_cluster_does_not_take_is_told_in_its_words(tmp_path: Path, kubeconfig: Path, double: Double, capfd):
    put(tmp_path, kubeconfig, "--yes")
    sent = len(double.applied())
    path = "/apis/serving.kserve.io/v1beta1/namespaces/edgewise-press-line/inferenceservices/meter-reader"
    double.refused[path] = (422, "admission webhook denied the request: no storage")
    assert put(tmp_path, kubeconfig, "--yes", given=release(version="8")) == 93
    assert "no storage" in capfd.readouterr().err
    assert len(double.applied()) == sent


def test_a_cluster_without_kserve_is_told_what_it_lacks(tmp_path: Path, capfd):
    double = Double(without="kserve")
    with cluster(tmp_path, double) as kubeconfig:
        assert put(tmp_path, kubeconfig, "--yes") == 89
        assert "KServe brings it" in capfd.readouterr().err
        assert put(tmp_path, kubeconfig, "--yes", "--face", "microshift", given=release(Strategy.EMBEDDED)) == 0
        assert any("deployments/meter-reader" in path for path in double.applied())


def test_what_does_not_become_ready_is_said_with_the_cluster_s_reason(
    tmp_path: Path, kubeconfig: Path, double: Double, capfd
):
    double.ready = False
    assert put(tmp_path, kubeconfig, "--yes") == 93
    assert "image cannot be pulled" in capfd.readouterr().err


def test_a_cluster_that_is_not_there_or_does_not_know_us(tmp_path: Path, kubeconfig: Path, double: Double, capfd):
    double.token = "another"
    assert put(tmp_path, kubeconfig, "--yes") == 92
    assert "oc login" in capfd.readouterr().err
    assert put(tmp_path, tmp_path / "nothing", "--yes") == 92
    text = kubeconfig.read_text()
    gone = tmp_path / "gone"
    gone.write_text(text.replace(text.split("server: ")[1].split("\n")[0], "http://127.0.0.1:1"))
    assert put(tmp_path, gone, "--yes") == 92


def test_nobody_to_ask_is_no_consent(tmp_path: Path, kubeconfig: Path, double: Double):
    assert put(tmp_path, kubeconfig) == 2
    assert double.applied() == []
