"""Models that come and go: verified, proven, swapped, under a ceiling."""

import asyncio
import os
import shutil
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest

from edgewise.edge.serve.core.opening import opened
from edgewise.edge.serve.core.plane import Plane
from edgewise.edge.serve.core.settings import Settings
from edgewise.edge.serve.faults import Fault, ModelFailed, NoMemory, NotReady, UnknownModel
from edgewise.edge.serve.models import folder as folders
from edgewise.edge.serve.models.folder import Folder
from edgewise.edge.serve.models.keeper import Keeper
from edgewise.edge.serve.models.loaded import LoadedModel
from edgewise.edge.serve.models.memory import Resident, rss_bytes, victims
from edgewise.edge.serve.tensors import Response
from edgewise.errors import BadModel, GoldenMissed, ModelTooLarge, NotFound, WrongBytes
from edgewise.nouns import RuntimeName, Signature
from edgewise.runtimes import served
from fakes import linear
from fakes.served import golden, linear_folder, written
from fakes.serving import answer, asked, floats, on_loop

MIB = 1 << 20
X = floats(1, linear.FEATURES)


def digest(path: Path) -> str:
    return folders.read(path).digest


async def started(*paths: Path, **settings: object) -> Plane:
    core = Plane(list(paths), settings=Settings(**settings))  # type: ignore[arg-type]
    await core.start()
    return core


async def version(core: Plane, name: str = "line", wanted: str = "") -> str:
    found = await answer(core, asked(name, {"x": X}, version=wanted))
    if isinstance(found, Fault):
        raise found
    return found.version


