"""Keeps the models of the server: loads what is asked for, swaps versions, unloads what must go.

Runs on the event loop; loading is done by one thread, one model after the other, so that what each one takes can be
told apart. A new version is loaded, warmed and proven beside the old one and takes over between two requests; where it
fails, what served before serves on.
"""

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from edgewise.edge.serve.contract import IndexEntry
from edgewise.edge.serve.faults import ModelFailed, NoMemory, NotReady, UnknownModel
from edgewise.edge.serve.models import memory, repository
from edgewise.edge.serve.models.folder import Folder
from edgewise.edge.serve.models.loaded import LoadedModel
from edgewise.edge.serve.models.loaded import load as load_folder
from edgewise.edge.serve.models.memory import Resident
from edgewise.edge.serve.models.repository import Catalogue
from edgewise.errors import EdgewiseError, ModelTooLarge
from edgewise.units import SIZE, show

Key = tuple[str, str]
Load = Callable[[Folder], LoadedModel]
Retire = Callable[[LoadedModel], Awaitable[None]]


@dataclass(slots=True, kw_only=True)
class Entry:
    """One version of a model, in memory or not.

    Attributes:
        reason: why it is not in memory and cannot be; "" where nothing speaks against it.
        estimate_bytes: what it takes, as measured when it was loaded last; 0 before.
    """

    folder: Folder
    loaded: LoadedModel | None = None
    loading: asyncio.Task[LoadedModel] | None = None
    unloading: bool = False
    reason: str = ""
    used_s: float = 0.0
    estimate_bytes: int = 0


def _told(line: str) -> None:
    sys.stderr.write(f"edgewise: {line}\n")


