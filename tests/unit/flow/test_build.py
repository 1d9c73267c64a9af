"""`build`: whatever fails, and wherever it is killed, names stand for what they stood for."""

import errno
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from edgewise.build import sign
from edgewise.build.choice.cadence import MONTH_MS
from edgewise.build.platforms import AMD64, ARM64
from edgewise.build.strategies.bundle import Strategy
from edgewise.errors import (
    BadImage,
    EdgewiseError,
    NoStrategy,
    NotAllowed,
    NotFound,
    RateLimited,
    RegistryUnreachable,
    StoreFull,
    StoreUnusable,
    WrongBytes,
)
from edgewise.flow import build
from edgewise.flow.build import Outcome, Wishes
from edgewise.flow.edgefile import Project
from edgewise.flow.served import Served
from edgewise.nouns import Budget, Link, MachineChoice, Site
from edgewise.runtimes import served as served_models
from edgewise.store.oci import gc, retry
from edgewise.store.oci.check import check
from edgewise.store.oci.copy import copy
from edgewise.store.oci.layout import Layout
from edgewise.store.oci.registry import Registry
from edgewise.store.steps import Store
from fakes import images, offline, plans
from fakes.dying_disk import DyingDisk, Killed
from fakes.model_folders import WEIGHTS, model_folder
from fakes.registries import FakeRegistry, Fault

SITE = Site(name="press-line", node="device", machines=(MachineChoice(name="this"),), budget=Budget())
QUICK = Wishes(platforms=(AMD64,))
NAME = "meter/press-line:1"
MOST_WRITES = 600


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return Project(
        path=tmp_path_factory.mktemp("project") / "edge.yaml",
        name="meter",
        model_paths=(),
        data="",
        metric="accuracy",
        seed=0,
        sites=(SITE,),
    )


