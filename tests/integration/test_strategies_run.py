"""All three strategies, from a plan through a real registry to containers of the real server: the same predictions."""

import json
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

import numpy as np
import pytest
import tritonclient.grpc as over_grpc

from edgewise.build import sign
from edgewise.build.look import look
from edgewise.build.strategies.bundle import Strategy
from edgewise.errors import WrongBytes
from edgewise.store.oci.layout import Layout
from edgewise.store.oci.registry import Registry
from integration.shelves import Shelf
from integration.test_registry import LIMITS, Served, run, tool

pytestmark = pytest.mark.slow
PATIENCE_S = 60.0


def arguments(shelf: Shelf, podman: list[str], strategy: Strategy, tmp_path: Path) -> list[str]:
    """What `podman run` is told for `strategy`, the image last."""
    for part in shelf.outcomes[strategy].names:
        if part == "inference" or strategy is Strategy.MODELCAR:
            run(*podman, "pull", "--quiet", "--tls-verify=false", shelf.pushed[strategy, part])
    told = [f"--env={name}={value}" for name, value in shelf.outcomes[strategy].made.variables.items()]
    image = shelf.pushed[strategy, "inference"]
    if strategy is Strategy.EXTERNAL:
        return [*told, f"--volume={shelf.files}/subject/1:/mnt/models:ro", image]
    if strategy is Strategy.MODELCAR:  # as an init container does it
        (tmp_path / "volume").mkdir()
        (tmp_path / "volume").chmod(0o777)
        volume = f"--volume={tmp_path}/volume:/copied"
        car = shelf.pushed[strategy, "model"]
        copying = [*podman, "run", "--rm", "--network=none", *LIMITS, volume, "--entrypoint=/bin/sh", car]
        run(*copying, "-c", "cp -r /models/. /copied/")
        return [*told, f"--volume={tmp_path}/volume:/mnt/models:ro", image]
    return [image]


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def answers(url: str, x: np.ndarray) -> np.ndarray:  # type: ignore[type-arg]
    """What the model at `url` says of `x`, one row at a time as clients send them."""
    found = []
    described = json.loads(urllib.request.urlopen(f"{url}/v2/models/subject", timeout=30).read())
    (tensor,) = described["inputs"]
    for row in x:
        asked = {
            "name": tensor["name"],
            "datatype": tensor["datatype"],
            "shape": [1, *row.shape],
            "data": row.ravel().tolist(),
        }
        request = urllib.request.Request(
            f"{url}/v2/models/subject/infer", data=json.dumps({"inputs": [asked]}).encode()
        )
        answer = json.loads(urllib.request.urlopen(request, timeout=30).read())
        found.append(answer["outputs"][0]["data"])
    return np.array(found, np.float32)


def answers_by_grpc(where: str, x: np.ndarray) -> np.ndarray:  # type: ignore[type-arg]
    """As `answers`, through Triton's client for gRPC."""
    found = []
    with over_grpc.InferenceServerClient(where) as client:
        described = client.get_model_metadata("subject")
        for row in x:
            asked = over_grpc.InferInput(described.inputs[0].name, [1, *row.shape], described.inputs[0].datatype)
            asked.set_data_from_numpy(row[np.newaxis])
            found.append(client.infer("subject", [asked]).as_numpy(described.outputs[0].name).ravel())
    return np.array(found, np.float32)


def wait_until_ready(process: "subprocess.Popen[bytes]", url: str) -> None:
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until:
        assert process.poll() is None, f"the container ended with {process.returncode}"
        try:
            if urllib.request.urlopen(f"{url}/v2/health/ready", timeout=5).status == 200:
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    pytest.fail("the server was never ready")


