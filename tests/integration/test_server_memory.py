"""What nodes grant a server by itself (`SERVER_BYTES`) is no less than what it takes, with every runtime."""

from pathlib import Path

import pytest

from edgewise.build.nodes.describe import MEBIBYTE, SERVER_BYTES
from edgewise.nouns import RuntimeName
from fakes.serve_process import ServerProcess
from fakes.served import linear_folder


@pytest.mark.parametrize("runtime", SERVER_BYTES)
def test_a_server_with_a_model_of_nothing_takes_what_is_granted_and_not_much_less(runtime: str, tmp_path: Path) -> None:
    model = linear_folder(tmp_path / "model", runtime=RuntimeName(runtime))
    as_images_are = {"ORT_DISABLE_TELEMETRY": "1", "OPENBLAS_NUM_THREADS": "1"}
    with ServerProcess(model, "--grpc", "127.0.0.1:0", environment=as_images_are) as server:
        status = Path(f"/proc/{server.pid}/status").read_text()
    (peak_kib,) = (int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))
    assert SERVER_BYTES[runtime] - 32 * MEBIBYTE < peak_kib * 1024 <= SERVER_BYTES[runtime]
