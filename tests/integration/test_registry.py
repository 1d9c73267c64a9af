"""A real registry and independent readers: docker-registry, skopeo, umoci, podman, the specification's schemas."""

import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import jsonschema
import pytest
from referencing import Registry as Schemas
from referencing import Resource
from referencing.jsonschema import DRAFT4

from edgewise.errors import NotAllowed, RegistryUnreachable
from edgewise.store.oci import transport, upload
from edgewise.store.oci.check import check
from edgewise.store.oci.copy import copy
from edgewise.store.oci.layout import Layout
from edgewise.store.oci.place import How, document
from edgewise.store.oci.registry import Registry
from fakes import images
from fakes.needed import missing

SCHEMAS = Path("/usr/share/gocode/src/github.com/opencontainers/image-spec/schema")
LIMITS = ["--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024"]
SCRIPT = b"#!/bin/sh\necho edgewise\n"


@dataclass
class Served:
    """A registry that runs; `process` may be ended."""

    host: str
    folder: Path
    process: "subprocess.Popen[bytes]"


def tool(name: str, package: str = "") -> str:
    """Path of a program of Debian."""
    found = shutil.which(name)
    if found is None:
        missing(f"{name} (apt install {package or name})")
    assert found is not None
    return found


def run(*command: str, **how: object) -> str:
    """What a program prints; it must succeed."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120, **how)  # type: ignore[call-overload]
    assert done.returncode == 0, f"{command}: {done.stderr}"
    return str(done.stdout)


def serve(folder: Path, *, password: str = "", certificate: Path | None = None) -> Iterator[Served]:
    """Debian's docker-registry on loopback; `certificate` is a PEM file that holds its key too."""
    program = tool("docker-registry")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    folder.mkdir(parents=True)
    settings: dict[str, object] = {
        "version": "0.1",
        "log": {"level": "error", "accesslog": {"disabled": True}},
        "storage": {"filesystem": {"rootdirectory": str(folder / "data")}},
        "http": {"addr": f"127.0.0.1:{port}"}
        | ({"tls": {"certificate": str(certificate), "key": str(certificate)}} if certificate else {}),
    }
    if password:
        (folder / "htpasswd").write_text(password)
        settings["auth"] = {"htpasswd": {"realm": "here", "path": str(folder / "htpasswd")}}
    (folder / "config.yml").write_text(json.dumps(settings))
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([program, "serve", str(folder / "config.yml")], stdout=log, stderr=log)
    try:
        for _ in range(100):
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                time.sleep(0.05)
        else:
            pytest.fail((folder / "log").read_text())
        yield Served(host=f"127.0.0.1:{port}", folder=folder, process=process)
    finally:
        process.kill()
        process.wait()


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    yield from serve(tmp_path_factory.mktemp("registry") / "open")


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout(tmp_path / "layout")


@pytest.fixture
def other(tmp_path: Path) -> Layout:
    return Layout(tmp_path / "other")


@pytest.fixture
def image(layout: Layout) -> images.Descriptor:
    """An image of two platforms, signed, named app:1."""
    random.seed(3)
    layers = [{"shared": random.randbytes(500_000)}, {"bin/say": SCRIPT}]
    made = [images.image(layout, layers=layers, platform=one) for one in (images.AMD64, images.ARM64)]
    found = images.index(layout, "app:1", made)
    images.signature(layout, found)
    return found


