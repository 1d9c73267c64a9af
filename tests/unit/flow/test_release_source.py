"""Which release a node gets: from a document, from the last build of a site, or from the tree of what is published."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from edgewise.build.platforms import AMD64
from edgewise.build.strategies.bundle import Strategy
from edgewise.cli.main import run
from edgewise.core.rollouts import run as rollouts
from edgewise.core.rollouts.policy import Policy
from edgewise.exchange import release as releases
from edgewise.flow import build, edgefile, fleet, plan, publish
from edgewise.flow.build import Wishes
from edgewise.flow.edgefile import Project
from edgewise.flow.served import Served
from edgewise.hardware import catalogue
from edgewise.nouns import Plan, RuntimeName, Site
from edgewise.runtimes import served as served_models
from edgewise.store.steps import Store
from fakes import fleets, offline, plans
from fakes.model_folders import model_folder
from fakes.releases import Releases

GATEWAY, CARD = "x86-gateway-n100", "nvidia-l4"
SOURCE = ("--source", "registry.example/plant")
EDGE = """
apiVersion: edgewise/v1
model: {name: meter, file: model.onnx, data: eval.npz, metric: accuracy}
sites:
  press-line: {node: device, machines: [x86-gateway-n100], budget: {latency_p99: 10ms}}
  gateway-1: {node: microshift, machines: [x86-gateway-n100], budget: {latency_p99: 10ms}}
  gateway-2: {node: microshift, machines: [x86-gateway-n100], budget: {latency_p99: 10ms}}
"""


def planned() -> Plan:
    """A plan whose choice was made for a machine of the catalogue."""
    made = plans.feasible_plan()
    verdicts = tuple(replace(one, design=replace(one.design, machine=GATEWAY)) for one in made.verdicts)
    return replace(made, verdicts=verdicts, machines=(catalogue.find(GATEWAY),))


def served(project: Project, _: Site, store: Store, *, version: str) -> Served:
    made = planned()
    model = replace(model_folder(store, version=version, name=project.name).model, design=made.choice or "")
    return Served(model=model, document=served_models.written(model), plan=made)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with an edge.yaml, and a store in which its device's model was built as a modelcar."""
    folder = tmp_path_factory.mktemp("project")
    (folder / "edge.yaml").write_text(EDGE)
    with pytest.MonkeyPatch.context() as patch:
        for module in (build, publish):
            patch.setattr(module, "served", served)
        patch.setattr(plan, "last", lambda *_, **__: planned())
        offline.install(patch, offline.shelf(tmp_path_factory.mktemp("shelf")))
        project = edgefile.load(folder / "edge.yaml")
        wishes = Wishes(platforms=(AMD64,), strategy=Strategy.MODELCAR)
        build.build(project, project.site("press-line"), folder=folder / "store", wishes=wishes)
        yield folder


def generate(folder: Path, *more: str, verb: str = "quadlet") -> int:
    return run(["generate", verb, *more, "--store", str(folder / "store")])


