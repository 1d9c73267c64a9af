"""Config, manifest and index: what they say, what of a base stays, and what is refused."""

import json
from pathlib import Path
from typing import Any

import pytest

from edgewise.build import epoch, image
from edgewise.build.base import Base
from edgewise.build.compress import Compression
from edgewise.build.image import About, HealthCheck, Settings
from edgewise.build.layer import file, layer
from edgewise.build.pack import Packed, pack
from edgewise.build.platforms import AMD64, ARM64
from edgewise.errors import BadConfiguration, BadImage
from edgewise.store.oci.documents import read_config
from edgewise.store.steps import Store

ABOUT = About(title="meter", version="1.2", licenses="Apache-2.0", created=1_700_000_000)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


@pytest.fixture
def below(store: Store) -> Packed:
    return pack(layer([file("etc/x", b"x")]), store, title="below")


def base(below: Packed, **changes: Any) -> Base:
    return Base(**{"platform": AMD64, "layers": (below,), "python": (3, 11), "glibc": 36, **changes})


def test_defaults_are_safe(below: Packed) -> None:
    found = image.config(base(below), (), Settings(entry_point=("/usr/bin/python3", "-m", "server")), ABOUT)
    run = found["config"]
    assert run["User"] == "65532:65532"
    assert run["Entrypoint"] == ["/usr/bin/python3", "-m", "server"]
    assert run["StopSignal"] == "SIGTERM"
    assert {"ORT_DISABLE_TELEMETRY=1", "OPENBLAS_NUM_THREADS=1"} <= set(run["Env"])
    assert found["created"] == "2023-11-14T22:13:20Z"
    assert run["Labels"]["org.opencontainers.image.version"] == "1.2"
    assert read_config(json.dumps(found).encode()).diff_ids == (below.diff_id,)


def test_what_a_base_says_stays_but_for_what_is_set(below: Packed, store: Store) -> None:
    theirs = {
        "architecture": "amd64",
        "os": "linux",
        "author": "them",
        "config": {
            "Env": ["PATH=/opt/bin", "ORT_DISABLE_TELEMETRY=0", "A=1"],
            "Labels": {"who": "them", "org.opencontainers.image.title": "theirs"},
            "Volumes": {"/data": {}},
            "ExposedPorts": {"1/tcp": {}},
            "Cmd": ["sh"],
            "Healthcheck": {"Test": ["CMD-SHELL", "true"]},
        },
        "rootfs": {"type": "layers", "diff_ids": [below.diff_id]},
        "history": [{"created_by": "them"}],
    }
    above = pack(layer([file("opt/y", b"y")]), store, title="above")
    settings = Settings(entry_point=("/x",), ports=("8080/tcp",), labels={"mine": "1"}, environment={"A": "2"})
    found = image.config(base(below, config=theirs), (above,), settings, ABOUT)
    run = found["config"]
    assert found["author"] == "them"
    assert run["Volumes"] == {"/data": {}}
    assert run["ExposedPorts"] == {"1/tcp": {}, "8080/tcp": {}}
    assert {"who": "them", "mine": "1", "org.opencontainers.image.title": "meter"}.items() <= run["Labels"].items()
    environment = dict(one.split("=", 1) for one in run["Env"])
    assert (environment["PATH"], environment["ORT_DISABLE_TELEMETRY"], environment["A"]) == ("/opt/bin", "1", "2")
    assert "Cmd" not in run
    assert "Healthcheck" not in run
    assert found["rootfs"]["diff_ids"] == [below.diff_id, above.diff_id]
    assert [one.get("comment", one["created_by"]) for one in found["history"]] == ["them", "above"]
    assert theirs["config"]["Cmd"] == ["sh"], "the base's own document is not changed"


def test_a_health_check_for_docker_and_for_strict_readers(below: Packed) -> None:
    health = HealthCheck(command=("/usr/bin/python3", "-c", "0"), interval_s=1.5)
    run = image.config(base(below), (), Settings(entry_point=("/x",), health=health), ABOUT)["config"]
    assert run["Healthcheck"]["Test"] == ["CMD", "/usr/bin/python3", "-c", "0"]
    assert run["Healthcheck"]["Interval"] == 1_500_000_000
    assert json.loads(run["Labels"]["io.edgewise.healthcheck"]) == list(health.command)


@pytest.mark.parametrize("user", ["0:0", "0:65532", "root", "nonroot", "65532", "", "-1:1", "1:2:3", "٣:٣"])
def test_root_and_names_are_refused(below: Packed, user: str) -> None:
    with pytest.raises(BadImage, match=r"user|root"):
        image.config(base(below), (), Settings(entry_point=("/x",), user=user), ABOUT)


def test_a_base_for_another_architecture(below: Packed) -> None:
    with pytest.raises(BadImage, match="the base is for arm64"):
        image.config(base(below, config={"architecture": "arm64"}), (), Settings(entry_point=("/x",)), ABOUT)


def test_index_orders_platforms_and_refuses_two_of_one(below: Packed, store: Store) -> None:
    made = [
        image.build(base(below, platform=platform), (), Settings(entry_point=("/x",)), ABOUT, store.blobs)
        for platform in (ARM64, AMD64)
    ]
    found = image.index(made, ABOUT.annotations()).document()
    assert [one["platform"]["architecture"] for one in found["manifests"]] == ["amd64", "arm64"]
    assert found["manifests"][1]["platform"]["variant"] == "v8"
    with pytest.raises(BadImage, match="different platforms"):
        image.index([made[0], made[0]], {})


def test_annotations_name_the_base(below: Packed) -> None:
    named = base(below, name="registry.example/base:1", digest="sha256:" + "0" * 64)
    found = ABOUT.annotations(named)
    assert found["org.opencontainers.image.base.name"] == "registry.example/base:1"
    assert found["org.opencontainers.image.base.digest"] == named.digest
    assert "org.opencontainers.image.vendor" not in found


def test_media_types_of_layers(store: Store) -> None:
    made = layer([file("a", b"a")])
    types = {one: pack(made, store, compression=one).media_type for one in Compression}
    assert sorted(types.values()) == [
        "application/vnd.oci.image.layer.v1.tar",
        "application/vnd.oci.image.layer.v1.tar+gzip",
        "application/vnd.oci.image.layer.v1.tar+zstd",
    ]
    assert len({pack(made, store, compression=one).diff_id for one in types}) == 1


@pytest.mark.parametrize("text", ["x", "-1", "1.5", str(1 << 33), "٣", " 1"])
def test_an_epoch_that_is_none(text: str) -> None:
    with pytest.raises(BadConfiguration, match="SOURCE_DATE_EPOCH"):
        epoch.source_date_epoch({"SOURCE_DATE_EPOCH": text})


def test_the_epoch_is_zero_where_nobody_sets_it() -> None:
    assert epoch.source_date_epoch({}) == epoch.source_date_epoch({"SOURCE_DATE_EPOCH": ""}) == 0
    assert epoch.source_date_epoch({"SOURCE_DATE_EPOCH": "1700000000"}) == 1_700_000_000
