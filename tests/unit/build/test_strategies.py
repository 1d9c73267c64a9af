"""The three strategies: what they share, what an update ships, and what a container is told."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from edgewise.build.bases import busybox, debian
from edgewise.build.choice.figures import shipped_bytes
from edgewise.build.difference import difference
from edgewise.build.look import look
from edgewise.build.platforms import AMD64, ARM64
from edgewise.build.strategies import model as models
from edgewise.build.strategies.bundle import PartKind, Role, Strategy
from edgewise.build.strategies.make import Below, Made, Wanted, make
from edgewise.build.strategies.model import ModelFolder, counted
from edgewise.errors import BadImage, StoreCorrupt
from edgewise.runtimes import served
from edgewise.store.oci import documents
from edgewise.store.oci.documents import Descriptor, Index, Manifest
from edgewise.store.oci.layout import Layout
from edgewise.store.steps import Store
from fakes import offline
from fakes.model_folders import WEIGHTS, model_folder

EMBEDDED, EXTERNAL, MODELCAR = Strategy


@pytest.fixture(scope="module")
def patch() -> Iterator[pytest.MonkeyPatch]:
    with pytest.MonkeyPatch.context() as found:
        yield found


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory, patch: pytest.MonkeyPatch) -> Store:
    offline.install(patch, offline.shelf(tmp_path_factory.mktemp("shelf")))
    return Store(tmp_path_factory.mktemp("build") / "store")


def wanted(store: Store, model: ModelFolder, **changes: object) -> Wanted:
    platforms = (AMD64, ARM64)
    below = tuple(Below(base=debian.base(debian.resolve(one, store), one, store)) for one in platforms)
    cars = tuple(Below(base=busybox.base(busybox.resolve(one, store), one, store)) for one in platforms)
    return Wanted(**{"model": model, "inference": below, "models": cars, "created": 86400, **changes})  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def made(store: Store) -> dict[Strategy, Made]:
    return make(wanted(store, model_folder(store)), store)


def manifest(store: Store, one: Descriptor) -> Manifest:
    found = documents.read(store.blobs.get(one.digest), one.media_type)
    assert isinstance(found, Manifest)
    return found


def config(store: Store, one: Descriptor) -> dict[str, object]:
    found = json.loads(store.blobs.get(manifest(store, one).config.digest))["config"]
    assert isinstance(found, dict)
    return found


def test_every_root_is_for_both_platforms(store: Store, made: dict[Strategy, Made]) -> None:
    for one in made.values():
        root = documents.read(store.blobs.get(one.roots["inference"].digest), one.roots["inference"].media_type)
        assert isinstance(root, Index)
        assert [str(each.platform) for each in root.manifests] == ["linux/amd64", "linux/arm64/v8"]
        assert [bundle.platform for bundle in one.bundles] == ["linux/amd64", "linux/arm64"]


def test_the_embedded_model_is_the_last_layer_and_alone(store: Store, made: dict[Strategy, Made]) -> None:
    for embedded, plain in zip(made[EMBEDDED].bundles, made[EXTERNAL].bundles, strict=True):
        with_model, without = embedded.parts[0], plain.parts[0]
        assert [piece.role for piece in with_model.pieces] == [
            Role.BASE, Role.RUNTIME, Role.RUNTIME, Role.SERVER, Role.MODEL, Role.DOCUMENT, Role.DOCUMENT
        ]  # fmt: skip
        assert with_model.pieces[:4] == without.pieces[:4]
        layers = [one.digest for one in manifest(store, with_model.root).layers]  # type: ignore[arg-type]
        assert layers == [piece.digest for piece in with_model.pieces[:5]]


def test_one_blob_two_manifests(store: Store, made: dict[Strategy, Made]) -> None:
    """Embedded layer, modelcar layer and ModelPack layer are the same bytes; ModelPack refers to the model's image."""
    car = made[MODELCAR]
    packs = [one for one in car.referrers if one.artifact_type == models.ARTIFACT_TYPE]
    assert len(packs) == 1
    pack = manifest(store, packs[0])
    assert pack.subject is not None
    assert pack.subject.digest == car.roots["model"].digest
    assert pack.config.media_type == "application/vnd.cncf.model.config.v1+json"
    assert [one.media_type for one in pack.layers] == ["application/vnd.cncf.model.weight.v1.tar+zstd"]
    for bundle, embedded in zip(car.bundles, made[EMBEDDED].bundles, strict=True):
        own = [piece for piece in bundle.parts[1].pieces if piece.role is Role.MODEL]
        theirs = [piece for piece in embedded.pieces if piece.role is Role.MODEL]
        assert [piece.digest for piece in own] == [pack.layers[0].digest] == [piece.digest for piece in theirs]
    described = json.loads(store.blobs.get(pack.config.digest))
    assert set(described) == {"descriptor", "config", "modelfs"}
    assert described["descriptor"]["name"] == "meter"
    assert described["config"] == {"format": "onnx", "precision": "fp32", "paramSize": "26.1K"}
    assert described["modelfs"]["type"] == "layers"
    assert len(described["modelfs"]["diffIds"]) == 1


