"""A real agent and its real server report to a real hub, which is away for a while."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from edgewise.edge import cases
from edgewise.edge.agent import outbox, settings
from edgewise.edge.cases import Escalated
from edgewise.exchange.message import Status
from fakes.hub_process import HubProcess
from fakes.sites import Device, Site, ask


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path / "site")


def enrol(root: Path, site: Site, hub: HubProcess) -> subprocess.CompletedProcess[str]:
    token = hub.says("create", "enrolment-token", "--site", "press-line", "--label", "ring=canary").strip()
    trust = site.folder / "keys" / "root.json"
    command = [sys.executable, "-m", "edgewise", "agent", "enrol", "--hub", hub.url, "--token", token]
    command += ["--tree", site.tree.base, "--trust", str(trust), "--root", str(root)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_what_a_device_says_reaches_the_hub_once_though_the_hub_was_away(tmp_path, site):
    first = site.release("1")
    with HubProcess(tmp_path / "hub") as hub:
        done = enrol(tmp_path / "device", site, hub)
        assert done.returncode == 0, done.stderr
        assert "ewe_" not in done.stderr + done.stdout
        who = settings.identity(tmp_path / "device")
        assert (who.site, who.labels) == ("press-line", {"ring": "canary"})
        with Device(tmp_path / "device", site, hub=hub.url, poll_s=2.0, report_s=4.0) as device:
            device.start()

            device.until(lambda: hub.shown(who.device).said == Status.ONLINE, "reported Online")
            assert (hub.shown(who.device).booted, hub.shown(who.device).up_to_date) == (first, True)
            for _ in range(7):
                ask(device.port)
            device.until(lambda: counted(hub, who.device, "requests") == 7, "reported its requests")
            figures = [one.figures for one in hub.device(who.device).history]
            assert any(one["latency_p99_ms"] for one in figures)
            assert figures[0]["memory_bytes"] > 1 << 20
            assert counted(hub, who.device, "updates") == 1
            cases.leave(device.disk.cases, Escalated(model="line", why="unsure", prediction="{}", input=b"1 2 3"))
            device.until(lambda: counted(hub, who.device, "escalated") == 1, "reported a case")
            device.until(lambda: "unsure" in hub.says("get", "cases", "-o", "json"), "brought it")
            device.kill_servers()
            device.until(lambda: counted(hub, who.device, "restarts") == 1, "reported the restart")

            hub.stop()
            bad = site.release("2", wrong=True)
            device.until(lambda: bad in device.state.rejected, "refused the bad release")
            device.until(lambda: len(outbox.waiting(device.root / "outbox")) >= 2, "kept what it has to say")
            hub.start()
            device.until(lambda: hub.shown(who.device).said == Status.ROLLED_BACK, "reported RolledBack")
            device.until(lambda: not outbox.waiting(device.root / "outbox"), "emptied its outbox")
            shown = hub.shown(who.device)
            assert (shown.up_to_date, shown.booted) == (False, first)
            assert "golden" in shown.reason
            assert shown.rejected == [bad]
            assert counted(hub, who.device, "failed_updates") == 1
            (listed,) = json.loads(hub.says("get", "devices", "-o", "json"))
            assert (listed["status"], listed["up_to_date"]) == ("RolledBack", False)

            device.process.terminate()
            device.process.wait(60)
            before = hub.shown(who.device).sequence
            device.start()
            device.until(lambda: hub.shown(who.device).sequence > before, "reported after it was started again")
        history = hub.device(who.device).history
        sequences = [one.sequence for one in history]
        assert sequences == sorted(set(sequences), reverse=True)
        assert {one.status for one in history} >= {"Updating", "Online", "RolledBack"}
        assert all(one.booted == first for one in history if one.status != "Failed")


def counted(hub: HubProcess, device: str, figure: str) -> int:
    return sum(one.figures[figure] for one in hub.device(device).history)