def test_the_same_predictions_from_each_and_by_grpc_from_the_one_that_has_it(
    shelf: Shelf, podman: list[str], tmp_path: Path
) -> None:
    with np.load(shelf.files / "subject" / "1" / "golden.npz") as golden:
        x, y = golden["x0"], golden["y0"]
    found = {}
    for strategy in Strategy:
        url = f"127.0.0.1:{free_port()}"
        options = ["--rm", "--read-only", "--network=host", f"--name={strategy}", *LIMITS]
        argv = [*podman, "run", *options, *arguments(shelf, podman, strategy, tmp_path), "--http", url]
        grpc = f"127.0.0.1:{free_port()}" if strategy is Strategy.EMBEDDED else ""
        process = subprocess.Popen(
            [*argv, *(["--grpc", grpc] if grpc else [])], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            wait_until_ready(process, f"http://{url}")
            found[strategy] = answers(f"http://{url}", x)
            if grpc:
                np.testing.assert_array_equal(answers_by_grpc(grpc, x), found[strategy])
            health = ["/usr/bin/python3", "-m", "edgewise.edge.serve.health", f"http://{url}/v2/health/ready"]
            run(*podman, "exec", strategy.value, *health)
            run(*podman, "stop", "--time", "30", strategy.value)
            assert process.wait(timeout=PATIENCE_S) == 0
        finally:
            process.kill()
            process.wait()
    for strategy, answer in found.items():
        np.testing.assert_allclose(answer, y.reshape(answer.shape), rtol=1e-4, atol=1e-4, err_msg=strategy)
        np.testing.assert_array_equal(answer, found[Strategy.EMBEDDED], err_msg=strategy)


def test_a_file_that_is_not_the_release_s_is_refused(shelf: Shelf, podman: list[str], tmp_path: Path) -> None:
    run(*podman, "pull", "--quiet", "--tls-verify=false", shelf.pushed[Strategy.EXTERNAL, "inference"])
    other = tmp_path / "models"
    shutil.copytree(shelf.files / "subject" / "1", other)
    document = (other / "model.json").read_bytes()
    (other / "model.json").write_bytes(document.replace(b'"version": "1"', b'"version": "2"'))
    variables = shelf.outcomes[Strategy.EXTERNAL].made.variables
    told = [f"--env={name}={value}" for name, value in variables.items()]
    image = shelf.pushed[Strategy.EXTERNAL, "inference"]
    argv = [*podman, "run", "--rm", "--network=none", *LIMITS, *told, f"--volume={other}:/mnt/models:ro", image]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == WrongBytes.exit_code
    assert json.loads(done.stdout.splitlines()[-1])["ready"] is False
    assert variables["EDGEWISE_MODEL_DIGEST"] in done.stdout + done.stderr


def test_an_image_volume_has_the_model_where_kserve_looks(shelf: Shelf, podman: list[str]) -> None:
    """Mounted as an image, and run as KServe runs it: a link to /models in the shared folder, by sh."""
    car = shelf.pushed[Strategy.MODELCAR, "model"]
    run(*podman, "pull", "--quiet", "--tls-verify=false", car)
    mounted = run(*podman, "image", "mount", car).strip()
    try:
        digest = shelf.outcomes[Strategy.MODELCAR].served.model.files[0].digest
        listed = sorted(path.name for path in Path(mounted, "models").iterdir())
        assert {"golden.npz", "model.json"} < set(listed)
        name = shelf.outcomes[Strategy.MODELCAR].served.model.files[0].name
        assert f"sha256:{run('sha256sum', f'{mounted}/models/{name}').split()[0]}" == digest
    finally:
        run(*podman, "image", "unmount", car)
    kserve = "ln -sf /proc/$$/root/models /tmp/models && test -f /tmp/models/model.json && ls -d /tmp/models"
    argv = [*podman, "run", "--rm", "--network=none", *LIMITS, "--entrypoint=sh", car, "-c", kserve]
    assert run(*argv).strip() == "/tmp/models"


def test_signatures_and_bills_came_along(shelf: Shelf, registry: Served) -> None:
    public = sign.read_public_key(shelf.key.with_suffix(".pub"))
    for (strategy, part), _ in shelf.pushed.items():
        with Registry(registry.host, f"{strategy}/{part}") as there:
            seen = look(there, "1", key=public)
            referrers = seen.referrers or seen.singles[0].referrers  # of an index, or of an artifact
            kinds = {one.kind for one in referrers}
            assert "signature" in kinds, (strategy, part)
            assert ("ModelPack" in kinds) is ((strategy, part) == (Strategy.MODELCAR, "model"))
            if part == "inference":
                (single,) = seen.singles
                assert {"bill of materials", "provenance", "signature"} == {one.kind for one in single.referrers}
                assert {"edgewise", "numpy", "uvloop"} <= {name for name, _, _ in single.packages}
                assert ("protobuf" in {name for name, _, _ in single.packages}) is (strategy is Strategy.EMBEDDED)
            cosign = there.resolve(f"{seen.root.digest.replace(':', '-')}.sig")
            assert cosign.digest in {one.document.digest for one in referrers}


def test_skopeo_copies_every_part(shelf: Shelf, tmp_path: Path) -> None:
    skopeo = tool("skopeo")
    policy = tmp_path / "policy.json"
    policy.write_text('{"default": [{"type": "insecureAcceptAnything"}]}')
    for (strategy, part), name in shelf.pushed.items():
        target = f"oci:{tmp_path}/{strategy}-{part}:1"
        run(
            skopeo,
            "copy",
            "--all",
            "--preserve-digests",
            "--policy",
            str(policy),
            "--src-tls-verify=false",
            f"docker://{name}",
            target,
        )
        found = Layout(tmp_path / f"{strategy}-{part}").resolve("1")
        assert found.digest == shelf.outcomes[strategy].made.roots[part].digest