def test_external_and_modelcar_have_the_same_inference_image(made: dict[Strategy, Made]) -> None:
    assert made[EXTERNAL].roots["inference"] == made[MODELCAR].roots["inference"]
    assert made[EMBEDDED].roots["inference"] != made[EXTERNAL].roots["inference"]


def test_external_files_are_those_that_model_json_names(store: Store, made: dict[Strategy, Made]) -> None:
    artifact = manifest(store, made[EXTERNAL].roots["model"])
    by_name = {one.annotations["org.cncf.model.filepath"]: one for one in artifact.layers}
    model = served.read(store.blobs.get(by_name["model.json"].digest))
    assert model.golden is not None
    assert {name: one.digest for name, one in by_name.items() if name != "model.json"} == {
        file.name: file.digest for file in (*model.files, model.golden.file)
    }
    assert by_name["model.json"].digest == made[EXTERNAL].variables["EDGEWISE_MODEL_DIGEST"]
    assert {name: one.media_type.rpartition("model.")[2] for name, one in by_name.items()} == {
        "model.json": "weight.config.v1.raw",
        "model.onnx": "weight.v1.raw",
        "deep/weights.bin": "weight.v1.raw",
        "golden.npz": "dataset.v1.raw",
    }
    assert artifact.artifact_type == "application/vnd.cncf.model.manifest.v1+json"
    assert made[EXTERNAL].bundles[0].parts[1].kind is PartKind.ARTIFACT


def test_what_a_container_is_told(store: Store, made: dict[Strategy, Made]) -> None:
    digest = made[EXTERNAL].variables["EDGEWISE_MODEL_DIGEST"]
    for strategy, path in ((EMBEDDED, "/models"), (EXTERNAL, "/mnt/models")):
        for image in made[strategy].images[:2]:
            run = config(store, image)
            environment = dict(pair.split("=", 1) for pair in run["Env"])  # type: ignore[attr-defined]
            assert environment["EDGEWISE_MODEL"] == path
            assert environment.get("EDGEWISE_MODEL_DIGEST") == (digest if strategy is EMBEDDED else None)
            assert environment["ORT_DISABLE_TELEMETRY"] == environment["PYTHONSAFEPATH"] == "1"
            assert run["Entrypoint"] == ["/usr/bin/python3", "-m", "edgewise.edge.serve"]
            assert run["Cmd"] == ["--http", "0.0.0.0:8080"]
            assert run["User"] == "65532:65532"
            assert run["Healthcheck"]["Test"] == ["CMD", "/usr/bin/python3", "-m", "edgewise.edge.serve.health"]  # type: ignore[index]
    assert made[EMBEDDED].variables == {}
    assert config(store, made[MODELCAR].images[-1])["Entrypoint"] == ["/bin/sleep", "infinity"]


def test_pieces_are_what_the_manifests_say(store: Store, made: dict[Strategy, Made]) -> None:
    for one in made.values():
        for bundle in one.bundles:
            for part in bundle.parts:
                assert part.root is not None
                found = manifest(store, part.root)
                blobs = {blob.digest: blob.size_bytes for blob in (*found.needs, part.root)}
                assert {piece.digest: piece.size_bytes for piece in part.pieces} == blobs
                assert all(len(store.blobs.get(digest)) == size for digest, size in blobs.items())