class Keeper:
    """The models of the server; see `edge.serve.contract.Models`.

    Args:
        places: model folders and repositories.
        digest: what the one model.json must have; "" for any.
        limit_bytes: ceiling for the resident memory of the process; None for none.
        arrived: called with what was loaded, before anything else may happen to it.
        retire: awaited with what shall leave memory, until nothing runs on it any more.
        tell: called with a line for whoever reads the log.
    """

    def __init__(
        self,
        places: Sequence[Path],
        *,
        arrived: Callable[[LoadedModel], None],
        retire: Retire,
        digest: str = "",
        limit_bytes: int | None = None,
        load: Load = load_folder,
        rss_bytes: Callable[[], int] = memory.rss_bytes,
        tell: Callable[[str], None] = _told,
    ) -> None:
        self._places = places
        self._digest = digest
        self._limit_bytes = limit_bytes
        self._load = load
        self._rss_bytes = rss_bytes
        self._arrived = arrived
        self._retire = retire
        self._tell = tell
        self._entries: dict[str, dict[str, Entry]] = {}
        self._serving: dict[str, str] = {}
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="loader")
        self._one_at_a_time = asyncio.Lock()
        self._faults: list[tuple[Path, EdgewiseError]] = []

    # --- What the core and the skins ask

    def find(self, name: str, version: str = "") -> LoadedModel | None:
        """The loaded version (the one that serves for ""), None where it is known and not in memory.

        Raises:
            UnknownModel: there is no such model or version.
        """
        entry = self._entry(name, version)
        entry.used_s = time.monotonic()
        return entry.loaded

    async def fetch(self, name: str, version: str = "") -> LoadedModel:
        """As `find`, and loaded first where it is not in memory.

        Raises:
            UnknownModel, NotReady, NoMemory: it cannot be.
        """
        found = self.find(name, version)
        if found is not None:
            return found
        entry = self._entry(name, version)
        if entry.reason:
            raise NotReady(entry.reason)
        try:
            return await self._brought(entry)
        except ModelTooLarge as error:
            raise NoMemory(error.message) from error
        except EdgewiseError as error:
            raise NotReady(error.message) from error

    async def load(self, name: str) -> None:
        """Read the model's folders again, load what is newest beside what serves, and let it take over.

        Raises:
            UnknownModel: there is no such model.
            NoMemory, ModelFailed: it cannot be loaded; what served before serves on.
        """
        try:
            catalogue = await self._scanned()
            if name not in catalogue.folders:
                raise self._unknown(name)
            self._add(name, catalogue)
            await self._swap(catalogue.newest(name))
        except ModelTooLarge as error:
            raise NoMemory(error.message) from error
        except EdgewiseError as error:
            raise ModelFailed(error.message) from error

    async def unload(self, name: str) -> None:
        """Let requests that are under way end, then free every version of the model; `load` brings it back.

        Raises:
            UnknownModel: there is no such model.
        """
        if name not in self._entries:
            raise self._unknown(name)
        for entry in self._entries[name].values():
            entry.reason = f"the model {name} was unloaded; load it to use it again"
        async with self._one_at_a_time:
            for entry in list(self._entries.get(name, {}).values()):
                await self._unload(entry)
            memory.give_back()

    def index(self) -> list[IndexEntry]:
        """Every version that is known, by name and then by age; and folders that cannot be read."""
        known = [
            IndexEntry(name=name, version=version, state=_state(entry), reason=_reason(entry))
            for name, versions in sorted(self._entries.items())
            for version, entry in sorted(versions.items(), key=lambda item: repository.age(item[0]))
        ]
        broken = [
            IndexEntry(name=path.parent.name, version=path.name, state="UNAVAILABLE", reason=error.message)
            for path, error in self._faults
        ]
        return known + broken

    # --- What whoever runs the server asks

    async def start(self, *, lazy: bool = False) -> None:
        """Read all folders and load what serves of every model, as far as memory goes.

        The rest is loaded when it is asked for; all of it where `lazy`.

        Raises:
            EdgewiseError: there is nothing to serve, or a model cannot be served here.
        """
        catalogue = await self._scanned()
        self._faults = catalogue.faults
        if not catalogue.folders:
            raise catalogue.faults[0][1]
        for name in catalogue.folders:
            self._add(name, catalogue)
        if lazy:
            return
        for name in list(self._entries):
            entry = self._entry(name)
            try:
                await self._brought(entry, evict=False)
            except ModelTooLarge:
                if not self._resident():
                    raise

    async def reread(self, *, lazy: bool = False) -> None:
        """Read all folders again: what changed takes over, what has gone is unloaded.

        Raises:
            EdgewiseError: the folders cannot be read, and everything serves on as it is; or a model cannot be loaded
                anew: the first fault, when all others were tried.
        """
        catalogue = await self._scanned()
        self._faults = catalogue.faults
        for name in [name for name in self._entries if name not in catalogue.folders]:
            await self.unload(name)
            del self._entries[name], self._serving[name]
        failed = []
        for name in catalogue.folders:
            try:
                await self._reread_one(name, catalogue, lazy=lazy)
            except EdgewiseError as error:
                failed.append(error)
        if failed:
            raise failed[0]

    async def _reread_one(self, name: str, catalogue: Catalogue, *, lazy: bool) -> None:
        newest = catalogue.newest(name)
        serving = self._entries[name][self._serving[name]] if name in self._entries else None
        self._add(name, catalogue)
        if serving is not None and serving.folder.digest == newest.digest and not serving.reason:
            return
        if lazy and (serving is None or serving.loaded is None):
            self._serving[name] = newest.model.version
            return
        try:
            await self._swap(newest)
        except EdgewiseError as error:
            self._entries[name][newest.model.version].reason = error.message
            raise

    async def close(self) -> None:
        """Free every model."""
        async with self._one_at_a_time:
            for versions in self._entries.values():
                for entry in versions.values():
                    await self._unload(entry)
        self._thread.shutdown(wait=True)

    # --- How it is done

    def _entry(self, name: str, version: str = "") -> Entry:
        versions = self._entries.get(name)
        if versions is None:
            raise self._unknown(name)
        entry = versions.get(version or self._serving[name])
        if entry is None:
            known = ", ".join(sorted(versions, key=repository.age))
            raise UnknownModel(f"the model {name} has no version {version!r}; it has {known}")
        return entry

    def _unknown(self, name: str) -> UnknownModel:
        return UnknownModel(f"there is no model {name!r}; there is {', '.join(sorted(self._entries)) or 'none'}")

    async def _scanned(self) -> Catalogue:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, lambda: repository.scan(self._places, digest=self._digest))

    def _add(self, name: str, catalogue: Catalogue) -> None:
        """Make the versions that the catalogue has known, without loading; what is in memory stays."""
        entries = self._entries.setdefault(name, {})
        for version, folder in catalogue.folders[name].items():
            if version not in entries:
                entries[version] = Entry(folder=folder)
            elif entries[version].loaded is None:
                entries[version].folder = folder
        for version in [version for version in entries if version not in catalogue.folders[name]]:
            if entries[version].loaded is None and version != self._serving.get(name):
                del entries[version]
        self._serving.setdefault(name, catalogue.newest(name).model.version)

    async def _brought(self, entry: Entry, *, evict: bool = True) -> LoadedModel:
        """`entry` in memory; who asks meanwhile waits for the same work."""
        if entry.loading is None:
            entry.loading = asyncio.create_task(self._loading(entry, evict=evict))
            entry.loading.add_done_callback(lambda task: _ended(entry, task))
        return await asyncio.shield(entry.loading)

    async def _loading(self, entry: Entry, *, evict: bool) -> LoadedModel:
        async with self._one_at_a_time:
            if entry.loaded is not None:
                return entry.loaded
            try:
                loaded = await self._into_memory(entry.folder, entry, evict=evict)
            except ModelTooLarge:
                raise
            except EdgewiseError as error:
                entry.reason = error.message
                raise
            self._take_over(entry, loaded)
            return loaded

    async def _swap(self, folder: Folder) -> None:
        """Load `folder` beside what serves under its name, let it take over, and retire the other."""
        model = folder.model
        entries = self._entries[model.name]
        async with self._one_at_a_time:
            before = entries.get(self._serving[model.name])
            entry = Entry(folder=folder)
            known = entries.get(model.version)
            loaded = await self._into_memory(folder, entry, evict=True, beside=model.name)
            entry.used_s = time.monotonic()
            entries[model.version] = entry
            self._serving[model.name] = model.version
            self._take_over(entry, loaded)
            for old in {id(one): one for one in (before, known) if one is not None}.values():
                await self._unload(old)
            memory.give_back()

    def _take_over(self, entry: Entry, loaded: LoadedModel) -> None:
        entry.loaded, entry.reason, entry.used_s = loaded, "", time.monotonic()
        entry.estimate_bytes = loaded.memory_bytes
        if loaded.caveat:
            self._tell(f"{loaded.name} {loaded.version}: {loaded.caveat}")
        self._arrived(loaded)

    async def _into_memory(self, folder: Folder, entry: Entry, *, evict: bool, beside: str = "") -> LoadedModel:
        """Make room, load, and look whether it keeps under the ceiling.

        Args:
            evict: whether others may be unloaded for it.
            beside: a model that serves and stays.
        """
        files = sum(file.size_bytes for file in folder.model.files)
        what = f"the model {folder.model.name}"
        need = entry.estimate_bytes or files
        await self._make_room(what, need, measured=bool(entry.estimate_bytes), evict=evict, beside=beside)
        before = self._rss_bytes()
        loop = asyncio.get_running_loop()
        loaded = await loop.run_in_executor(self._thread, self._load, folder)
        loaded.memory_bytes = max(0, self._rss_bytes() - before)
        try:
            await self._make_room(what, 0, measured=True, evict=evict, beside=beside, took=loaded.memory_bytes)
        except ModelTooLarge:
            entry.estimate_bytes = loaded.memory_bytes
            loaded.close()
            memory.give_back()
            raise
        return loaded

    async def _make_room(
        self, what: str, need_bytes: int, *, measured: bool, evict: bool, beside: str, took: int = 0
    ) -> None:
        """Unload others until `need_bytes` fit under the ceiling.

        Raises:
            ModelTooLarge: they do not fit, whoever goes; nobody is unloaded for nothing.
        """
        if self._limit_bytes is None:
            return
        while (free := self._limit_bytes - self._rss_bytes()) < need_bytes:
            resident = [one for one in self._resident() if one.key[0] != beside] if evict else []
            chosen = memory.victims(resident, need_bytes=need_bytes, free_bytes=free)
            if not chosen:
                raise _too_large(what, took or need_bytes, self._limit_bytes, free, measured=measured)
            await self._unload(self._entries[chosen[0][0]][chosen[0][1]])
            memory.give_back()

    def _resident(self) -> list[Resident]:
        return [
            Resident(key=(name, version), memory_bytes=entry.estimate_bytes, used_s=entry.used_s)
            for name, versions in self._entries.items()
            for version, entry in versions.items()
            if entry.loaded is not None
        ]

    async def _unload(self, entry: Entry) -> None:
        """Take `entry` out of memory once nothing runs on it."""
        loaded, entry.loaded = entry.loaded, None
        if loaded is None:
            return
        entry.unloading = True
        try:
            await self._retire(loaded)
        finally:
            entry.unloading = False
        loaded.close()


def _ended(entry: Entry, task: asyncio.Task[LoadedModel]) -> None:
    entry.loading = None
    if not task.cancelled():
        task.exception()  # who waited has it; nobody waiting is no fault


def _reason(entry: Entry) -> str:
    """Why it is not ready; of one that is, what of it is not as it was measured."""
    return entry.reason or (entry.loaded.caveat if entry.loaded is not None else "")


def _state(entry: Entry) -> str:
    if entry.loading is not None:
        return "LOADING"
    if entry.unloading:
        return "UNLOADING"
    return "READY" if entry.loaded is not None else "UNAVAILABLE"


def _too_large(what: str, need: int, limit: int, free: int, *, measured: bool) -> ModelTooLarge:
    source = "as measured when it was loaded" if measured else "by the size of its files"
    return ModelTooLarge(
        f"{what} takes {show(need, SIZE)} ({source}, an estimate), and {show(max(0, free), SIZE)} are free under the"
        f" ceiling of {show(limit, SIZE)}",
        hint="raise the ceiling, or serve fewer models",
    )
