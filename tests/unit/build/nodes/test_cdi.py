import pytest

from edgewise.build.nodes.cdi import Edits, Mount, Node, Specification, lowest_version

NODE = Edits(nodes=(Node(path="/dev/a"),))


@pytest.mark.parametrize(
    ("given", "version"),
    [
        (Specification(kind="v.io/c", devices={"all": NODE}), "0.3.0"),
        (Specification(kind="v.io/c", devices={"a": Edits(nodes=(Node(path="/a", host_path="/a"),))}), "0.3.0"),
        (
            Specification(kind="v.io/c", devices={"a": Edits(mounts=(Mount(host_path="/a", container_path="/a"),))}),
            "0.3.0",
        ),
        (
            Specification(
                kind="v.io/c",
                devices={"a": NODE},
                edits=Edits(mounts=(Mount(host_path="/a", container_path="/a", type="tmpfs"),)),
            ),
            "0.4.0",
        ),
        (Specification(kind="v.io/c", devices={"a": Edits(nodes=(Node(path="/a", host_path="/b"),))}), "0.5.0"),
        (Specification(kind="v.io/c", devices={"0": NODE}), "0.5.0"),
        (Specification(kind="v.io/c.d", devices={"a": NODE}), "0.6.0"),
        (Specification(kind="v.io/c", devices={"a": NODE}, annotations={"x": "y"}), "0.6.0"),
        (Specification(kind="v.io/c", devices={"a": Edits(groups=(44,))}), "0.7.0"),
    ],
)
def test_the_lowest_version_that_the_content_needs(given: Specification, version: str):
    assert lowest_version(given) == version