def test_everything_is_attested(store: Store, made: dict[Strategy, Made]) -> None:
    for strategy, one in made.items():
        subjects = {manifest(store, referrer).subject.digest for referrer in one.referrers}  # type: ignore[union-attr]
        roots = {part.root.digest for bundle in one.bundles for part in bundle.parts if part.root}
        assert roots <= subjects, strategy


@pytest.mark.parametrize("strategy", list(Strategy))
def test_a_new_model_ships_the_model_and_documents_alone(
    store: Store, made: dict[Strategy, Made], strategy: Strategy
) -> None:
    """What the figures foretell, what `diff` says, and what digests are new: the same bytes but for other weights."""
    again = make(wanted(store, model_folder(store, weights=WEIGHTS[::-1], version="2")), store)
    for old, new in zip(made[strategy].bundles, again[strategy].bundles, strict=True):
        had = {piece.digest for piece in old.pieces}
        ships = [piece for piece in new.pieces if piece.digest not in had]
        assert {piece.role for piece in ships} == {Role.MODEL, Role.DOCUMENT}
        assert abs(sum(piece.size_bytes for piece in ships) - shipped_bytes(new, Role.MODEL)) < 30_000
        if strategy is not EMBEDDED:
            assert new.parts[0] == old.parts[0]
    layout = Layout(store.folder)
    part = "inference" if strategy is EMBEDDED else "model"
    seen = [look(layout, one[strategy].roots[part].digest) for one in (made, again)]
    for one, new in zip(difference(*seen), again[strategy].bundles, strict=False):
        had = {piece.digest for piece in made[strategy].bundles[0].pieces if one.platform.endswith("amd64")}
        if had:
            assert one.ships_bytes == sum(p.size_bytes for p in new.pieces if p.digest not in had)


def test_the_same_order_gives_the_same_digests(
    store: Store, made: dict[Strategy, Made], tmp_path: Path, patch: pytest.MonkeyPatch
) -> None:
    other = Store(tmp_path / "another store")
    again = make(wanted(other, model_folder(other)), other)
    assert {s: one.roots for s, one in again.items()} == {s: one.roots for s, one in made.items()}
    assert {s: one.referrers for s, one in again.items()} == {s: one.referrers for s, one in made.items()}


def test_grpc_is_another_port_and_more_packages(store: Store) -> None:
    with pytest.raises(BadImage, match="no wheel of hpack"):
        make(wanted(store, model_folder(store), grpc=True), store)


def test_a_platform_without_a_wheel(store: Store, tmp_path: Path) -> None:
    shelf = offline.shelf(tmp_path / "shelf")
    (shelf / "wheels" / "aarch64" / "onnxruntime-1.0-py3-none-any.whl").unlink()
    other = Store(tmp_path / "store")
    with pytest.MonkeyPatch.context() as patch:
        offline.install(patch, shelf)
        with pytest.raises(BadImage, match=r"no wheel of onnxruntime==1\.0 for linux/arm64"):
            make(wanted(other, model_folder(other)), other)
    assert Layout(other.folder).references() == {}


def test_a_model_that_the_store_has_lost(store: Store) -> None:
    model = model_folder(store, weights=b"another" * 9, version="9")
    path = store.blobs.path(model.model.files[0].digest)
    path.chmod(0o644)
    path.write_bytes(b"damaged")
    with pytest.raises(StoreCorrupt, match=r"model\.onnx"):
        make(wanted(store, model), store)


def test_a_model_whose_files_climb_out(store: Store) -> None:
    """model.json refuses such names when it is read; a layer refuses them again."""
    model = model_folder(store)
    bad = replace(model.model.files[0], name="../../etc/passwd")
    climbing = replace(model.model, files=(bad,))
    with pytest.raises(BadImage, match="climbs out"):
        make(wanted(store, ModelFolder(model=climbing, document=served.written(climbing))), store)


@pytest.mark.parametrize(
    ("parameters", "said"), [(26_122, "26.1K"), (7_000_000, "7M"), (6_700_000_000, "6.7B"), (12, "0.0K")]
)
def test_parameters_as_modelpack_counts_them(parameters: int, said: str) -> None:
    assert counted(parameters) == said