class TestVerifying:
    def test_a_file_of_another_digest_is_refused(self, tmp_path: Path) -> None:
        linear_folder(tmp_path)
        content = bytearray((tmp_path / "dynamic.onnx").read_bytes())
        content[-1] ^= 1
        (tmp_path / "dynamic.onnx").write_bytes(content)
        with pytest.raises(WrongBytes, match=r"dynamic\.onnx has the digest sha256:.*, and model\.json says sha256:"):
            on_loop(lambda: started(tmp_path))

    def test_a_file_of_another_size_is_refused(self, tmp_path: Path) -> None:
        linear_folder(tmp_path)
        (tmp_path / "golden.npz").write_bytes(b"")
        with pytest.raises(WrongBytes, match="has 0 bytes"):
            on_loop(lambda: started(tmp_path))

    def test_a_missing_file_and_a_missing_folder_are_named(self, tmp_path: Path) -> None:
        linear_folder(tmp_path / "a")
        (tmp_path / "a" / "dynamic.onnx").unlink()
        with pytest.raises(NotFound, match=r"dynamic\.onnx is missing"):
            on_loop(lambda: started(tmp_path / "a"))
        with pytest.raises(NotFound, match="there is no model folder"):
            on_loop(lambda: started(tmp_path / "b"))
        (tmp_path / "c").mkdir()
        with pytest.raises(NotFound, match=r"holds neither model\.json nor"):
            on_loop(lambda: started(tmp_path / "c"))

    def test_what_is_no_file_is_no_model(self, tmp_path: Path) -> None:
        linear_folder(tmp_path)
        (tmp_path / "dynamic.onnx").unlink()
        os.mkfifo(tmp_path / "dynamic.onnx")
        with pytest.raises(BadModel, match="is no file"):
            on_loop(lambda: started(tmp_path))

    def test_another_model_than_the_released_one_is_refused(self, tmp_path: Path) -> None:
        linear_folder(tmp_path)
        right = digest(tmp_path)

        async def work() -> None:
            core = opened([tmp_path], digest=right)
            await core.start()
            await core.stop()
            with pytest.raises(WrongBytes, match="EDGEWISE_MODEL_DIGEST wants sha256:0000"):
                await opened([tmp_path], digest="sha256:" + "0" * 64).start()

        on_loop(work)

    def test_nothing_of_ours_is_left_on_the_disk(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        room = tmp_path / "room"
        room.mkdir()
        monkeypatch.setattr("tempfile.tempdir", str(room))
        linear_folder(tmp_path / "good")
        linear_folder(tmp_path / "bad")
        (tmp_path / "bad" / "dynamic.onnx").write_bytes(b"")

        async def work() -> None:
            core = await started(tmp_path / "good")
            await core.stop()
            with pytest.raises(WrongBytes):
                await started(tmp_path / "bad")

        on_loop(work)
        assert list(room.iterdir()) == []


class TestGolden:
    def test_a_machine_that_gives_other_answers_may_not_serve(self, runtime: RuntimeName, tmp_path: Path) -> None:
        x = floats(4, linear.FEATURES)
        y = linear.expected("dynamic", x)
        y[2, 1] += 0.5
        linear_folder(tmp_path, runtime=runtime)
        wrong = golden(tmp_path, [x], [y])
        written(tmp_path, replace(served.read((tmp_path / served.NAME).read_bytes()), golden=wrong))
        with pytest.raises(GoldenMissed, match=r"example 2, output y at \[0, 1\]: expected .*, got .*, allowed is"):
            on_loop(lambda: started(tmp_path))

    def test_one_that_does_not_fit_the_model_is_said(self, tmp_path: Path) -> None:
        linear_folder(tmp_path)
        wrong = golden(tmp_path, [floats(4, linear.FEATURES)] * 2, [floats(4, 3)])
        written(tmp_path, replace(served.read((tmp_path / served.NAME).read_bytes()), golden=wrong))
        with pytest.raises(GoldenMissed, match="the golden has 2 inputs, and the model takes 1"):
            on_loop(lambda: started(tmp_path))


class TestRepository:
    def test_the_newest_version_serves_and_others_are_loaded_when_asked_for(self, tmp_path: Path) -> None:
        for one in ("2", "10", "9"):
            linear_folder(tmp_path / "line" / one, version=one)
        linear_folder(tmp_path / "other" / "1", name="other")

        async def work() -> None:
            core = await started(tmp_path)
            assert await version(core) == "10"
            states = {(one.name, one.version): one.state for one in core.models.index()}
            assert states == {
                ("line", "2"): "UNAVAILABLE", ("line", "9"): "UNAVAILABLE", ("line", "10"): "READY",
                ("other", "1"): "READY",
            }  # fmt: skip
            assert core.models.find("line", "9") is None
            assert await version(core, wanted="9") == "9"
            with pytest.raises(UnknownModel, match="no version '3'; it has 2, 9, 10"):
                await version(core, wanted="3")
            await core.stop()

        on_loop(work)

    def test_a_broken_folder_is_listed_with_the_reason_and_harms_no_other(self, tmp_path: Path) -> None:
        linear_folder(tmp_path / "line" / "1")
        (tmp_path / "bad" / "1").mkdir(parents=True)
        (tmp_path / "bad" / "1" / "model.json").write_text("{}")

        async def work() -> None:
            core = await started(tmp_path)
            assert await version(core) == "1"
            (bad,) = [one for one in core.models.index() if one.name == "bad"]
            assert bad.state == "UNAVAILABLE"
            assert "is not of the kind ServedModel" in bad.reason
            await core.stop()

        on_loop(work)

    def test_lazy_models_are_loaded_once_by_all_who_ask_at_once(self, tmp_path: Path) -> None:
        linear_folder(tmp_path)

        async def work() -> None:
            core = await started(tmp_path, lazy=True)
            assert core.ready
            assert core.models.find("line") is None
            loads = []
            whole = core.models._load

            def load(folder: Folder) -> LoadedModel:
                loads.append(folder)
                return whole(folder)

            core.models._load = load
            found = await asyncio.gather(*(version(core) for _ in range(20)))
            assert found == ["1"] * 20
            assert len(loads) == 1
            await core.stop()

        on_loop(work)

    def test_unload_lets_go_and_load_brings_back(self, tmp_path: Path) -> None:
        linear_folder(tmp_path)

        async def work() -> None:
            core = await started(tmp_path)
            await core.models.unload("line")
            (entry,) = core.models.index()
            assert (entry.state, entry.reason) == (
                "UNAVAILABLE",
                "the model line was unloaded; load it to use it again",
            )
            with pytest.raises(NotReady, match="was unloaded"):
                await version(core)
            await core.models.load("line")
            assert await version(core) == "1"
            with pytest.raises(UnknownModel):
                await core.models.load("circle")
            with pytest.raises(UnknownModel):
                await core.models.unload("circle")
            await core.stop()

        on_loop(work)


class TestSwapping:
    def test_no_request_is_lost_while_a_version_takes_over(self, tmp_path: Path) -> None:
        linear_folder(tmp_path / "line" / "1")

        async def work() -> None:
            core = await started(tmp_path)
            over = asyncio.Event()
            found: list[str] = []

            async def client() -> None:
                while not over.is_set():
                    found.append(await version(core))
                    await asyncio.sleep(0)

            clients = [asyncio.create_task(client()) for _ in range(4)]
            await asyncio.sleep(0.01)
            linear_folder(tmp_path / "line" / "2", version="2")
            await core.models.load("line")
            assert await version(core) == "2"
            over.set()
            await asyncio.gather(*clients)
            assert found == sorted(found)
            assert {"1"} <= set(found)
            assert core.models.find("line", "1") is None
            await core.stop()

        on_loop(work)

    def test_a_version_that_fails_leaves_the_old_one_serving(self, tmp_path: Path) -> None:
        linear_folder(tmp_path / "line" / "1")

        async def work() -> None:
            core = await started(tmp_path)
            bad = linear_folder(tmp_path / "line" / "2", version="2")
            (bad / "dynamic.onnx").write_bytes(b"x" * (bad / "dynamic.onnx").stat().st_size)
            with pytest.raises(ModelFailed, match="has the digest"):
                await core.models.load("line")
            assert await version(core) == "1"
            with pytest.raises(WrongBytes, match="has the digest"):
                await core.reload()
            assert await version(core) == "1"
            (two,) = [one for one in core.models.index() if one.version == "2"]
            assert "has the digest" in two.reason
            await core.stop()

        on_loop(work)

    @pytest.mark.parametrize("how", ["renamed", "in place", "gone"])
    def test_files_that_change_under_the_server_do_not_reach_what_runs(
        self, runtime: RuntimeName, how: str, tmp_path: Path
    ) -> None:
        linear_folder(tmp_path, runtime=runtime)
        path = next(one for one in tmp_path.iterdir() if one.name.startswith("dynamic"))

        async def work() -> None:
            core = await started(tmp_path)
            before = await answer(core, asked("line", {"x": X}))
            if how == "renamed":
                (tmp_path / "new").write_bytes(b"another")
                (tmp_path / "new").rename(path)
            elif how == "in place":
                path.write_bytes(b"")
            else:
                path.unlink()
            for rows in (1, 2, 5, 40):
                after = await answer(core, asked("line", {"x": np.repeat(X, rows, axis=0)}))
                assert isinstance(before, Response)
                assert isinstance(after, Response)
                np.testing.assert_allclose(after.outputs[0][2][-1], before.outputs[0][2][0], rtol=1e-5, atol=1e-6)
            with pytest.raises(ModelFailed):
                await core.models.load("line")
            assert await version(core) == "1"
            await core.stop()

        on_loop(work)

    def test_rereading_takes_what_is_new_and_drops_what_is_gone(self, tmp_path: Path) -> None:
        linear_folder(tmp_path / "line" / "1")
        linear_folder(tmp_path / "old" / "1", name="old")

        async def work() -> None:
            core = await started(tmp_path)
            same = core.models.find("line")
            shutil.rmtree(tmp_path / "old")
            linear_folder(tmp_path / "new" / "1", name="new")
            await core.reload()
            assert core.models.find("line") is same
            assert await version(core, "new") == "1"
            with pytest.raises(UnknownModel, match="there is line, new"):
                await version(core, "old")
            await core.stop()

        on_loop(work)


class Leaves(folders.Staged):
    """Takes a model's memory with it."""

    def __init__(self, memory: "Memory", key: int) -> None:
        super().__init__(Path(), private=False)
        self._memory, self._key = memory, key

    def remove(self) -> None:
        del self._memory.resident[self._key]


@dataclass
class Memory:
    """A process whose memory is what its models take."""

    sizes: dict[str, int]
    base: int = 10 * MIB
    resident: dict[int, int] = field(default_factory=dict)
    highest: int = 0

    def rss_bytes(self) -> int:
        return self.base + sum(self.resident.values())

    def load(self, folder: Folder) -> LoadedModel:
        model = folder.model
        loaded = LoadedModel(
            name=model.name, version=model.version, signature=Signature(inputs=(), outputs=()), platform="fake",
            digest=folder.digest, call=lambda inputs: inputs,
        )  # fmt: skip
        self.resident[id(loaded)] = self.sizes[model.name]
        loaded.staged = Leaves(self, id(loaded))
        self.highest = max(self.highest, self.rss_bytes())
        return loaded

    async def retire(self, loaded: LoadedModel) -> None:
        await asyncio.sleep(0)
        assert id(loaded) in self.resident


class TestCeiling:
    def keeper(
        self, root: Path, memory: Memory, limit_bytes: int, arrived: Callable[..., None] = lambda _: None
    ) -> Keeper:
        for name in memory.sizes:
            linear_folder(root / name / "1", name=name)
        return Keeper(
            [root], arrived=arrived, retire=memory.retire, limit_bytes=limit_bytes, load=memory.load,
            rss_bytes=memory.rss_bytes,
        )  # fmt: skip

    def test_who_was_used_least_recently_goes(self, tmp_path: Path) -> None:
        memory = Memory({"a": 10 * MIB, "b": 10 * MIB, "c": 10 * MIB})

        async def work() -> None:
            keeper = self.keeper(tmp_path, memory, 35 * MIB)
            await keeper.start()
            assert [name for name in "abc" if keeper.find(name)] == ["a", "b"]
            keeper.find("a")
            await keeper.fetch("c")
            assert [name for name in "abc" if keeper.find(name)] == ["a", "c"]
            for name in "babcbca":
                await keeper.fetch(name)
                assert memory.rss_bytes() <= 35 * MIB
            await keeper.close()

        on_loop(work)
        assert memory.resident == {}

    def test_what_cannot_fit_is_refused_with_the_figures_and_nobody_goes_for_it_twice(self, tmp_path: Path) -> None:
        memory = Memory({"small": 5 * MIB, "vast": 100 * MIB})

        async def work() -> None:
            keeper = self.keeper(tmp_path, memory, 40 * MIB)
            await keeper.start()
            with pytest.raises(NoMemory, match=r"vast takes 100 MiB \(as measured when it was loaded, an estimate\)"):
                await keeper.fetch("vast")
            await keeper.fetch("small")
            with pytest.raises(NoMemory, match=r"25.0 MiB are free under the ceiling of 40.0 MiB"):
                await keeper.fetch("vast")
            assert keeper.find("small") is not None
            await keeper.close()

        on_loop(work)

    def test_a_lone_model_that_cannot_fit_ends_the_start(self, tmp_path: Path) -> None:
        memory = Memory({"vast": 100 * MIB})

        async def work() -> None:
            with pytest.raises(ModelTooLarge, match=r"under the ceiling of 40\.0 MiB") as caught:
                await self.keeper(tmp_path, memory, 40 * MIB).start()
            assert caught.value.exit_code == 63

        on_loop(work)

    def test_the_old_version_stays_while_the_new_one_is_loaded_beside_it(self, tmp_path: Path) -> None:
        memory = Memory({"a": 10 * MIB, "b": 10 * MIB})

        async def work() -> None:
            keeper = self.keeper(tmp_path, memory, 31 * MIB)
            await keeper.start()
            linear_folder(tmp_path / "a" / "2", name="a", version="2")
            await keeper.load("a")
            found = keeper.find("a")
            assert found is not None
            assert found.version == "2"
            assert keeper.find("b") is None  # it made room
            assert memory.highest == 40 * MIB or memory.rss_bytes() <= 31 * MIB
            await keeper.close()

        on_loop(work)

    def test_choosing_who_goes_frees_enough_or_nobody(self) -> None:
        resident = [
            Resident(key=(name, "1"), memory_bytes=10, used_s=used) for name, used in (("a", 3), ("b", 1), ("c", 2))
        ]
        assert victims(resident, need_bytes=5, free_bytes=5) == []
        assert victims(resident, need_bytes=16, free_bytes=5) == [("b", "1"), ("c", "1")]
        assert victims(resident, need_bytes=36, free_bytes=5) is None


def test_loading_does_not_hold_up_the_event_loop(tmp_path: Path) -> None:
    linear_folder(tmp_path)

    async def work() -> None:
        core = Plane([tmp_path], settings=Settings(lazy=True))
        await core.start()
        go = threading.Event()
        whole = core.models._load

        def load(folder: Folder) -> LoadedModel:
            assert go.wait(30)
            return whole(folder)

        core.models._load = load
        waiting = asyncio.create_task(version(core))
        for _ in range(10):
            await asyncio.sleep(0)
        assert [one.state for one in core.models.index()] == ["LOADING"]
        go.set()
        assert await waiting == "1"
        await core.stop()

    on_loop(work)


def test_loading_again_and_again_leaves_neither_memory_nor_descriptors_nor_threads_behind(
    runtime: RuntimeName, tmp_path: Path
) -> None:
    linear_folder(tmp_path, runtime=runtime)

    def held() -> tuple[int, int, int]:
        return rss_bytes(), len(list(Path("/proc/self/fd").iterdir())), threading.active_count()

    async def work() -> None:
        core = await started(tmp_path)
        for _ in range(3):
            await core.models.load("line")
        await version(core)
        before = held()
        for _ in range(6):
            await core.models.load("line")
            await version(core)
        after = held()
        assert after[0] - before[0] < 8 * MIB
        assert after[1:] == before[1:]
        await core.stop()

    on_loop(work)