@pytest.fixture(autouse=True)
def nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No credentials and no settings of whoever runs the tests."""
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("REGISTRY_AUTH_FILE", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME", "DOCKER_CONFIG"):
        monkeypatch.delenv(name, raising=False)


def test_there_and_back_again(
    registry: Served, layout: Layout, other: Layout, image: images.Descriptor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upload, "CHUNK_BYTES", 64 << 10)  # many chunks
    with Registry(registry.host, "there/and-back") as there:
        pushed = copy(layout, there, "app:1", to="1")
        pulled = copy(there, other, "1", to="app:1")
        again = copy(layout, there, "app:1", to="1")
        assert [one.artifact_type for one in there.referrers(image.digest)] == ["application/vnd.example.signature"]
    assert pushed.document.digest == pulled.document.digest == image.digest
    assert pushed.moved_bytes == pulled.moved_bytes
    assert (pushed.referrers, pulled.referrers) == (1, 1)
    assert again.there_bytes > 500_000
    assert images.all_digests(other) == images.all_digests(layout)
    assert check(other).findings == ()


def test_blobs_are_mounted_from_another_repository(
    registry: Served, layout: Layout, other: Layout, image: images.Descriptor
) -> None:
    how = []

    class Heard:
        def found(self, blobs: object) -> None:
            pass

        def moved(self, blob: object, amount: int) -> None:
            pass

        def ended(self, blob: object, came: How) -> None:
            how.append(came)

    with (
        Registry(registry.host, "mount/from") as first,
        Registry(registry.host, "mount/to", mount_from=["mount/from"]) as to,
    ):
        copy(layout, first, "app:1", to="1")
        copy(layout, to, "app:1", to="1", transfers=Heard())
        assert set(how) == {How.MOUNTED}
        assert copy(to, other, "1").document.digest == image.digest


def test_skopeo_reads_what_we_pushed(
    registry: Served, layout: Layout, tmp_path: Path, image: images.Descriptor
) -> None:
    skopeo = tool("skopeo")
    with Registry(registry.host, "skopeo/reads") as there:
        copy(layout, there, "app:1", to="1")
    remote = f"docker://{registry.host}/skopeo/reads:1"
    raw = run(skopeo, "inspect", "--raw", "--tls-verify=false", remote)
    assert json.loads(raw) == json.loads(layout.blobs.get(image.digest))
    run(skopeo, "copy", "--all", "--src-tls-verify=false", remote, f"oci:{tmp_path}/theirs:app")
    assert Layout(tmp_path / "theirs").resolve("app").digest == image.digest
    assert run(skopeo, "inspect", "--format", "{{.Digest}}", f"oci:{layout.folder}:app:1").strip() == image.digest


def test_we_read_what_skopeo_pushed(registry: Served, layout: Layout, other: Layout, image: images.Descriptor) -> None:
    skopeo = tool("skopeo")
    remote = f"docker://{registry.host}/skopeo/writes:1"
    run(skopeo, "copy", "--all", "--dest-tls-verify=false", f"oci:{layout.folder}:app:1", remote)
    with Registry(registry.host, "skopeo/writes") as there:
        assert copy(there, other, "1").document.digest == image.digest
    run(skopeo, "copy", "--all", "--src-tls-verify=false", remote, f"oci:{other.folder}:theirs")
    checked = check(other)
    assert checked.findings == ()
    assert "another tool" in checked.notes[0]
    assert set(other.references()) == {"1", "theirs"}
    other.untag("theirs")
    assert check(other).notes == ()


def test_docker_s_own_manifests_are_read(
    registry: Served, layout: Layout, other: Layout, image: images.Descriptor
) -> None:
    skopeo = tool("skopeo")
    remote = f"docker://{registry.host}/docker/format:1"
    source = f"oci:{layout.folder}:app:1"
    run(skopeo, "copy", "--format", "v2s2", "--override-arch", "amd64", "--dest-tls-verify=false", source, remote)
    with Registry(registry.host, "docker/format") as there:
        found = copy(there, other, "1").document
    assert found.media_type == "application/vnd.docker.distribution.manifest.v2+json"
    assert len(document(other, found).needs) == 3


def test_umoci_unpacks_what_we_pulled(
    registry: Served, layout: Layout, other: Layout, tmp_path: Path, image: images.Descriptor
) -> None:
    umoci = tool("umoci")
    with Registry(registry.host, "umoci/reads") as there:
        copy(layout, there, "app:1", to="1")
        copy(there, other, "1", platforms=["linux/amd64"])
    assert run(umoci, "ls", "--layout", str(other.folder)).split() == ["1"]
    run(umoci, "unpack", "--rootless", "--image", f"{other.folder}:1", str(tmp_path / "bundle"))
    assert (tmp_path / "bundle/rootfs/bin/say").read_bytes() == SCRIPT
    run(umoci, "gc", "--layout", str(other.folder))
    assert check(other).findings == ()


def test_podman_runs_what_we_pushed(registry: Served, layout: Layout) -> None:
    podman, busybox = tool("podman"), Path("/bin/busybox")
    tool("runc")
    if os.geteuid() != 0:
        missing("root (for podman)")
    if not busybox.exists():
        missing("a static busybox (apt install busybox-static)")
    settings = {"Entrypoint": ["/busybox", "echo", "edgewise"]}
    images.image(layout, "app:1", layers=[{"busybox": busybox.read_bytes()}], settings=settings)
    with Registry(registry.host, "podman/runs") as there:
        copy(layout, there, "app:1", to="1")
    short = tempfile.mkdtemp(prefix="edgewise-")  # podman wants a runroot of at most 50 characters
    storage = ["--root", f"{short}/root", "--runroot", f"{short}/run", "--storage-driver", "vfs"]
    options = [podman, *storage, "--runtime", "runc", "--cgroup-manager", "cgroupfs"]
    name = f"{registry.host}/podman/runs:1"
    try:
        run(*options, "pull", "--quiet", "--tls-verify=false", name)
        assert run(*options, "run", "--rm", "--network", "none", *LIMITS, name).strip() == "edgewise"
    finally:
        subprocess.run([*options, "system", "reset", "--force"], capture_output=True, check=False, timeout=60)
        shutil.rmtree(short, ignore_errors=True)


class TestLogin:
    @pytest.fixture
    def closed(self, tmp_path: Path) -> Iterator[Served]:
        """A registry that knows "me" with the password "secret"."""
        yield from serve(tmp_path / "closed", password=run(tool("htpasswd", "apache2-utils"), "-nbB", "me", "secret"))

    def test_with_skopeo_s_own_file(
        self, closed: Served, layout: Layout, other: Layout, tmp_path: Path, image: images.Descriptor
    ) -> None:
        skopeo, authfile = tool("skopeo"), tmp_path / "auth.json"
        with pytest.raises(NotAllowed), Registry(closed.host, "app") as there:
            copy(layout, there, "app:1", to="1")
        run(skopeo, "login", "--authfile", str(authfile), "--tls-verify=false", "-u", "me", "-p", "secret", closed.host)
        environment = {"REGISTRY_AUTH_FILE": str(authfile)}
        with Registry(closed.host, "app", environment=environment) as there:
            copy(layout, there, "app:1", to="1")
            assert copy(there, other, "1").document.digest == image.digest


def test_tls_is_checked(
    tmp_path: Path, layout: Layout, other: Layout, image: images.Descriptor, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = tmp_path / "own.pem"
    name = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    run(
        tool("openssl"),
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        *name,
        "-keyout",
        str(made),
        "-out",
        str(tmp_path / "own.crt"),
    )
    made.write_text(made.read_text() + (tmp_path / "own.crt").read_text())
    for served in serve(tmp_path / "tls", certificate=made):
        with Registry(served.host, "app", plain_http=False) as there, pytest.raises(RegistryUnreachable) as caught:
            copy(layout, there, "app:1", to="1")
        assert "certs.d" in caught.value.hint
        monkeypatch.setattr(transport, "CERTIFICATES", tmp_path / "certs.d")
        (tmp_path / "certs.d" / served.host).mkdir(parents=True)
        shutil.copy(tmp_path / "own.crt", tmp_path / "certs.d" / served.host / "own.crt")
        with Registry(served.host, "app", plain_http=False) as there:
            assert there.transport.base.startswith("https://")
            copy(layout, there, "app:1", to="1")
            assert copy(there, other, "1").document.digest == image.digest


def test_a_registry_that_is_down_is_said(tmp_path: Path, layout: Layout, image: images.Descriptor) -> None:
    from edgewise.store.oci.transport import Timing

    serving = serve(tmp_path / "down")
    served = next(serving)
    served.process.kill()
    served.process.wait()
    with Registry(served.host, "app", timing=Timing(sleep=lambda _: None)) as there, pytest.raises(RegistryUnreachable):
        copy(layout, there, "app:1", to="1")
    serving.close()


KILLS = 10
PULL = """
import sys
from pathlib import Path
from edgewise.store.oci.copy import copy
from edgewise.store.oci.layout import Layout
from edgewise.store.oci.registry import Registry
store = Layout(Path(sys.argv[3]))
print("begun", flush=True)
with Registry(sys.argv[1], sys.argv[2]) as there:
    for name in ("1", "2"):
        copy(there, store, name, to="app")
