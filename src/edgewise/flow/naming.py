"""What the store and a registry call the parts that are built for a site. Pure, and quick to import."""

from edgewise.flow.edgefile import Project
from edgewise.nouns import Site

INFERENCE, MODEL = "inference", "model"
FIRST_VERSION = "1"


def names_of(project: Project, site: Site, version: str) -> dict[str, str]:
    """What the store calls the parts of a build, by the part's name; there may be fewer."""
    base = f"{project.name}/{site.name}"
    return {INFERENCE: f"{base}:{version}", MODEL: f"{base}/model:{version}"}


def source_of(name: str, source: str) -> str:
    """Where the part that the store calls `name` is pushed to below `source`, without tag."""
    repository = name.rpartition(":")[0]
    return source if source.startswith("oci:") else f"{source.rstrip('/')}/{repository}"


def pushed_as(name: str, source: str) -> str:
    """The whole reference of the part that the store calls `name`, when it was pushed below `source`."""
    tag = name if source.startswith("oci:") else name.rpartition(":")[2]
    return f"{source_of(name, source)}:{tag}"
