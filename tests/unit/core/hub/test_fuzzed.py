"""The API under Schemathesis: whatever its document allows or forbids, the answer is one that the document has."""

from collections.abc import Iterator

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import positive_data_acceptance

from edgewise.core.database import migrate
from edgewise.core.hub import openapi
from edgewise.core.hub.calls import CALLS
from edgewise.core.hub.users import Role
from fakes.hubs import FakeDevice, head, serving

EXAMPLES = 8
SECRETIVE = ("/api/v1/enrol", "/api/v1/releases", "/api/v1/design-reports/{digest}", "/api/v1/inputs/{digest}")
"""Nobody guesses a token, a whole release, or bytes of a given digest."""
SCHEMA = schemathesis.openapi.from_dict(openapi.document(CALLS))
OPERATIONS = [found.ok() for found in SCHEMA.get_all_operations()]


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, dict[str, str]]]:
    """Address of a hub with a device, a report and a case, and the head of somebody who may do everything."""
    database = migrate.opened(f"sqlite:///{tmp_path_factory.mktemp('fuzzed') / 'hub.db'}")
    device = FakeDevice()
    device.enrols(database)
    device.says(database, device.report(), device.case())
    with serving(database, per_s=1e6, attempts_per_s=1e6) as client:
        yield str(client.base_url), head(database, Role.PUBLISHER)
    database.close()


@pytest.mark.parametrize("mode", list(GenerationMode))
@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda one: one.label)
def test_answers_are_as_declared(hub: tuple[str, dict[str, str]], operation: object, mode: GenerationMode) -> None:
    address, heads = hub

    @settings(
        max_examples=EXAMPLES,
        derandomize=True,
        deadline=None,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))  # type: ignore[attr-defined]
    def fuzz(case: schemathesis.Case) -> None:
        left_out = [positive_data_acceptance] if case.path in SECRETIVE else []
        case.call_and_validate(base_url=address, headers=heads, excluded_checks=left_out)

    fuzz()