"""


def test_a_pull_that_is_killed_at_any_moment(registry: Served, layout: Layout, other: Layout) -> None:
    random.seed(5)
    digests = set()
    with Registry(registry.host, "killed/pull") as there:
        for number in ("1", "2"):
            digests.add(images.image(layout, number, layers=[{number: random.randbytes(6 << 20)}]).digest)
            copy(layout, there, number)
    killed = 0
    for _ in range(60):
        command = [sys.executable, "-c", PULL, registry.host, "killed/pull", str(other.folder)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE)
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(random.uniform(0, 0.12))
        process.send_signal(signal.SIGKILL)
        ended_by = process.wait()
        process.stdout.close()
        assert check(other).findings == ()
        assert {one.digest for one in other.references().values()} <= digests
        killed += ended_by == -signal.SIGKILL
        if killed == KILLS:
            break
        if ended_by == 0:
            shutil.rmtree(other.folder)
    assert killed == KILLS
    run(sys.executable, "-c", PULL, registry.host, "killed/pull", str(other.folder))
    assert other.resolve("app").digest == layout.resolve("2").digest
    assert list((other.folder / ".edgewise-partial").iterdir()) == []


@pytest.fixture(scope="module")
def schemas() -> Schemas:
    """The specification's own schemas, by the names that they call each other."""
    if not SCHEMAS.is_dir():
        missing(f"{SCHEMAS} (apt install golang-github-opencontainers-image-spec-dev)")
    found: Schemas = Schemas()
    for path in SCHEMAS.glob("*.json"):
        schema = json.loads(path.read_text())
        resource = Resource(contents=schema, specification=DRAFT4)
        for name in (path.name, f"https://opencontainers.org/schema/{path.name}", schema.get("id", path.name)):
            found = found.with_resource(name, resource)
        found = found.with_resource(f"https://opencontainers.org/schema/image/{path.name}", resource)
        found = found.with_resource(f"https://opencontainers.org/schema/descriptor/{path.name}", resource)
        found = found.with_resource(f"https://opencontainers.org/schema/image/index/{path.name}", resource)
        found = found.with_resource(f"https://opencontainers.org/schema/image/manifest/{path.name}", resource)
    return found


