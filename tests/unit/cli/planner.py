"""Stands for flow.plan, with plans that are made up."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from edgewise.flow.edgefile import Project
from edgewise.nouns import Design, Plan, Site
from edgewise.progress import Progress
from fakes import plans


class Planner:
    """Stands for flow.plan: the plan of each site as it is put here."""

    def __init__(self) -> None:
        self.plans: dict[str, Plan] = {
            plan.site.name: plan for plan in (plans.feasible_plan(), plans.infeasible_plan())
        }
        self.asked: list[dict[str, object]] = []

    def plan(
        self,
        project: Project,
        site: Site,
        *,
        folder: Path,
        machines: Sequence[Path],
        progress: Progress,
        wait: bool,
        fresh: bool,
        device: object = None,
        device_name: str | None = None,
        meter: str = "",
    ) -> Plan:
        self.asked.append({"folder": folder, "machines": machines, "wait": wait, "fresh": fresh})
        progress.stage(f"planning {site.name}", 2)
        progress.step("first")
        progress.step("second")
        return replace(self.plans[site.name], site=replace(self.plans[site.name].site, name=site.name))

    def last(self, project: Project, site: Site, *, folder: Path) -> Plan:
        return self.plans[site.name]

    def propose(self, project: Project, site: Site, *, machines: Sequence[Path]) -> Sequence[Design]:
        return [verdict.design for verdict in self.plans[site.name].verdicts]

    def check(self, project: Project, sites: Sequence[Site], *, machines: Sequence[Path]) -> None:
        self.checked = [site.name for site in sites]

    def document(self, made: Plan) -> Mapping[str, object]:
        return {"site": made.site.name, "choice": made.choice}

    def logs(self, made: Plan, *, folder: Path) -> Mapping[str, str]:
        return plans.logs_of(made)

    def schema(self) -> Mapping[str, object]:
        return {"title": "Plan", "type": "object"}
