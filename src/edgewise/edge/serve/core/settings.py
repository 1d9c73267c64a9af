"""What whoever starts the server may choose about its core."""

import os
from dataclasses import dataclass, field

DEFAULT_QUEUE_S = 1.0
DEFAULT_QUEUE_REQUESTS = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Settings of the core.

    Attributes:
        memory_limit_bytes: ceiling for the resident memory of the process; None for none.
        lazy: load a model when it is first asked for, not at the start.
        queue_requests: so many requests may wait for one model.
        queue_s: a request that would wait longer is refused, whatever its deadline.
        cores: how many calls of models may run at once, each counted with its threads.
    """

    memory_limit_bytes: int | None = None
    lazy: bool = False
    queue_requests: int = DEFAULT_QUEUE_REQUESTS
    queue_s: float = DEFAULT_QUEUE_S
    cores: int = field(default_factory=lambda: len(os.sched_getaffinity(0)))
