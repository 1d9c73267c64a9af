"""The pipeline is accepted by the schemas of its API, names only what it declares, and gives secrets as files alone."""

import copy
import re
import runpy
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from edgewise.build.nodes.kubernetes.tekton import pipeline
from edgewise.build.nodes.kubernetes.tekton.pipeline import MOST_SITES, PipelineLayout
from edgewise.build.nodes.kubernetes.validate import validate
from edgewise.build.nodes.versions import Version
from edgewise.errors import NotDeployable

KUBERNETES = Version(1, 33)
PLAIN = PipelineLayout(
    name="meter-reader",
    namespace="edgewise",
    image="registry.example/edgewise@sha256:" + "a" * 64,
    sites=("press-line", "gate"),
    registry="registry.example/plant",
    tree="s3://releases/plant",
)
FULL = replace(
    PLAIN,
    signed=True,
    tree_secret="plant-bucket",
    node_selector={"node-role.kubernetes.io/edge": ""},
    fs_group=1001,
    service_account="pipeline",
)
BARE = replace(PLAIN, anonymous=True, claim="there-already")


def documents(layout):
    return [(one.path, yaml.safe_load(one.content)) for one in pipeline.files(layout)]


def of_kind(layout, kind):
    return [one for _, one in documents(layout) if one["kind"] == kind]


@pytest.mark.parametrize("layout", [PLAIN, FULL, BARE], ids=["plain", "full", "bare"])
@pytest.mark.parametrize("minor", [29, 33])
def test_every_tree_is_taken(layout, minor):
    assert validate(documents(layout), Version(1, minor)) == []


@pytest.mark.parametrize("layout", [PLAIN, FULL, BARE], ids=["plain", "full", "bare"])
def test_everything_that_is_named_is_declared(layout):
    """What Tekton's webhook checks beyond types: parameters, workspaces, results, Tasks and their order."""
    tasks = {one["metadata"]["name"]: one["spec"] for one in of_kind(layout, "Task")}
    (made,) = (one["spec"] for one in of_kind(layout, "Pipeline"))
    (run,) = (one["spec"] for one in of_kind(layout, "PipelineRun"))
    for spec in tasks.values():
        text = yaml.safe_dump(spec["steps"])
        for kind in ("params", "workspaces", "results"):
            said = set(re.findall(rf"\$\({kind}\.([\w-]+)", text))
            assert said == {one["name"] for one in spec[kind]}, kind
    before: list[str] = []
    for one in made["tasks"]:
        spec = tasks[one["taskRef"]["name"]]
        assert {each["name"] for each in one["params"]} == {each["name"] for each in spec["params"]}
        assert {each["name"] for each in one["workspaces"]} == {each["name"] for each in spec["workspaces"]}
        assert one.get("runAfter", []) == before[-1:]
        before.append(one["name"])
    text = yaml.safe_dump(made["tasks"])
    assert set(re.findall(r"\$\(params\.([\w-]+)", text)) == {one["name"] for one in made["params"]}
    assert {use["workspace"] for one in made["tasks"] for use in one["workspaces"]} == {
        one["name"] for one in made["workspaces"]
    }
    for one in made["results"]:
        task, result = re.fullmatch(r"\$\(tasks\.(\w+)\.results\.(\w+)\)", one["value"]).groups()
        assert result in {each["name"] for each in tasks[f"{layout.name}-{task}"]["results"]}
    assert run["pipelineRef"]["name"] == layout.name
    assert {one["name"] for one in run["params"]} == {one["name"] for one in made["params"]}
    assert {one["name"] for one in run["workspaces"]} == {one["name"] for one in made["workspaces"]}
    claims = {one["persistentVolumeClaim"]["claimName"] for one in run["workspaces"] if "secret" not in one}
    assert len(claims) == 1, "a Task may not mount two claims where the pods of a run share a node"


def test_each_task_does_its_own_step_of_the_verb():
    from edgewise.cli import run as verb

    options = {one.opts[0] for one in options_of(verb.run)}
    for number, task in enumerate(of_kind(FULL, "Task")):
        (step,) = task["spec"]["steps"]
        assert step["command"] == ["edgewise", "run"]
        name = ("plan", "build", "push", "publish")[number]
        assert step["args"][:5] == ["$(params.edge-yaml)", "--from", name, "--until", name]
        assert {word for word in step["args"] if word.startswith("--")} <= options


def options_of(function):
    import typer

    app = typer.Typer()
    app.command()(function)
    return typer.main.get_command(app).params


