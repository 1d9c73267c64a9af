"""`edgewise deploy --to ssh://…` against a real OpenSSH server: beside, one rename, and back."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from devices import Device, device
from devices import missing as what_is_missing

from edgewise.cli.main import run
from edgewise.exchange.release import Strategy, digest, written
from fakes.needed import missing
from fakes.workloads import external_model, release


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Device]:
    if what := what_is_missing():
        missing(what)
    with device(tmp_path_factory.mktemp("device") / "home") as made:
        yield made


@pytest.fixture
def there(server: Device) -> Device:
    """The device with nothing on it."""
    server.forget()
    return server


def put(tmp_path: Path, there: Device, given, *more: str, wait: str = "1") -> tuple[int, str]:
    """Deploy `given`; the exit code and the release's digest."""
    content = written(given)
    path = tmp_path / "release.json"
    path.write_bytes(content)
    told = ["--to", there.url, "--ssh-config", str(there.config), "--device-root", str(there.root)]
    return run(["deploy", str(path), *told, "--yes", "--wait", wait, *more]), digest(content)


def first(tmp_path: Path, there: Device, strategy: Strategy = Strategy.MODELCAR) -> str:
    given = release(strategy)
    there.say("well", digest(written(given)))
    code, name = put(tmp_path, there, given)
    assert code == 0
    return name


def test_a_release_comes_up_and_the_next_takes_its_place(tmp_path: Path, there: Device, capfd):
    old = first(tmp_path, there)
    assert there.units() == [
        f"meter-reader-{old[7:19]}-model.image",
        f"meter-reader-{old[7:19]}.image",
        "meter-reader.container",
        "meter-reader.network",
    ]
    assert there.log.index("systemctl daemon-reload") > max(
        index for index, line in enumerate(there.log) if line.startswith("podman pull")
    )
    new = digest(written(release(version="meter-reader 8")))
    there.say("well", f"{old} {new}")
    assert put(tmp_path, there, release(version="meter-reader 8")) == (0, new)
    assert [name for name in there.units() if name.endswith(".image")] == [
        f"meter-reader-{new[7:19]}-model.image",
        f"meter-reader-{new[7:19]}.image",
    ]
    assert f"io.edgewise.release={new}" in (there.root / "etc/containers/systemd/meter-reader.container").read_text()
    assert there.hidden() == []
    assert "has reproduced its golden" in capfd.readouterr().err


def test_a_release_that_does_not_come_up_gives_way_to_the_old_one(tmp_path: Path, there: Device, capfd):
    old = first(tmp_path, there)
    unit = there.root / "etc/containers/systemd/meter-reader.container"
    before = unit.read_bytes()
    code, new = put(tmp_path, there, release(version="meter-reader 8"))
    assert code == 94
    assert unit.read_bytes() == before
    assert there.running == old
    assert f"meter-reader-{old[7:19]}.image" in there.units()
    said = capfd.readouterr().err
    assert "did not come up" in said
    assert "the release before runs again" in said
    assert new != old


def test_a_first_release_that_does_not_come_up_leaves_nothing_running(tmp_path: Path, there: Device):
    code, _ = put(tmp_path, there, release())
    assert code == 94
    assert "meter-reader.container" not in there.units()
    assert there.running == ""


def test_a_registry_that_does_not_answer_changes_nothing_that_runs(tmp_path: Path, there: Device):
    old = first(tmp_path, there)
    before = (there.root / "etc/containers/systemd/meter-reader.container").read_bytes()
    there.say("no-registry", "")
    code, _ = put(tmp_path, there, release(version="meter-reader 8"))
    assert code == 93
    assert (there.root / "etc/containers/systemd/meter-reader.container").read_bytes() == before
    assert there.running == old


def test_what_runs_already_is_left_alone(tmp_path: Path, there: Device):
    first(tmp_path, there)
    restarts = there.log.count("systemctl restart meter-reader.service")
    assert put(tmp_path, there, release())[0] == 0
    assert there.log.count("systemctl restart meter-reader.service") == restarts


def test_a_unit_of_somebody_else_is_not_touched(tmp_path: Path, there: Device):
    folder = there.root / "etc/containers/systemd"
    folder.mkdir(parents=True)
    (folder / "meter-reader.container").write_text("[Container]\nImage=localhost/theirs\n")
    assert put(tmp_path, there, release())[0] == 91
    assert there.units() == ["meter-reader.container"]
    assert "theirs" in (folder / "meter-reader.container").read_text()


def test_an_old_podman_gets_services(tmp_path: Path, there: Device):
    there.say("podman", "podman version 4.3.1")
    first(tmp_path, there, Strategy.EMBEDDED)
    assert there.units("etc/systemd/system") == ["meter-reader.service"]
    assert "systemctl enable --quiet meter-reader.service" in there.log


def test_an_external_model_is_sent_and_checked_on_the_device(tmp_path: Path, there: Device):
    folder, name = external_model(tmp_path / "model")
    given = release(Strategy.EXTERNAL, model_digest=name)
    there.say("well", digest(written(given)))
    assert put(tmp_path, there, given)[0] == 89  # it is not there, and nobody says where to take it
    assert put(tmp_path, there, given, "--model", str(folder))[0] == 0
    sent = there.root / f"var/lib/edgewise/models/{name.replace(':', '/')}"
    assert (sent / "model.onnx").read_bytes() == b"weights"
    assert (sent / "model.json").stat().st_mode & 0o444 == 0o444
    assert not sent.with_name(f"{sent.name}.tmp").exists()
    other = replace(given, model_digest=f"sha256:{'0' * 64}")
    assert put(tmp_path, there, other, "--model", str(folder))[0] == 89