@pytest.fixture(autouse=True)
def outside(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> offline.Tool:
    """Packages without a network, and a plan that needs no runtime."""
    serve(monkeypatch)
    return offline.install(monkeypatch, offline.shelf(tmp_path_factory.mktemp("shelf")))


def serve(patch: pytest.MonkeyPatch, weights: bytes = WEIGHTS) -> None:
    """The last plan chose a model of these weights."""

    def served(_: Project, __: Site, store: Store, *, version: str) -> Served:
        made = plans.feasible_plan()
        folder = model_folder(store, version=version, weights=weights)
        design = replace(folder.model, design=made.choice or "")
        return Served(model=design, document=served_models.written(design), plan=made)

    patch.setattr(build, "served", served)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "store"


def built(project: Project, folder: Path, wishes: Wishes = QUICK, site: Site = SITE) -> Outcome:
    return build.build(project, site, folder=folder, wishes=wishes)


def state(folder: Path) -> dict[str, str]:
    """What every name stands for, all of it having been read."""
    layout = Layout(folder)
    assert check(layout).findings == ()
    return {name: one.digest for name, one in layout.references().items()}


@pytest.mark.parametrize("strategy", list(Strategy))
def test_what_is_built_has_a_name_and_referrers(project: Project, folder: Path, strategy: Strategy) -> None:
    outcome = built(project, folder, replace(QUICK, strategy=strategy))
    layout = Layout(folder)
    assert {outcome.names[part]: root.digest for part, root in outcome.made.roots.items()} == state(folder)
    for image in outcome.made.images:
        kinds = {one.artifact_type for one in layout.referrers(image.digest)}
        assert {"application/spdx+json", "application/vnd.in-toto+json"} <= kinds
    before = state(folder)
    gc.collect(layout, grace_s=-1)
    assert state(folder) == before
    for image in outcome.made.images:
        assert layout.referrers(image.digest), "what refers to it stays"


def test_a_second_build_asks_nobody_and_packs_nothing(
    project: Project, folder: Path, outside: offline.Tool, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = built(project, folder)
    asked = len(outside.asked)
    monkeypatch.setattr("edgewise.build.pack.pack", lambda *_, **__: pytest.fail("packed again"))
    assert built(project, folder).made.roots == first.made.roots
    assert len(outside.asked) == asked


def test_a_new_model_packs_the_model_alone(project: Project, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    built(project, folder)
    packed = []
    from edgewise.build import pack

    real = pack.pack
    monkeypatch.setattr(pack, "pack", lambda *a, **k: packed.append(k["title"]) or real(*a, **k))
    serve(monkeypatch, WEIGHTS[::-1])
    built(project, folder)
    assert len(packed) == 1
    assert packed[0].startswith("model meter 1")


def test_signed_by_the_key_that_is_given(project: Project, folder: Path, tmp_path: Path) -> None:
    private, public = sign.make_key(tmp_path)
    outcome = built(project, folder, replace(QUICK, key=private, strategy="modelcar", signed_as="registry.example/m"))
    layout, key = Layout(folder), sign.read_public_key(public)
    for one in (*outcome.made.roots.values(), *outcome.made.images):
        found = [each for each in layout.referrers(one.digest) if each.artifact_type == sign.ARTIFACT_TYPE]
        assert [sign.verify(each.digest, one.digest, key, layout.blobs) for each in found] == ["registry.example/m"]


def test_a_key_that_is_none_is_said_before_anything_is_built(project: Project, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "key").write_text("no key")
    with pytest.raises(BadImage, match="no private key"):
        built(project, folder, replace(QUICK, key=tmp_path / "key"))
    with pytest.raises(NotFound):
        built(project, folder, replace(QUICK, key=tmp_path / "none"))
    assert not folder.exists()


def test_plain_files_are_the_model_folder(project: Project, folder: Path, tmp_path: Path) -> None:
    outcome = built(project, folder, replace(QUICK, strategy="external", files=tmp_path / "out"))
    assert outcome.files == tmp_path / "out" / "meter" / "1"
    assert (outcome.files / "deep" / "weights.bin").read_bytes() == WEIGHTS[::-1]
    assert (outcome.files / "model.json").read_bytes() == outcome.served.document


def test_a_part_that_another_strategy_had_loses_its_name(project: Project, folder: Path) -> None:
    built(project, folder, replace(QUICK, strategy="external"))
    assert set(state(folder)) == {NAME, "meter/press-line/model:1"}
    built(project, folder, replace(QUICK, strategy="embedded"))
    assert set(state(folder)) == {NAME}


def test_the_choice_is_kept_and_explained(project: Project, folder: Path) -> None:
    with pytest.raises(NotFound, match="nothing was built"):
        build.last_choice(project, SITE, folder=folder)
    outcome = built(project, folder)
    assert outcome.choice.strategy is Strategy.EMBEDDED
    assert build.last_choice(project, SITE, folder=folder) == outcome.choice


def test_a_link_of_no_speed_is_kept_too(project: Project, folder: Path) -> None:
    still = replace(SITE, link=Link(bandwidth_bit_per_s=0.0), strategy="embedded")
    outcome = built(project, folder, site=still)
    assert outcome.choice.ruled_out
    known = build.last_choice(project, still, folder=folder)
    assert known.figures[0].monthly_ms is not None
    assert known.figures[0].monthly_ms.value > MONTH_MS


def test_a_site_that_nothing_fits(project: Project, folder: Path) -> None:
    tight = replace(SITE, machines=(MachineChoice(name="this", disk_free_bytes=10.0),))
    with pytest.raises(NoStrategy, match=r"press-line.*of disk"):
        built(project, folder, site=tight)
    assert state(folder) == {}
    assert built(project, folder, replace(QUICK, strategy="external"), site=tight).names["model"]


# --- what can go wrong ---------------------------------------------------------------------------


@pytest.mark.parametrize("code", [None, errno.ENOSPC, errno.EIO], ids=["killed", "ENOSPC", "EIO"])
def test_old_or_new_at_every_write(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int | None
) -> None:
    """Names are old or new after every write that fails, what they stand for is whole, and the next build succeeds."""
    folder = tmp_path / "store"
    old = built(project, folder)
    serve(monkeypatch, WEIGHTS[::-1])
    reference = Layout(tmp_path / "reference")
    copy(Layout(folder), reference, NAME)
    new = built(project, tmp_path / "other")
    at = 0
    while True:
        at += 1 if at < 12 else 17  # every write of the model's layer, then some of each kind
        assert at < MOST_WRITES
        with pytest.MonkeyPatch.context() as patch:
            disk = DyingDisk(at, code)
            disk.install(patch)
            try:
                built(project, folder)
                said = None
            except (Killed, StoreFull, StoreUnusable) as error:
                said = type(error)
        assert said in (None, {None: Killed, errno.ENOSPC: StoreFull, errno.EIO: StoreUnusable}[code])
        found = state(folder)[NAME]
        assert found in (old.made.roots["inference"].digest, new.made.roots["inference"].digest), at
        if not disk.reached:
            break
        back(folder, reference)
    assert at > 30
    assert state(folder)[NAME] == new.made.roots["inference"].digest


def back(folder: Path, reference: Layout) -> None:
    """The old name again, and none of the new model's steps."""
    layout = Layout(folder)
    layout.tag(NAME, reference.resolve(NAME))
    for step in (folder / "steps").glob("model-layer-*.json"):
        step.unlink()


@pytest.fixture
def registry() -> Iterator[FakeRegistry]:
    with FakeRegistry() as found:
        yield found


def base_in(registry: FakeRegistry, folder: Path, **settings: object) -> str:
    """A base of another's in the registry, for amd64 alone; its name."""
    layout = Layout(folder)
    python = {"Env": ["PATH=/usr/local/bin", "PYTHON_VERSION=3.11.9"]}
    images.index(layout, "base:1", [images.image(layout, layers=[{"usr/bin/python3": b"#"}], settings=python)])
    with Registry(registry.host, "team/python") as there:
        copy(layout, there, "base:1", to="1")
    return f"{registry.host}/team/python:1"


def test_an_image_of_another_s_as_base(project: Project, folder: Path, tmp_path: Path, registry: FakeRegistry) -> None:
    base = base_in(registry, tmp_path / "layout")
    outcome = built(project, folder, replace(QUICK, base=base))
    assert Layout(folder).references().keys() == {NAME, base}
    (bundle,) = outcome.made.bundles
    assert bundle.parts[0].pieces[0].unpacked_bytes > bundle.parts[0].pieces[0].size_bytes
    with pytest.raises(BadImage, match="has no linux/arm64"):
        built(project, folder, replace(QUICK, base=base, platforms=(ARM64,)))


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Fault(when="GET", times=99, status=401), NotAllowed),
        (Fault(when="GET", times=99, status=429, headers={"Retry-After": "9999"}), RateLimited),
        (Fault(when="GET .*blobs", times=99, flip=True), WrongBytes),
        (Fault(when="GET .*blobs", times=99, drop=True), RegistryUnreachable),
    ],
    ids=["401", "429", "wrong bytes", "broken off"],
)
def test_a_registry_that_fails_leaves_the_store_as_it_was(
    project: Project,
    folder: Path,
    tmp_path: Path,
    registry: FakeRegistry,
    fault: Fault,
    error: type[EdgewiseError],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(retry, "pause_s", lambda *_: 0.0)
    base = base_in(registry, tmp_path / "layout")
    built(project, folder)
    before = state(folder)
    registry.faults.append(fault)
    with pytest.raises(error):
        built(project, folder, replace(QUICK, base=base))
    assert state(folder) == before


def test_a_registry_that_is_down(project: Project, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retry, "pause_s", lambda *_: 0.0)
    with pytest.raises(RegistryUnreachable):
        built(project, folder, replace(QUICK, base="127.0.0.1:1/team/python:1"))
    assert state(folder) == {}


def test_this_machine_s_python_is_for_this_machine(project: Project, folder: Path) -> None:
    from edgewise.build.bases import host

    stranger = ARM64 if host.this_platform() == AMD64 else AMD64
    with pytest.raises(BadImage, match="this machine's Python is for"):
        built(project, folder, Wishes(base="host", platforms=(stranger,)))


def test_what_would_be_built(project: Project) -> None:
    found = build.intended(project, SITE, replace(QUICK, version="7", strategy="embedded"))
    assert dict(found.names) == {"inference": "meter/press-line:7"}
    assert build.intended(project, SITE, Wishes()).platforms == ("linux/amd64", "linux/arm64")
