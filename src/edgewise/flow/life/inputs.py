"""What a step stands on now, by digest: files are read and hashed, nothing is run.

What a named Python module reads by itself is not seen, nor is anything that a training imports: a run that shall not
rely on it says `--from plan`.
"""

import dataclasses
import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path

from edgewise.errors import NotFound
from edgewise.flow import toolchains
from edgewise.flow.edgefile import MODEL_STEP, Project
from edgewise.flow.life.steps import Digests, Step
from edgewise.flow.life.wishes import Wishes
from edgewise.hardware.probe import identity, probe
from edgewise.nouns import Site

CHUNK_BYTES = 1 << 20


def of(
    step: Step,
    project: Project,
    site: Site,
    wishes: Wishes,
    made: Mapping[Step, Digests],
    further: Iterable[str] = (),
) -> dict[str, str]:
    """What `step` of `site` stands on.

    Args:
        made: what the steps before made.
        further: files that the model files name.

    Raises:
        NotFound: a file is not there.
    """
    match step:
        case Step.PLAN:
            return _plan(project, site, wishes, further)
        case Step.BUILD:
            return {**made[Step.PLAN], **_build(project, wishes)}
        case Step.PUSH:
            return {**made[Step.BUILD], "registry": wishes.registry, "version": wishes.version}
        case Step.PUBLISH:
            return {**made[Step.PLAN], **made[Step.PUSH], **_publish(wishes)}


def _plan(project: Project, site: Site, wishes: Wishes, further: Iterable[str]) -> dict[str, str]:
    folder = project.path.resolve().parent
    files = [*project.model_paths, *(folder / one for one in further)]
    files += [] if project.train is None else [project.train]
    files += [file for text in (project.data, project.metric) if (file := _python(text, folder))]
    files += [Path(project.data)] if project.data.endswith(".npz") else []
    said = [project.name, project.data, project.metric, project.seed, dataclasses.asdict(site)]
    return {
        f"what edge.yaml says of {site.name}": _digest(said),
        **{_shown(file, folder): file_digest(file) for file in files},
        "this machine": identity(probe(bandwidth=False)),
        "the toolchains": _digest(toolchains.versions()),
        "the catalogue": _digest([[str(one.name), file_digest(one)] for one in _catalogue(wishes)]),
        "the meter": wishes.meter,
    }


def _build(project: Project, wishes: Wishes) -> dict[str, str]:
    folder = project.path.resolve().parent
    files = [folder / step.partition(".py:")[0] for step in project.steps if step != MODEL_STEP]
    files = [one if one.suffix == ".json" else one.with_name(f"{one.name}.py") for one in files]
    key = {} if wishes.key is None else {"the signing key": file_digest(wishes.key)}
    return {
        "version": wishes.version,
        "base": wishes.base,
        "platforms": ", ".join(wishes.platforms),
        "gRPC": str(wishes.grpc).lower(),
        "SOURCE_DATE_EPOCH": str(wishes.created),
        "the steps that are served": ", ".join(project.steps),
        "edgewise": toolchains.versions()["edgewise"],
        **{_shown(file, folder): file_digest(file) for file in files},
        **key,
    }


def _publish(wishes: Wishes) -> dict[str, str]:
    return {
        "tree": wishes.tree,
        "soak": f"{wishes.soak_s:g} s",
        "settings": _digest(wishes.settings),
        "at once": str(wishes.at_once).lower(),
    }


def file_digest(path: Path) -> str:
    """SHA-256 of the file.

    Raises:
        NotFound: it cannot be read.
    """
    found = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while piece := file.read(CHUNK_BYTES):
                found.update(piece)
    except OSError as error:
        raise NotFound(
            f"{path} cannot be read: {error.strerror}", hint="paths in edge.yaml are relative to it"
        ) from error
    return f"sha256:{found.hexdigest()}"


def _python(text: str, folder: Path) -> Path | None:
    """The file behind `file.py:function`, or behind `package.module:function` where it lies beside edge.yaml."""
    name, colon, _ = text.rpartition(":")
    if not colon:
        return None
    path = Path(name) if name.endswith(".py") else folder / f"{name.replace('.', '/')}.py"
    return path if path.is_file() else None


def _catalogue(wishes: Wishes) -> list[Path]:
    return sorted(file for folder in wishes.machines for file in folder.rglob("*") if file.is_file())


def _shown(file: Path, folder: Path) -> str:
    return str(file.relative_to(folder)) if file.is_relative_to(folder) else str(file)


def _digest(value: object) -> str:
    text = json.dumps(value, sort_keys=True, default=str)
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"