def test_a_dry_run_names_the_files_and_changes_nothing(tmp_path: Path, there: Device, capfd):
    code, name = put(tmp_path, there, release(), "--dry-run")
    assert code == 0
    assert f"etc/containers/systemd/meter-reader-{name[7:19]}.image" in capfd.readouterr().out
    assert there.units() == []


def test_a_device_that_is_not_there_or_lets_nobody_in(tmp_path: Path, there: Device, capfd):
    authorized = there.home / "keys/authorized"
    before = authorized.read_text()
    authorized.write_text("")
    try:
        assert put(tmp_path, there, release())[0] == 92
    finally:
        authorized.write_text(before)
    assert "Permission denied" in capfd.readouterr().err
    path = tmp_path / "release.json"
    for url in ("ssh://-oProxyCommand=touch%20x", "ssh://127.0.0.1:1", "http://device", "ssh://"):
        assert run(["deploy", str(path), "--to", url, "--yes"]) == 92, url


def test_nothing_in_a_name_or_a_path_is_run_by_the_device_s_shell(tmp_path: Path, there: Device):
    root = there.home / "root; touch $(echo stolen) 'x"
    root.mkdir()
    given = release()
    there.say("well", digest(written(given)))
    path = tmp_path / "release.json"
    path.write_bytes(written(given))
    told = ["--to", there.url, "--ssh-config", str(there.config), "--device-root", str(root)]
    run(["deploy", str(path), *told, "--yes", "--wait", "1"])
    assert (root / "etc/containers/systemd").is_dir()
    assert not list(there.home.rglob("stolen"))
    assert not (Path.home() / "stolen").exists()


WAYS = {
    "pod": (Strategy.EMBEDDED, "etc/containers/systemd", "meter-reader.container"),
    "kube": (Strategy.MODELCAR, "etc/containers/systemd", "meter-reader.kube"),
    "service": (Strategy.EXTERNAL, "etc/systemd/system", "meter-reader.service"),
}


@pytest.mark.parametrize("kind", WAYS)
def test_units_of_every_kind_are_deployed_and_go_back(tmp_path: Path, there: Device, kind: str):
    strategy, folder, switch = WAYS[kind]
    model, name = external_model(tmp_path / "model")
    more = ["--as", kind, "--python", f"{there.home}/bin/python3", "--model", str(model)]
    old, new = (release(strategy, version=version, model_digest=name) for version in ("7", "8"))
    there.say("well", digest(written(old)))
    assert put(tmp_path, there, old, *more) == (0, digest(written(old)))
    unit = there.root / folder / switch
    before, units = unit.read_bytes(), there.units(folder)
    assert put(tmp_path, there, new, *more)[0] == 94
    assert (unit.read_bytes(), there.running) == (before, digest(written(old)))
    there.say("well", digest(written(new)))
    assert put(tmp_path, there, new, *more)[0] == 0
    assert len(there.units(folder)) == len(units)
    assert there.hidden() == []


def test_a_user_s_device_needs_no_root(tmp_path: Path, there: Device):
    given = release()
    there.say("well", digest(written(given)))
    assert put(tmp_path, there, given, "--user")[0] == 0
    assert "meter-reader.container" in there.units(".config/containers/systemd")
    assert [path.name for path in there.root.iterdir()] == [".config"]
    assert "loginctl enable-linger" in there.log
    assert any(line.startswith("systemctl --user restart") for line in there.log)


def test_volumes_of_models_that_no_release_uses_are_removed(tmp_path: Path, there: Device):
    one, other = (release(version=version) for version in ("7", "8"))
    there.say("well", f"{digest(written(one))} {digest(written(other))}")
    for given in (one, other):
        assert put(tmp_path, there, given, "--modelcar", "extract")[0] == 0
        assert there.volumes == [f"systemd-meter-reader-{digest(written(given))[7:19]}-model"]
    (there.home / "state/volumes/somebody-elses").touch()
    (there.home / "state/volumes/systemd-meter-reader-2-0123456789ab-model").touch()
    assert put(tmp_path, there, one, "--modelcar", "extract")[0] == 0
    assert len(there.volumes) == 3


@pytest.mark.parametrize(
    ("where", "code"),
    [
        ("podman pull", 92),
        ("systemctl daemon-reload", 95),
        ("systemctl restart", 95),
        ("after systemctl restart", 95),
    ],
)
def test_a_session_that_is_killed_midway_leaves_one_release_and_the_next_completes(
    tmp_path: Path, there: Device, capfd, where: str, code: int
):
    old = first(tmp_path, there)
    given = release(version="meter-reader 8")
    there.say("well", f"{old} {digest(written(given))}")
    there.say("cut", where)
    assert put(tmp_path, there, given)[0] == code
    assert there.running == (digest(written(given)) if where.startswith("after") else old)
    assert ("deploy once more" in capfd.readouterr().err) == (code == 95)
    assert put(tmp_path, there, given)[0] == 0
    assert there.running == digest(written(given))
    assert there.hidden() == []
