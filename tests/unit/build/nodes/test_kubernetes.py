"""Every manifest of every face is accepted by the schemas of its API; every seeded fault is caught offline."""

import copy
import os
import re
import subprocess
from itertools import product
from pathlib import Path

import kubernetes_validate
import pytest
import yaml

from edgewise.build.nodes.describe import Wish, describe
from edgewise.build.nodes.description import NodeKind
from edgewise.build.nodes.kubernetes import hub, microshift, openshift
from edgewise.build.nodes.kubernetes.kserve import Mode, Serving
from edgewise.build.nodes.kubernetes.pod import Modelcar
from edgewise.build.nodes.kubernetes.validate import OURS, validate
from edgewise.build.nodes.versions import Version, kubernetes_of
from edgewise.errors import NotDeployable
from edgewise.exchange.release import Strategy
from edgewise.hardware import catalogue
from fakes.workloads import MODEL, MODEL_JSON, RELEASE, SERVER, release, workload

STRATEGIES = [Strategy.EMBEDDED, Strategy.EXTERNAL, Strategy.MODELCAR]
HUB = hub.HubLayout(
    image=f"registry.example/edgewise@{SERVER}", namespace="edgewise", database_image=f"registry.example/pg@{MODEL}"
)


def documents(files):
    return [(one.path, yaml.safe_load(one.content)) for one in files if one.path.endswith(".yaml")]


def kinds(files):
    return {one["kind"]: one for _, one in documents(files)}


def for_microshift(strategy=Strategy.MODELCAR, minor=20, **changes):
    layout = microshift.Layout(microshift=Version(4, minor), namespace="edgewise-press-line", **changes)
    return microshift.files(workload(strategy, NodeKind.MICROSHIFT), layout)


KSERVE, KUBERNETES = Version(0, 17), Version(1, 33)


def for_openshift(strategy=Strategy.MODELCAR, kserve=KSERVE, made=None, kubernetes=KUBERNETES, **serving):
    if strategy is Strategy.EXTERNAL:
        serving = {"storage": "pvc://meter-reader-model/models"} | serving
    layout = openshift.Layout(kubernetes=kubernetes, namespace="models", serving=Serving(kserve=kserve, **serving))
    return openshift.files(made or workload(strategy, NodeKind.OPENSHIFT), layout)


@pytest.mark.parametrize(("strategy", "minor", "grpc"), product(STRATEGIES, [16, 18, 20, 22], [False, True]))
def test_microshift_takes_every_tree(strategy: Strategy, minor: int, grpc: bool):
    files = for_microshift(strategy, minor, grpc=grpc)
    assert validate(documents(files), kubernetes_of(Version(4, minor))) == []


@pytest.mark.parametrize(("strategy", "mode", "minor"), product(STRATEGIES, Mode, [15, 17, 20]))
def test_a_cluster_takes_every_tree(strategy: Strategy, mode: Mode, minor: int):
    assert validate(documents(for_openshift(strategy, Version(0, minor), mode=mode)), Version(1, 33)) == []


def test_the_hub_s_tree_is_taken_and_holds_no_password():
    files = hub.files(HUB)
    assert validate(documents(files), Version(1, 33)) == []
    secrets = {
        variable["name"]: variable["valueFrom"]["secretKeyRef"]
        for _, one in documents(files)
        if one["kind"] == "Deployment"
        for variable in one["spec"]["template"]["spec"]["containers"][0]["env"]
        if "valueFrom" in variable
    }
    assert secrets["EDGEWISE_DATABASE"] == {"name": "edgewise-hub-database", "key": "url"}
    assert secrets["POSTGRESQL_PASSWORD"]["key"] == "password"
    assert all(one["kind"] != "Secret" for _, one in documents(files))


def test_a_database_that_is_there_already_is_not_written():
    layout = hub.HubLayout(image=HUB.image, namespace="edgewise", database=False)
    assert "PersistentVolumeClaim" not in kinds(hub.files(layout))


@pytest.mark.parametrize("files", [for_microshift(serving=True), for_openshift(), hub.files(HUB)], ids=["m", "o", "h"])
def test_images_are_pinned_and_nothing_is_latest_or_an_ingress(files):
    text = b"".join(one.content for one in files if one.path.endswith(".yaml")).decode()
    assert "latest" not in text
    assert "kind: Ingress" not in text
    images = [line.split(":", 1)[1].strip() for line in text.splitlines() if line.strip().startswith("image: ")]
    assert images
    assert all("@sha256:" in image for image in images)
    assert "null" not in text
    assert "creationTimestamp" not in text
    assert "status:" not in text


