"""Which backend takes a release: decided by the release, the device's settings and what is installed."""

import pytest

from edgewise.edge.agent.backend import Way, parts, unfit, way
from edgewise.exchange.release import Part, PartKind, Release, Strategy

EVERY = tuple(Way)


def release(*kinds: PartKind) -> Release:
    """A release with a part of each kind."""
    digest = f"sha256:{'a' * 64}"
    made = tuple(Part(name=str(one), kind=one, digest=digest, size_bytes=1, source="oci:there") for one in kinds)
    return Release(site="here", version="1", strategy=Strategy.EMBEDDED, parts=made)


IMAGE, MODEL, AGENT, SYSTEM = PartKind.IMAGE, PartKind.MODEL, PartKind.AGENT, PartKind.SYSTEM


@pytest.mark.parametrize(
    ("kinds", "containers", "expected"),
    [
        ((MODEL,), "auto", Way.PROCESS),
        ((MODEL,), "always", Way.PROCESS),
        ((IMAGE,), "auto", Way.CONTAINER),
        ((IMAGE, MODEL), "auto", Way.PROCESS),
        ((IMAGE, MODEL), "always", Way.CONTAINER),
        ((IMAGE, MODEL), "never", Way.PROCESS),
        ((IMAGE,), "never", Way.PROCESS),
        ((SYSTEM, IMAGE, MODEL), "always", Way.SYSTEM),
    ],
)
def test_the_release_and_the_settings_say_how_it_runs(kinds, containers, expected):
    assert way(release(*kinds), containers) is expected


@pytest.mark.parametrize(
    ("kinds", "containers", "there", "reason"),
    [
        ((MODEL,), "auto", (Way.PROCESS,), ""),
        ((IMAGE,), "auto", (Way.PROCESS, Way.CONTAINER), ""),
        ((SYSTEM,), "auto", EVERY, ""),
        ((IMAGE,), "auto", (Way.PROCESS,), "this device has no Podman"),
        ((IMAGE,), "never", EVERY, "no model as an artifact of its own"),
        ((AGENT,), "auto", EVERY, "no model as an artifact of its own"),
        ((SYSTEM,), "auto", (Way.PROCESS, Way.CONTAINER), "no backend for bootc or ostree"),
    ],
)
def test_what_cannot_run_here_is_refused_with_the_reason(kinds, containers, there, reason):
    found = unfit(release(*kinds), containers, there)
    assert (reason in found) if reason else found == ""


def test_only_what_is_needed_to_run_it_is_fetched():
    both = release(IMAGE, MODEL)
    assert [one.kind for one in parts(both, "auto")] == [MODEL]
    assert [one.kind for one in parts(both, "always")] == [IMAGE, MODEL]
    assert [one.kind for one in parts(release(SYSTEM, MODEL), "auto")] == [SYSTEM]
