"""What can go wrong with one request, in no protocol's words; each skin turns a kind into its own code.

Fault
├── BadRequest         400  INVALID_ARGUMENT     what was sent contradicts itself, the model or a limit
├── Unauthenticated    401  UNAUTHENTICATED      no key, or a wrong one
├── UnknownModel       404  NOT_FOUND            no such model or version
├── TooLarge           413  RESOURCE_EXHAUSTED   beyond a limit of size, told before anything is allocated
├── Overloaded         429  RESOURCE_EXHAUSTED   the queue is full, or the deadline cannot be met: come back later
├── NotReady           503  UNAVAILABLE          loading, unloading, or shutting down
├── NoMemory           507  RESOURCE_EXHAUSTED   the model does not fit under the process's ceiling
├── DeadlineExceeded   504  DEADLINE_EXCEEDED    it was admitted, and took longer than the client waits
└── ModelFailed        500  INTERNAL             the model's own code failed on this input
"""


class Fault(Exception):
    """Why a request is not answered, in one sentence that the client may read."""

    def __init__(self, message: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.retry_after_s = retry_after_s


class BadRequest(Fault):
    """What was sent contradicts itself, the model's signature or a limit."""


class Unauthenticated(Fault):
    """A key is wanted, and none or a wrong one was given."""


class UnknownModel(Fault):
    """There is no such model, or no such version of it."""


class TooLarge(Fault):
    """Beyond a limit of size, told before anything is allocated."""


class Overloaded(Fault):
    """The queue is full, or the deadline cannot be met; `retry_after_s` says when to come back."""


class NotReady(Fault):
    """The model is being loaded or unloaded, or the server shuts down."""


class NoMemory(Fault):
    """The model does not fit under the memory ceiling of the process."""


class DeadlineExceeded(Fault):
    """It was admitted, and took longer than the client waits."""


class ModelFailed(Fault):
    """The model or a step of its pipeline failed on this input."""