def test_kustomizations_name_every_file_once_and_the_namespace_first():
    for files in (for_microshift(), for_openshift(), hub.files(HUB)):
        written = [one.path.rpartition("/")[2] for one in files if one.path.endswith(".yaml")]
        tree = kinds(files)["Kustomization"]["resources"]
        assert sorted(tree) == sorted(name for name in written if name != "kustomization.yaml")
        assert tree[0].startswith("namespace-")


# --- MicroShift ---------------------------------------------------------------------------------


def pod_of(files):
    return kinds(files)["Deployment"]["spec"]["template"]["spec"]


def test_a_modelcar_is_an_image_volume_where_the_version_has_them_and_an_init_container_before():
    new, old = pod_of(for_microshift(minor=20)), pod_of(for_microshift(minor=18))
    assert [one["image"]["reference"] for one in new["volumes"] if "image" in one] == [
        f"registry.example:5000/plant/model@{MODEL}"
    ]
    assert "initContainers" not in new
    (copying,) = old["initContainers"]
    assert copying["command"] == ["/bin/cp", "-R", "/models/.", "/out"]
    assert {one["name"]: one["value"] for one in old["containers"][0]["env"]}["EDGEWISE_MODEL"] == "/mnt/models"
    asked = pod_of(for_microshift(minor=18, modelcar=Modelcar.IMAGE_VOLUME))
    assert "initContainers" not in asked
    with pytest.raises(NotDeployable, match="knows no image volumes"):
        for_microshift(minor=17, modelcar=Modelcar.IMAGE_VOLUME)


def test_an_external_model_is_a_claim_by_digest():
    files = for_microshift(Strategy.EXTERNAL)
    assert kinds(files)["PersistentVolumeClaim"]["metadata"]["name"] == "meter-reader-model"
    env = {one["name"]: one["value"] for one in pod_of(files)["containers"][0]["env"]}
    assert env["EDGEWISE_MODEL"] == f"/mnt/models/{MODEL_JSON.replace(':', '/')}"
    assert env["EDGEWISE_MODEL_DIGEST"] == MODEL_JSON


def test_pods_are_restricted_and_limited():
    pod = pod_of(for_microshift())
    security = pod["containers"][0]["securityContext"]
    assert security["readOnlyRootFilesystem"] is True
    assert security["allowPrivilegeEscalation"] is False
    assert security["capabilities"] == {"drop": ["ALL"]}
    assert "runAsUser" not in security  # OpenShift gives every namespace users of its own
    assert pod["automountServiceAccountToken"] is False
    assert pod["containers"][0]["resources"]["limits"] == {"cpu": "1", "memory": "189Mi"}


def test_kserve_on_microshift_has_its_runtime_in_the_namespace_and_the_old_name_of_the_mode():
    found = kinds(for_microshift(serving=True))
    assert found["ServingRuntime"]["metadata"]["namespace"] == found["InferenceService"]["metadata"]["namespace"]
    assert found["InferenceService"]["metadata"]["annotations"]["serving.kserve.io/deploymentMode"] == "RawDeployment"
    assert found["InferenceService"]["spec"]["predictor"]["model"]["storageUri"].startswith("oci://")
    assert "Deployment" not in found


@pytest.mark.parametrize(
    ("strategy", "minor", "machine", "reason"),
    [
        (Strategy.EXTERNAL, 20, "", "OCI images alone"),
        (Strategy.MODELCAR, 18, "", "no AI model serving"),
        (Strategy.MODELCAR, 20, "raspberry-pi-5", "x86_64 alone"),
    ],
)
def test_kserve_on_microshift_refuses_what_it_cannot(strategy: Strategy, minor: int, machine: str, reason: str):
    wish = Wish(machine=catalogue.find(machine)) if machine else Wish()
    made = describe(release(strategy), RELEASE, NodeKind.MICROSHIFT, wish)
    layout = microshift.Layout(microshift=Version(4, minor), namespace="a", serving=True)
    with pytest.raises(NotDeployable, match=reason):
        microshift.files(made, layout)


PROGRAMS = {
    "microshift": """#!/bin/sh
[ "$2" = --help ] && exit ${HAS_HEALTHCHECK:-0}
echo "microshift $*" >> "$LOG"
exit ${UP:-0}
""",
    "oc": """#!/bin/sh
echo "oc $*" >> "$LOG"
case "$1" in get) echo "$RUNNING";; exec) exit ${GOLDEN:-0};; esac
""",
}