def test_secrets_are_files_and_no_file_holds_one():
    text = yaml.safe_dump_all([one for _, one in documents(FULL)])
    assert "latest" not in text
    assert not of_kind(FULL, "Secret")
    publish = of_kind(FULL, "Task")[3]["spec"]["steps"][0]
    assert "--keys" in publish["args"]
    assert {one["name"]: one["valueFrom"]["secretKeyRef"] for one in publish["env"] if "valueFrom" in one} == {
        "EDGEWISE_KEY_PASSPHRASE": {"name": "meter-reader-keys", "key": "passphrase", "optional": True}
    }
    assert publish["envFrom"] == [{"secretRef": {"name": "plant-bucket"}}]
    for task in of_kind(FULL, "Task")[:3]:
        assert "keys" not in [one["name"] for one in task["spec"]["workspaces"]]
    for task in of_kind(FULL, "Task"):
        assert "@sha256:" in task["spec"]["steps"][0]["image"]
        assert task["spec"]["steps"][0]["computeResources"]["limits"]["memory"]


def test_what_is_applied_is_in_the_kustomization_and_the_run_is_not():
    files = {one.path: yaml.safe_load(one.content) for one in pipeline.files(PLAIN)}
    tree = files["meter-reader/kustomization.yaml"]["resources"]
    assert sorted(f"meter-reader/{one}" for one in tree) == sorted(
        path for path in files if not path.endswith(("run.yaml", "kustomization.yaml"))
    )
    assert files["meter-reader/run.yaml"]["metadata"]["generateName"] == "meter-reader-"
    assert "name" not in files["meter-reader/run.yaml"]["metadata"]
    assert not of_kind(BARE, "PersistentVolumeClaim")


def test_more_sites_than_results_can_hold_are_refused():
    assert pipeline.files(replace(PLAIN, sites=tuple("abcdefgh")))
    with pytest.raises(NotDeployable, match=str(MOST_SITES)):
        pipeline.files(replace(PLAIN, sites=tuple("abcdefghi")))


# --- Faults -------------------------------------------------------------------------------------

EVERY = {one["kind"]: one for _, one in documents(FULL) if one["kind"] in ("Task", "Pipeline", "PipelineRun")}
FREE = ("labels", "requests", "limits", "nodeSelector")


def places(value, path=()):
    """Paths of all keys whose spelling the API decides."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if not path or path[-1] not in FREE:
                yield (*path, key)
            yield from places(inner, (*path, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from places(inner, (*path, index))


def at(value, path):
    for step in path:
        value = value[step]
    return value


@pytest.mark.parametrize("kind", EVERY)
def test_every_seeded_typo_and_wrong_type_is_caught(kind):
    found = list(places(EVERY[kind]))
    assert len(found) > 40
    for path in found:
        broken = copy.deepcopy(EVERY[kind])
        parent = at(broken, path[:-1])
        parent[f"{path[-1]}x"] = parent.pop(path[-1])
        assert validate([("a.yaml", broken)], KUBERNETES), path
        broken = copy.deepcopy(EVERY[kind])
        parent, key = at(broken, path[:-1]), path[-1]
        parent[key] = (
            7.5 if path[-1] in ("value", "default") else {"a": [1]} if not isinstance(parent[key], dict) else "b"
        )
        assert validate([("a.yaml", broken)], KUBERNETES), path


def test_the_schemas_are_what_their_table_makes(tmp_path, monkeypatch):
    script = Path(__file__).resolve().parents[4] / "docs/_make_tekton_schemas.py"
    table = runpy.run_path(str(script))
    kept = table["SCHEMAS"]
    monkeypatch.setitem(table["main"].__globals__, "SCHEMAS", tmp_path)
    table["main"]()
    for made in tmp_path.iterdir():
        assert made.read_text() == (kept / made.name).read_text(), "python docs/_make_tekton_schemas.py"
    assert len(list(tmp_path.iterdir())) == 3


def test_names_durations_and_kinds_that_cannot_be_are_caught():
    task, made, run = (copy.deepcopy(EVERY[kind]) for kind in ("Task", "Pipeline", "PipelineRun"))
    task["spec"]["steps"][0]["name"] = "Plan_"
    made["spec"]["tasks"][0]["timeout"] = "4 hours"
    run["spec"]["timeouts"] = {"pipelines": "8h"}
    for one in (task, made, run, EVERY["Task"] | {"apiVersion": "tekton.dev/v2"}, EVERY["Task"] | {"kind": "Tasks"}):
        assert len(validate([("a.yaml", one)], KUBERNETES)) == 1
