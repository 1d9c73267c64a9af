"""What the verbs of rollouts share: what the hub is asked and told, and how a rollout is shown."""

from collections.abc import Iterator
from typing import Any

from edgewise.cli._hub import ask
from edgewise.cli._say import note
from edgewise.cli.config import Output, Settings
from edgewise.cli.output import data, sentence
from edgewise.core.rollouts.heard import Heard
from edgewise.core.rollouts.policy import Rollout
from edgewise.errors import EdgewiseError
from edgewise.exchange.message import Figures, Status

PAGE = "1000"


def tell(found: Settings, site: str, digest: str, rollout: Rollout) -> str:
    """Tell the hub how a rollout stands; who wants it stopped, "" for nobody."""
    stages = [rollout.policy.percent(index) for index in range(len(rollout.policy.stages))]
    body = {
        "site": site,
        "release": digest,
        "state": rollout.state.value,
        "stages": stages,
        "stage": rollout.stage,
        "reason": rollout.reason,
    }
    answer = ask(found, "PUT", "/api/v1/rollouts/{rollout}", {"rollout": rollout.name}, body)
    return str(answer["abort_wanted_by"])


def announce(found: Settings, site: str, digest: str, rollout: Rollout) -> None:
    """Tell a hub that is configured how a rollout stands. It is signed already, so one that is away stops nothing."""
    if not found.knows_hub:
        return
    try:
        tell(found, site, digest, rollout)
    except EdgewiseError as error:
        note(f"the hub was not told, and shows what was before: {error.message}")


def heard(found: Settings, site: str) -> Iterator[Heard]:
    """What every device of `site` said last; of one that has said nothing, that it has not."""
    after = ""
    while True:
        page = ask(found, "GET", "/api/v1/devices", {"site": site, "limit": PAGE, "after": after})
        yield from map(_heard, page["devices"])
        after = page["next"]
        if not after:
            return


def show(digest: str, rollout: Rollout, output: Output) -> None:
    """Print where a rollout stands."""
    stage = rollout.policy.stages[rollout.stage]
    if output in (Output.JSON, Output.YAML):
        shown = {"name": rollout.name, "release": digest, "state": rollout.state.value, "stage": rollout.stage}
        data({**shown, "stages": list(rollout.policy.stages), "reason": rollout.reason}, output)
        return
    why = f": {rollout.reason}" if rollout.reason else ""
    percent = "" if "=" in stage else " %"
    number = f"stage {rollout.stage + 1} of {len(rollout.policy.stages)} ({stage}{percent})"
    sentence(f"{rollout.name} is {rollout.state.value}, {number}{why}")
    sentence(f"  {digest}")


def _heard(device: dict[str, Any]) -> Heard:
    before = device.get("figures_before")  # a hub from before it kept them says neither
    return Heard(
        device=device["id"],
        sequence=device["sequence"],
        status=Status(device["status"]),
        booted=device["booted"],
        rejected=frozenset(device["rejected"]),
        labels=device["labels"],
        figures=_figures(device["figures"] or {}),
        since_s=device.get("booted_s") or None,
        before=_figures(before) if before else None,
    )


def _figures(found: dict[str, Any]) -> Figures:
    """What a rollout looks at."""
    looked_at = ("requests", "errors", "escalated", "latency_p99_ms")
    return Figures(**{name: found[name] for name in looked_at if name in found})