@pytest.mark.parametrize(
    ("told", "code", "said"),
    [
        ({"RUNNING": RELEASE}, 0, "serves"),
        ({"RUNNING": RELEASE, "HAS_HEALTHCHECK": "1"}, 0, "serves"),
        ({"RUNNING": RELEASE, "UP": "1"}, 1, "is not up"),
        ({"RUNNING": "sha256:other"}, 1, "runs sha256:other, not"),
        ({"RUNNING": RELEASE, "GOLDEN": "1"}, 1, "has not reproduced its golden"),
    ],
)
def test_greenboot_s_check_asks_for_the_workload_its_release_and_its_golden(tmp_path: Path, told, code: int, said: str):
    for one in for_microshift():
        if not one.path.endswith(".yaml"):
            (tmp_path / one.path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / one.path).write_bytes(one.content)
    for name, text in PROGRAMS.items():
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    script = tmp_path / "etc/greenboot/check/required.d/50_edgewise.sh"
    environment = {
        "PATH": f"{tmp_path}:{os.environ['PATH']}",
        "LOG": str(tmp_path / "log"),
        "EDGEWISE_GREENBOOT": str(tmp_path / "etc/edgewise/greenboot"),
        **told,
    }
    done = subprocess.run(["bash", script], env=environment, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == code, done.stderr
    assert said in done.stdout + done.stderr
    log = (tmp_path / "log").read_text()
    waiting = "oc rollout status" if told.get("HAS_HEALTHCHECK") else "microshift healthcheck --timeout=300s"
    assert log.startswith(waiting)
    assert "edgewise-press-line" in log


# --- OpenShift ----------------------------------------------------------------------------------


def predictor_of(files):
    return kinds(files)["InferenceService"]["spec"]["predictor"]


def test_each_strategy_has_its_storage():
    assert predictor_of(for_openshift())["model"]["storageUri"] == f"oci://registry.example:5000/plant/model@{MODEL}"
    native = for_openshift(kserve=Version(0, 20), native=True)
    assert predictor_of(native)["model"]["storageUri"].startswith("oci+native://")
    bucket = for_openshift(Strategy.EXTERNAL, storage="s3://models/meter", service_account="reader")
    assert predictor_of(bucket)["model"]["storageUri"] == "s3://models/meter"
    assert predictor_of(bucket)["serviceAccountName"] == "reader"
    assert kinds(bucket)["NetworkPolicy"]["spec"]["egress"] == [{}]
    embedded = for_openshift(Strategy.EMBEDDED)
    assert "model" not in predictor_of(embedded)
    assert predictor_of(embedded)["containers"][0]["image"].endswith(SERVER)
    assert "ServingRuntime" not in kinds(embedded)


def test_modes_have_the_names_of_their_version():
    names = [
        kinds(for_openshift(kserve=Version(0, minor), mode=mode))["InferenceService"]["metadata"]["annotations"][
            "serving.kserve.io/deploymentMode"
        ]
        for minor, mode in product([15, 17], Mode)
    ]
    assert names == ["RawDeployment", "Serverless", "Standard", "Knative"]


def test_a_stage_of_the_rollout_is_the_canary_s_share_of_the_traffic():
    assert predictor_of(for_openshift(mode=Mode.KNATIVE, canary_percent=10))["canaryTrafficPercent"] == 10
    with pytest.raises(NotDeployable, match="Knative mode alone"):
        for_openshift(canary_percent=10)


def test_a_share_of_an_accelerator_is_asked_for_and_nodes_that_have_it():
    wish = Wish(machine=catalogue.find("nvidia-h100-80gb"), accelerator="gpu", share="1g.10gb")
    made = describe(release(), RELEASE, NodeKind.OPENSHIFT, wish)
    predictor = predictor_of(for_openshift(made=made))
    assert predictor["model"]["resources"]["limits"]["nvidia.com/mig-1g.10gb"] == "1"
    assert predictor["nodeSelector"] == {"nvidia.com/gpu.present": "true"}
    assert predictor["tolerations"] == [{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}]


def test_more_replicas_scale_by_load():
    predictor = predictor_of(for_openshift(min_replicas=1, max_replicas=4))
    assert (predictor["maxReplicas"], predictor["scaleMetric"], predictor["scaleTarget"]) == (4, "cpu", 80)


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"native": True}, "knows no oci"),
        ({"native": True, "kserve": Version(0, 20), "kubernetes": Version(1, 32)}, "needs Kubernetes 1.33"),
        ({"strategy": Strategy.EXTERNAL, "storage": "/models"}, "--storage"),
        ({"storage": "pvc://a/b"}, "has no meaning"),
        ({"min_replicas": 0}, "scales to nothing"),
        ({"min_replicas": 3, "max_replicas": 2}, "fewer"),
    ],
)
def test_a_cluster_refuses_what_it_cannot(given, reason: str):
    with pytest.raises(NotDeployable, match=reason):
        for_openshift(**given)


