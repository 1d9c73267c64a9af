"""The agent takes a release from a mirror alone: metadata, document, and the model that lies beside them."""

from pathlib import Path

from edgewise.core.releases import images, mirror
from edgewise.core.releases.web import Folder
from edgewise.edge.agent import outside
from edgewise.edge.agent.backend import Way
from edgewise.edge.agent.disk import Disk
from edgewise.exchange.fetch import Fetch
from fakes.sites import Device, Site


def test_the_agent_follows_a_stick_and_needs_nothing_else(tmp_path: Path) -> None:
    site, stick = Site(tmp_path / "site"), Folder(tmp_path / "stick")
    release = site.release("1")
    layout = images.layout_of(stick.folder)
    mirror.carry(mirror.survey(site.tree.base, site.tree.root, (), stick, layout, fetch=Fetch()), stick, layout)
    root = tmp_path / "device"
    with Device(root, site):
        site.folder.rename(tmp_path / "far away")
        found = outside.follow(str(root), [stick.folder.as_uri()], "d" * 32, "press-line", {}, "")
        assert (found["due"], found["tree"]) == (release, stick.folder.as_uri())
        tree, ways = [stick.folder.as_uri()], [Way.PROCESS.value]
        assert outside.fetch(str(root), tree, "press-line", release, "auto", ways, 0) == {"refuted": ""}
    assert release in Disk(root).whole()