def test_the_last_build_of_a_site_before_it_is_published(built: Path, capsys, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(built)
    assert generate(built, *SOURCE, "--target-version", "5.5") == 0
    out, err = capsys.readouterr()
    project = edgefile.load(Path("edge.yaml"))
    wishes = publish.Wishes(version="1", source=SOURCE[1], settings={})
    made = publish.release_of(project, project.site("press-line"), wishes, folder=built / "store")
    digest = releases.digest(releases.written(made))
    assert f"the last build of press-line, which is not published: {digest}" in err
    assert f"Image=registry.example/plant/meter/press-line@{made.parts[0].digest}" in out
    assert f"Image=registry.example/plant/meter/press-line/model@{made.parts[1].digest}" in out
    assert f"# etc/containers/systemd/meter-{digest[7:19]}.image" in out
    assert made.design is not None
    assert f"--cpus {min(made.design.threads + 1, 4)}\n" in out
    assert "\nMemory=" in out


def test_which_site_and_where_its_images_are_must_be_clear(built: Path, capsys):
    edge = str(built / "edge.yaml")
    assert generate(built, edge) == 2
    assert "--source is needed" in capsys.readouterr().err
    assert generate(built, edge, *SOURCE, verb="microshift") == 89
    assert "more than one site whose node is microshift" in capsys.readouterr().err
    assert generate(built, edge, *SOURCE, verb="openshift") == 89
    assert "no site whose node is openshift" in capsys.readouterr().err
    assert generate(built, edge, *SOURCE, "--site", "gateway-1", verb="microshift") == 18
    assert "nothing of version 1 was built for gateway-1" in capsys.readouterr().err
    assert generate(built, edge, *SOURCE, "--site", "press-line", verb="microshift") == 0  # asked for by name


@pytest.fixture
def tree(tmp_path: Path) -> Releases:
    """Two releases of a site: one that every device takes, and one that waits."""
    made = Releases.make(tmp_path, "press-line")
    made.publish(made.release("1"))
    made.publish(made.release("2"))
    return made


def of_tree(tree: Releases, *more: str, verb: str = "quadlet") -> int:
    return run(["generate", verb, *more, "--tree", str(tree.folder), "--keys", str(tree.keys)])


def test_what_is_published_by_site_and_by_digest(tree: Releases, capsys):
    digest = {version: releases.digest(releases.written(tree.release(version))) for version in "12"}
    for names, version in ((["press-line"], "1"), (["press-line", "--candidate"], "2"), ([digest["2"]], "2")):
        assert of_tree(tree, *names) == 0
        assert f"Label=io.edgewise.release={digest[version]}" in capsys.readouterr().out
    assert of_tree(tree, digest["2"][7:25]) == 0  # the beginning is enough
    for name in ("packing-line", "0" * 12, "sha256:" + "0" * 64):
        assert of_tree(tree, name) == 18
    assert "a digest, or a site: press-line" in capsys.readouterr().err
    assert of_tree(tree, "press-line", "--stage", "1") == 78


def inference_service(out: str) -> Any:
    return next(
        one for one in yaml.safe_load_all(out.replace("\n# ", "\n---\n# ")) if one["kind"] == "InferenceService"
    )


def test_the_rollout_s_stage_is_the_canary_s_share(tree: Releases, capsys):
    digest, _ = rollouts.start(tree.desk(), "press-line", Policy(stages=("ring=canary", "12", "100"), soak_s=0))
    asked = ["press-line", "--candidate", "--mode", "knative"]
    for stage, percent in (("1", 0), ("2", 12), ("3", 100)):
        assert of_tree(tree, *asked, "--stage", stage, verb="openshift") == 0
        made = inference_service(capsys.readouterr().out)
        assert made["spec"]["predictor"]["canaryTrafficPercent"] == percent
        assert made["metadata"]["annotations"]["edgewise.io/release"] == digest
    assert of_tree(tree, *asked, verb="openshift") == 0
    assert inference_service(capsys.readouterr().out)["spec"]["predictor"]["canaryTrafficPercent"] == 0
    assert of_tree(tree, *asked, "--canary", "7", verb="openshift") == 0
    assert inference_service(capsys.readouterr().out)["spec"]["predictor"]["canaryTrafficPercent"] == 7
    assert of_tree(tree, *asked, "--stage", "4", verb="openshift") == 1
    assert "3 stages, and no stage 4" in capsys.readouterr().err
    assert of_tree(tree, *asked[:2], verb="openshift") == 0
    out, err = capsys.readouterr()
    assert "canaryTrafficPercent" not in out
    assert "--mode knative alone" in err


def test_what_was_withdrawn_changed_or_has_expired_is_not_generated(tree: Releases, capsys):
    digest, _ = rollouts.start(tree.desk(), "press-line", Policy(stages=("100",), soak_s=0))
    rollouts.abort(tree.desk(), "press-line", "its devices fail")
    assert of_tree(tree, digest) == 89
    assert "was withdrawn" in capsys.readouterr().err
    assert of_tree(tree, "press-line", "--candidate") == 78
    (document,) = tree.folder.glob(f"targets/press-line/{_plain(tree, '1')}.*")
    document.write_bytes(document.read_bytes() + b" ")
    assert of_tree(tree, "press-line") == 74


def test_a_tree_that_nobody_vouches_for_any_more_is_told(tree: Releases, monkeypatch: pytest.MonkeyPatch, capsys):
    import time

    later = time.time() + 30 * 86400
    monkeypatch.setattr("edgewise.cli._trees.time.time", lambda: later)
    assert of_tree(tree, "press-line") == 79
    assert "has expired" in capsys.readouterr().err


def _plain(tree: Releases, version: str) -> str:
    return releases.digest(releases.written(tree.release(version))).removeprefix("sha256:")


def test_a_fleet_s_plan_says_machine_accelerator_replicas_and_who_shares_it(tmp_path: Path, capsys):
    on = {"on": (fleets.GATEWAY,), "runtime": RuntimeName.OPENVINO}
    made = fleets.fleet_plan([fleets.owned(count=2)], [fleets.member("meter-reader", 900, replicas=2, **on)])
    (tmp_path / "plan.json").write_text(json.dumps(fleet.document(made)))
    from fakes.workloads import release

    (tmp_path / "release.json").write_bytes(releases.written(release()))
    told = ["generate", "openshift", str(tmp_path / "release.json"), "--fleet-plan", str(tmp_path / "plan.json")]
    assert run(told) == 0
    assert inference_service(capsys.readouterr().out)["spec"]["predictor"]["minReplicas"] == 2
    assert run([*told, "--machine", CARD]) == 89
    (tmp_path / "plan.json").write_text("{}")
    assert run(told) == 10
    assert "holds no plan of a fleet" in capsys.readouterr().err