def test_a_name_that_no_service_can_have_is_refused():
    with pytest.raises(NotDeployable, match="a letter first"):
        describe(release(model_name="7-meters"), RELEASE, NodeKind.OPENSHIFT, Wish())


# --- Faults -------------------------------------------------------------------------------------

EVERY = {
    **{one["kind"]: one for _, one in documents(for_microshift(Strategy.EXTERNAL))},
    **{one["kind"]: one for _, one in documents(for_openshift(min_replicas=1, max_replicas=2))},
}
EVERY.pop("Kustomization")


FREE = ("labels", "annotations", "matchLabels", "requests", "limits", "nodeSelector")


def places(value, path=()):
    """Paths of all keys whose spelling the API decides."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if not path or (path[-1] not in FREE and path != ("spec", "selector")) or key == "matchLabels":
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
def test_every_seeded_typo_is_caught(kind: str):
    found = list(places(EVERY[kind]))
    assert found
    for path in found:
        broken = copy.deepcopy(EVERY[kind])
        parent = at(broken, path[:-1])
        parent[f"{path[-1]}x"] = parent.pop(path[-1])
        assert validate([("a.yaml", broken)], Version(1, 33)), path


@pytest.mark.parametrize("kind", EVERY)
def test_every_seeded_wrong_type_is_caught(kind: str):
    either = {"port", "targetPort", "maxUnavailable", "cpu", "memory", "storage", "sizeLimit"}
    for path in places(EVERY[kind]):
        broken = copy.deepcopy(EVERY[kind])
        parent, key = at(broken, path[:-1]), path[-1]
        wrong = {"a": [1]} if not isinstance(parent[key], dict) else "text"
        parent[key] = wrong
        assert key in either or validate([("a.yaml", broken)], Version(1, 33)), (path, wrong)


def test_kinds_and_versions_that_do_not_exist_are_caught():
    for kind, one in EVERY.items():
        assert validate([("a.yaml", one | {"apiVersion": f"{one['apiVersion']}9"})], Version(1, 33)), kind
        assert validate([("a.yaml", one | {"kind": f"{kind}s"})], Version(1, 33)), kind
    assert validate([("a.yaml", [])], Version(1, 33))


def test_a_model_s_name_cannot_add_to_a_manifest():
    """Free text stands in annotations, quoted by the serialiser, whatever it holds."""
    nasty = "7'}}\"\n  labels: {a: b} # &x *y !!python/object:os.system"
    made = workload(node=NodeKind.MICROSHIFT, version=nasty)
    layout = microshift.Layout(microshift=Version(4, 20), namespace="a")
    files = microshift.files(made, layout)
    assert kinds(files)["Deployment"]["metadata"]["annotations"]["edgewise.io/version"] == nasty
    assert validate(documents(files), Version(1, 33)) == []


# --- Rules that a Route's and a ServiceMonitor's own definitions have ------------------------------


def said_of(kind, change) -> str:
    """What is said of our object of `kind` after `change`."""
    files = for_microshift() if kind == "Route" else for_openshift()
    one = copy.deepcopy(kinds(files)[kind])
    change(one["spec"])
    faults = validate([("one.yaml", one)], Version(1, 33))
    return faults[0].reason if faults else ""


@pytest.mark.parametrize(
    ("kind", "change", "words"),
    [
        ("Route", lambda spec: spec.update(host="gateway.example"), ""),
        ("Route", lambda spec: spec.update(host="Gate way"), "spec.host"),
        ("Route", lambda spec: spec.update(host="a" * 254), "spec.host"),
        ("Route", lambda spec: spec["port"].update(targetPort=""), "targetPort"),
        ("Route", lambda spec: spec["port"].update(targetPort=0), "targetPort"),
        ("Route", lambda spec: spec.update(path="v2"), "spec.path"),
        ("Route", lambda spec: spec["to"].update(weight=257), "spec.to.weight"),
        ("Route", lambda spec: spec["tls"].update(termination="passthrough"), ""),
        ("Route", lambda spec: spec.update(path="/v2", tls={"termination": "passthrough"}), "spec.path"),
        ("Route", lambda spec: spec["tls"].update(destinationCACertificate="x"), "destinationCACertificate"),
        ("Route", lambda spec: spec.update(wildcardPolicy="Subdomain"), "host"),
        ("ServiceMonitor", lambda spec: spec["endpoints"][0].update(interval="1500ms"), ""),
        ("ServiceMonitor", lambda spec: spec["endpoints"][0].update(interval="half an hour"), "interval"),
        ("ServiceMonitor", lambda spec: spec["endpoints"][0].update(proxyUrl="gateway"), "proxyUrl"),
        ("ServiceMonitor", lambda spec: spec["endpoints"][0].update(tlsConfig={"minVersion": "1.2"}), "minVersion"),
        ("ServiceMonitor", lambda spec: spec.update(scrapeProtocols=["text"]), "scrapeProtocols"),
        ("ServiceMonitor", lambda spec: spec.update(bodySizeLimit="much"), "bodySizeLimit"),
        ("ServiceMonitor", lambda spec: spec.pop("selector"), "selector"),
    ],
)
def test_rules_of_the_published_definitions_hold(kind: str, change, words: str):
    reason = said_of(kind, change)
    assert (words in reason) if words else (reason == "")


def test_what_is_said_of_built_in_kinds_is_what_kubernetes_validate_says():
    for kind, one in EVERY.items():
        if (one["apiVersion"], kind) in OURS:
            continue
        kubernetes_validate.validate(one, "1.33", strict=True)
        broken = copy.deepcopy(one) | {"spek": {}}
        with pytest.raises(kubernetes_validate.ValidationError):
            kubernetes_validate.validate(broken, "1.33", strict=True)
        assert validate([("a.yaml", broken)], Version(1, 33))


# --- Argo CD, and names that try to be YAML ------------------------------------------------------


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_argo_cd_applies_what_others_need_first_and_finds_nothing_to_change_again(strategy: Strategy):
    for files in (for_microshift(strategy), for_openshift(strategy), hub.files(HUB)):
        objects = [one for _, one in documents(files) if one["kind"] != "Kustomization"]
        waves = {
            one["kind"]: int(one["metadata"].get("annotations", {}).get("argocd.argoproj.io/sync-wave", "0"))
            for one in objects
        }
        assert waves["Namespace"] == min(waves.values())
        for needed in ("PersistentVolumeClaim", "NetworkPolicy", "ServingRuntime"):
            for using in ("Deployment", "InferenceService"):
                if needed in waves and using in waves:
                    assert waves[needed] < waves[using], (needed, using)
        assert not any({"generateName", "managedFields", "resourceVersion"} & set(one["metadata"]) for one in objects)
        assert len({(one["kind"], one["metadata"]["name"]) for one in objects}) == len(objects)
        for quantity in _quantities(objects):  # as the server writes them, so that no difference is seen for ever
            assert re.fullmatch(r"[1-9][0-9]*(m|Mi|Gi)?", quantity), quantity
            assert not re.fullmatch(r"[0-9]*000m", quantity), quantity


def _quantities(value):
    if isinstance(value, dict):
        for key, inner in value.items():
            if key in ("requests", "limits"):
                yield from inner.values()
            else:
                yield from _quantities(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _quantities(inner)


@pytest.mark.parametrize(
    "name", ["a: {b: c}", "- a", "x # y", "'\"", "!!python/object:os.system", "&a *a", "{}", "yes"]
)
def test_a_model_s_name_that_is_yaml_stays_a_name(name: str):
    plain = release(Strategy.MODELCAR)
    given = release(Strategy.MODELCAR, model_name=name, model_version=name)
    for node in (NodeKind.MICROSHIFT, NodeKind.OPENSHIFT):
        trees = []
        for one in (plain, given):
            made = describe(one, RELEASE, node, Wish(name="meter-reader"))
            if node is NodeKind.MICROSHIFT:
                files = microshift.files(made, microshift.Layout(microshift=Version(4, 20), namespace="models"))
            else:
                files = for_openshift(made=made)
            trees.append(documents(files))
        for (path, before), (other, after) in zip(*trees, strict=True):
            assert path == other
            _same_but_for(before, after, name)


def _same_but_for(before, after, name: str):
    """The two are alike, but that the one has the model's name where the other has free text."""
    if isinstance(before, dict):
        assert before.keys() == after.keys()
        for key, inner in before.items():
            if key == "edgewise.io/model":
                assert after[key] == f"{name} {name}"
            else:
                _same_but_for(inner, after[key], name)
    elif isinstance(before, list):
        for one, other in zip(before, after, strict=True):
            _same_but_for(one, other, name)
    else:
        assert before == after
