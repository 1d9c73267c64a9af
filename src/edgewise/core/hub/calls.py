"""The whole table of calls of `/api/v1`."""

from edgewise.core.hub import device_calls, fleet_calls, registry_calls, rollout_calls
from edgewise.core.hub.call import Call

CALLS: tuple[Call, ...] = (*device_calls.CALLS, *fleet_calls.CALLS, *registry_calls.CALLS, *rollout_calls.CALLS)
