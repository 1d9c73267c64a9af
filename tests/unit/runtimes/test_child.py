"""Children answer, or their end is told in a sentence; none outlives its parent, none leaves anything behind."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgewise.errors import ChildFailed
from edgewise.runtimes import child as child_module
from edgewise.runtimes.child import Child

TESTS = Path(__file__).parents[2]
MODULE = "fakes.answering"
SECONDS = 20.0


@pytest.fixture(autouse=True)
def _importable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(TESTS), prepend=os.pathsep)


@pytest.fixture
def child() -> Iterator[Child]:
    with Child(MODULE, name="the fake") as started:
        yield started


def failure(child: Child, command: str, *, timeout_s: float = SECONDS, **arguments: object) -> ChildFailed:
    with pytest.raises(ChildFailed) as caught:
        child.call(command, timeout_s=timeout_s, **arguments)
    assert caught.value.exit_code == 23
    return caught.value


def alive(pid: int) -> bool:
    """False for what has gone and for a zombie that only waits for its parent."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def gone(pid: int, *, within_s: float) -> bool:
    deadline = time.monotonic() + within_s
    while alive(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    return not alive(pid)


class TestAnswers:
    @settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(st.recursive(st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
                        | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))  # fmt: skip
    def test_are_what_was_sent(self, child: Child, value: object) -> None:
        assert child.call("echo", timeout_s=SECONDS, value=value) == value

    def test_may_be_large(self, child: Child) -> None:
        value = list(range(300_000))
        assert child.call("echo", timeout_s=SECONDS, value=value) == value

    def test_are_not_disturbed_by_what_libraries_print(self, child: Child) -> None:
        for text in ('{"result": "wrong"}\n', "no newline", "\n\n"):
            assert child.call("shout", timeout_s=SECONDS, text=text) == "said"
        assert child.call("echo", timeout_s=SECONDS, value=1) == 1
        assert '{"result": "wrong"}' in child.log()

    def test_come_from_a_process_of_its_own_session(self, child: Child) -> None:
        pid = child.call("pid", timeout_s=SECONDS)
        assert pid != os.getpid()
        assert os.getsid(pid) == pid

    def test_do_not_depend_on_files_that_happen_to_lie_here(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name in ("json", "select", "random", "edgewise"):
            (tmp_path / f"{name}.py").write_text("raise SystemExit('the wrong module')")
        monkeypatch.chdir(tmp_path)
        with Child(MODULE, name="the fake") as started:
            assert started.call("echo", timeout_s=SECONDS, value=1) == 1


class TestErrors:
    def test_of_python_are_lasting_and_the_child_goes_on(self, child: Child) -> None:
        error = failure(child, "fail", message="this operator\n\n  is unknown ")
        assert (error.message, error.lasting) == ("this operator is unknown", True)
        assert "Traceback" in error.log
        assert child.call("echo", timeout_s=SECONDS, value=1) == 1

    @pytest.mark.parametrize("command", ["fail_on_disk", "fail_on_memory"])
    def test_of_disk_and_memory_are_not_lasting(self, child: Child, command: str) -> None:
        assert not failure(child, command).lasting

    def test_without_words_are_named_by_their_kind(self, child: Child) -> None:
        assert failure(child, "fail", message="").message == "ValueError"

    def test_with_many_words_are_cut(self, child: Child) -> None:
        message = failure(child, "fail", message="x" * 100_000).message
        assert len(message) == 400
        assert message.endswith("...")

    def test_an_unknown_command_or_argument_is_an_error_like_any_other(self, child: Child) -> None:
        assert "dance" in failure(child, "dance").message
        assert "unexpected keyword" in failure(child, "echo", valu=1).message


class TestEnds:
    def test_a_crash_names_the_signal(self, child: Child) -> None:
        error = failure(child, "abort")
        assert error.message == "the fake was ended by SIGABRT"
        assert not error.lasting

    def test_an_exit_names_the_code_and_keeps_the_log(self, child: Child) -> None:
        error = failure(child, "leave", code=7)
        assert error.message == "the fake ended with exit code 7"
        assert error.log.endswith("leaving\n")

    def test_a_kill_hints_at_memory(self, child: Child) -> None:
        assert failure(child, "kill").message == "the fake was ended by SIGKILL (out of memory?)"

    def test_whatever_is_asked_afterwards_says_the_same(self, child: Child) -> None:
        first = failure(child, "abort").message
        assert failure(child, "echo", value=1).message == first

    def test_a_module_that_does_not_exist(self) -> None:
        with Child("fakes.nothing", name="the fake") as started:
            error = failure(started, "echo", value=1)
        assert error.message == "the fake ended with exit code 1"
        assert "No module named fakes.nothing" in error.log

    def test_an_emulator_that_does_not_exist(self) -> None:
        with pytest.raises(ChildFailed, match="the fake could not be started: No such file"):
            Child(MODULE, name="the fake", prefix=("/nowhere/qemu",))

    def test_words_before_the_first_answer(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("FAKE_GREETING", "1")
        with Child(MODULE, name="the fake") as started:
            assert failure(started, "echo", value=1).message == "the fake answered echo with b'hello'"

    def test_a_child_that_hangs_is_ended_in_time(self, child: Child) -> None:
        pid = child.call("pid", timeout_s=SECONDS)
        began = time.monotonic()
        error = failure(child, "sleep", seconds=60, timeout_s=0.3)
        assert time.monotonic() - began < 5
        assert error.message == "the fake gave no answer to sleep in 0.3 s"
        assert not error.lasting
        assert not alive(pid)


class TestTheLog:
    def test_is_bounded_and_its_end_is_kept(self, child: Child) -> None:
        child.call("chatter", timeout_s=SECONDS, lines=10_000)
        log = child.log()
        assert len(log) == child_module.LOG_BYTES
        assert log.endswith("line 9999 of 10000\n")

    def test_may_be_read_while_the_child_writes(self, child: Child) -> None:
        """Parent and child share the open file: reading must not move where the child writes."""
        said = {"lines": 1500, "pause_s": 2e-4}
        calling = threading.Thread(target=lambda: child.call("chatter", timeout_s=SECONDS, **said))
        calling.start()
        while calling.is_alive():
            child.log()
        assert child.log() == "".join(f"line {number} of 1500\n" for number in range(1500))


class TestNothingStays:
    def test_leaving_the_block_ends_an_idle_child_at_once(self) -> None:
        with Child(MODULE, name="the fake") as started:
            pid = started.call("pid", timeout_s=SECONDS)
            began = time.monotonic()
        assert not Path(f"/proc/{pid}").exists()
        assert time.monotonic() - began < child_module.GRACE_SECONDS

    def test_leaving_the_block_ends_a_busy_child_too(self) -> None:
        with Child(MODULE, name="the fake") as started:
            pid = started.call("pid", timeout_s=SECONDS)
            threading.Timer(0.2, child_module.kill_all).start()
            assert "SIGKILL" in failure(started, "sleep", seconds=60).message
        assert not Path(f"/proc/{pid}").exists()

    def test_kill_all_ends_every_child(self) -> None:
        children = [Child(MODULE, name=f"fake {number}") for number in range(3)]
        pids = [one.call("pid", timeout_s=SECONDS) for one in children]
        child_module.kill_all()
        assert [alive(pid) for pid in pids] == [False] * 3
        for one in children:
            assert "SIGKILL" in failure(one, "echo", value=1).message
            one.close()

    @pytest.mark.parametrize("last", ["echo', value=1", "sleep', seconds=60"], ids=["idle", "busy"])
    def test_children_do_not_outlive_a_parent_that_is_killed(self, last: str) -> None:
        code = (
            "import time\n"
            "from edgewise.runtimes.child import Child\n"
            f"child = Child('{MODULE}', name='the fake')\n"
            "print(child.call('pid', timeout_s=20), flush=True)\n"
            f"child.call('{last}, timeout_s=60)\n"
            "time.sleep(60)\n"
        )
        parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        time.sleep(0.1)
        assert alive(pid)
        parent.kill()
        parent.wait()
        parent.stdout.close()
        assert gone(pid, within_s=8)

    def test_fifty_children_leave_no_descriptor_and_no_zombie(self) -> None:
        def open_files() -> int:
            return len(list(Path("/proc/self/fd").iterdir()))

        before, ended = open_files(), []
        for number in range(50):
            with Child(MODULE, name="the fake") as started:
                ended.append(started.call("pid", timeout_s=SECONDS))
                if number % 5 == 0:
                    failure(started, "kill")
        assert open_files() == before
        assert [pid for pid in ended if Path(f"/proc/{pid}").exists()] == []