KINDS = {
    "oci-layout": "image-layout-schema.json",
    "index.json": "image-index-schema.json",
    "application/vnd.oci.image.index.v1+json": "image-index-schema.json",
    "application/vnd.oci.image.manifest.v1+json": "image-manifest-schema.json",
    "application/vnd.oci.image.config.v1+json": "config-schema.json",
}


def test_what_we_write_keeps_to_the_schemas(schemas: Schemas, layout: Layout, image: images.Descriptor) -> None:
    documents = [(name, (layout.folder / name).read_bytes()) for name in ("oci-layout", "index.json")]
    pending = list(layout.entries())
    while pending:
        blob = pending.pop()
        documents.append((blob.media_type, layout.blobs.get(blob.digest)))
        pending += document(layout, blob).needs if blob.is_document else ()
    seen = set()
    for kind, content in documents:
        if kind in KINDS:
            seen.add(kind)
            schema = json.loads((SCHEMAS / KINDS[kind]).read_text())
            jsonschema.Draft4Validator(schema, registry=schemas).validate(json.loads(content))
    assert seen == set(KINDS)


def test_the_schemas_would_find_a_fault(schemas: Schemas, layout: Layout, image: images.Descriptor) -> None:
    broken = json.loads((layout.folder / "index.json").read_bytes())
    broken["manifests"][0]["digest"] = "md5"
    schema = json.loads((SCHEMAS / KINDS["index.json"]).read_text())
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft4Validator(schema, registry=schemas).validate(broken)


def test_the_registry_answers_as_the_tests_think(registry: Served) -> None:
    with urllib.request.urlopen(f"http://{registry.host}/v2/") as answer:
        assert answer.headers["Docker-Distribution-Api-Version"] == "registry/2.0"
