"""Which page stands at which address, and what it shows: each is a template over what a call of the API answers.

So every page has its JSON, at the address that its footer names, with the same parameters.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from edgewise.core.hub import fleet_calls, registry_calls, rollout_calls
from edgewise.core.hub.call import Asked, Hub, Parameter
from edgewise.core.hub.fleet import Device
from edgewise.core.hub.fleet_calls import CASE, DEVICE, OF_CASES, OF_DEVICES
from edgewise.core.hub.registry_calls import MODEL, VERSION
from edgewise.core.hub.rollout_calls import ROLLOUT
from edgewise.core.hub.users import Role
from edgewise.exchange.message import Status

ALERTS = 8
ALARMING = (Status.FAILED, Status.ROLLED_BACK, Status.DEGRADED)


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """One page.

    Attributes:
        tab: the line of the navigation that it belongs to.
        json: address of the same as JSON, with the path's parameters in braces.
    """

    path: str
    template: str
    tab: str
    show: Callable[[Hub, Asked], Mapping[str, Any]]
    json: str
    parameters: tuple[Parameter, ...] = ()
    role: Role = Role.VIEWER


def overview(hub: Hub, asked: Asked) -> dict[str, Any]:
    """The fleet at a glance, and what needs a person."""
    found = fleet_calls.overview(hub, asked)
    sites: dict[str, dict[str, int]] = {}
    total: dict[str, int] = dict.fromkeys([status.value for status in Status], 0)
    for one in found.counts:
        sites.setdefault(one.site, {})[one.status.value] = one.devices
        total[one.status.value] += one.devices
    alerts: list[Device] = []
    for status in ALARMING:
        if total[status.value]:
            alerts += fleet_calls.devices(hub, _asked(asked, OF_DEVICES, status=status.value, limit=ALERTS)).devices
    return {
        "sites": sites,
        "total": total,
        "devices": sum(total.values()),
        "cases_open": found.cases_open,
        "alerts": alerts[:ALERTS],
        "rollouts": rollout_calls.rollouts(hub, asked).rollouts,
    }


def devices(hub: Hub, asked: Asked) -> dict[str, Any]:
    """A table of devices, and its filter."""
    return {"page": fleet_calls.devices(hub, asked), "sites": fleet_calls.overview(hub, asked).counts}


def device(hub: Hub, asked: Asked) -> dict[str, Any]:
    """A device with its history."""
    found = fleet_calls.device(hub, asked)
    cases = fleet_calls.cases(hub, _asked(asked, OF_CASES, device=found.device.id, limit=20))
    return {"found": found, "cases": cases.cases}


def models(hub: Hub, asked: Asked) -> dict[str, Any]:
    """The models."""
    return {"page": registry_calls.models(hub, asked)}


def model(hub: Hub, asked: Asked) -> dict[str, Any]:
    """A model's versions."""
    given = _asked(asked, registry_calls.OF_VERSIONS, model=asked.values["model"])
    page = registry_calls.versions(hub, given)
    metrics = sorted({name for one in page.versions for name in one.metrics})[:4]
    return {"page": page, "name": asked.values["model"], "metrics": metrics}


def version(hub: Hub, asked: Asked) -> dict[str, Any]:
    """A version, where it comes from and where it runs."""
    return {"found": registry_calls.version(hub, asked)}


def rollouts(hub: Hub, asked: Asked) -> dict[str, Any]:
    """Rollouts and releases."""
    known = registry_calls.known_releases(hub, _asked(asked, registry_calls.OF_RELEASES, limit=50))
    return {"page": rollout_calls.rollouts(hub, asked), "releases": known.releases}


def rollout(hub: Hub, asked: Asked) -> dict[str, Any]:
    """A rollout, stage by stage."""
    return {"found": rollout_calls.rollout(hub, asked)}


def cases(hub: Hub, asked: Asked) -> dict[str, Any]:
    """The review queue."""
    return {"page": fleet_calls.cases(hub, asked)}


def case(hub: Hub, asked: Asked) -> dict[str, Any]:
    """A case, and a place to answer."""
    return {"case": fleet_calls.case(hub, asked)}


def _asked(asked: Asked, parameters: tuple[Parameter, ...], **values: Any) -> Asked:
    """Another question of the same person: `values`, and defaults."""
    return Asked(values={one.name: one.value(None) for one in parameters} | values, user=asked.user)


VIEWS = (
    View(path="/", template="overview.html.j2", tab="Overview", show=overview, json="/api/v1/overview"),
    View(
        path="/devices",
        template="devices.html.j2",
        tab="Devices",
        show=devices,
        json="/api/v1/devices",
        parameters=OF_DEVICES,
    ),
    View(
        path="/devices/{device}",
        template="device.html.j2",
        tab="Devices",
        show=device,
        json="/api/v1/devices/{device}",
        parameters=(DEVICE,),
    ),
    View(
        path="/models",
        template="models.html.j2",
        tab="Models",
        show=models,
        json="/api/v1/models",
        parameters=registry_calls.OF_MODELS,
    ),
    View(
        path="/models/{model}",
        template="model.html.j2",
        tab="Models",
        show=model,
        json="/api/v1/versions?model={model}",
        parameters=(MODEL,),
    ),
    View(
        path="/models/{model}/versions/{version}",
        template="version.html.j2",
        tab="Models",
        show=version,
        json="/api/v1/models/{model}/versions/{version}",
        parameters=(MODEL, VERSION),
    ),
    View(path="/rollouts", template="rollouts.html.j2", tab="Rollouts", show=rollouts, json="/api/v1/rollouts"),
    View(
        path="/rollouts/{rollout}",
        template="rollout.html.j2",
        tab="Rollouts",
        show=rollout,
        json="/api/v1/rollouts/{rollout}",
        parameters=(ROLLOUT,),
    ),
    View(path="/review", template="cases.html.j2", tab="Review", show=cases, json="/api/v1/cases", parameters=OF_CASES),
    View(
        path="/review/{case}",
        template="case.html.j2",
        tab="Review",
        show=case,
        json="/api/v1/cases/{case}",
        parameters=(CASE,),
    ),
)
TABS = (
    ("Overview", "/"),
    ("Devices", "/devices"),
    ("Models", "/models"),
    ("Rollouts", "/rollouts"),
    ("Review", "/review"),
)
