"""Every metric that the server shows: name, kind, unit, labels and what it means.

The names of others come first, for dashboards that people have: KServe's `request_*_seconds`, Triton's
`nv_inference_*`, Prometheus's own `process_*`. What none of them has is `edgewise_*`, in base units. The page
docs/reference/metrics.md is compared with this table.
"""

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """What Prometheus calls the type of a metric."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """One metric.

    Attributes:
        name: as samples of counters and gauges have it; a histogram's samples add _bucket, _sum and _count.
        unit: in OpenMetrics' words, where the name ends in it; "" for a plain number.
        labels: in the order of the samples.
    """

    name: str
    kind: Kind
    meaning: str
    unit: str = ""
    labels: tuple[str, ...] = ()


def _triton(name: str, meaning: str, labels: tuple[str, ...] = ("model", "version")) -> Family:
    return Family(name=f"nv_inference_{name}", kind=Kind.COUNTER, meaning=meaning, labels=labels)


def _kserve(step: str, meaning: str) -> Family:
    return Family(
        name=f"request_{step}_seconds", kind=Kind.HISTOGRAM, meaning=meaning, unit="seconds", labels=("model_name",)
    )


def _process(name: str, meaning: str, *, kind: Kind = Kind.GAUGE, unit: str = "") -> Family:
    return Family(name=f"process_{name}", kind=kind, meaning=meaning, unit=unit)


MODEL = ("model", "version")

PREPROCESS = _kserve("preprocess", "From the request read to the request admitted by the model's queue.")
PREDICT = _kserve("predict", "From admitted to the model's outputs: waiting for its turn, and the run.")
POSTPROCESS = _kserve("postprocess", "From the model's outputs to the answer written.")

SUCCESS = _triton("request_success", "Requests that were answered.")
FAILURE = _triton(
    "request_failure",
    "Requests that were not: REJECTED (overload, deadline, not ready, no memory), BACKEND (the model failed),"
    " CANCELED (the client went away), OTHER.",
    (*MODEL, "reason"),
)
COUNT = _triton("count", "Inferences: rows that the model ran.")
EXEC_COUNT = _triton("exec_count", "Runs of the model; count divided by it is the mean batch.")
REQUEST_US = _triton("request_duration_us", "Microseconds of answered requests, all together.")
QUEUE_US = _triton("queue_duration_us", "Microseconds that answered requests waited for the model, all together.")
INPUT_US = _triton("compute_input_duration_us", "Microseconds before the queue: as request_preprocess_seconds.")
INFER_US = _triton("compute_infer_duration_us", "Microseconds of runs, counted for every request of the batch.")
OUTPUT_US = _triton("compute_output_duration_us", "Microseconds after the run: as request_postprocess_seconds.")
PENDING = Family(
    name="nv_inference_pending_request_count",
    kind=Kind.GAUGE,
    meaning="Requests admitted that no run has taken yet.",
    labels=("model",),
)

DURATION = Family(
    name="edgewise_request_duration_seconds",
    kind=Kind.HISTOGRAM,
    meaning="From the request read to its answer written, of answered requests, by protocol.",
    unit="seconds",
    labels=(*MODEL, "protocol"),
)
QUEUE = Family(
    name="edgewise_queue_seconds",
    kind=Kind.HISTOGRAM,
    meaning="Waiting for the model, of requests that it ran.",
    unit="seconds",
    labels=MODEL,
)
BATCH = Family(
    name="edgewise_batch_rows",
    kind=Kind.HISTOGRAM,
    meaning="Rows that ran together.",
    unit="rows",
    labels=MODEL,
)
BUSY = Family(
    name="edgewise_model_busy_seconds_total",
    kind=Kind.COUNTER,
    meaning="Time in which the model ran; its rate is the share of one processor or accelerator.",
    unit="seconds",
    labels=MODEL,
)
ENERGY = Family(
    name="edgewise_energy_joules_total",
    kind=Kind.COUNTER,
    meaning="Energy of what the meter meters while the model ran; other work in that time is part of it."
    " By nv_inference_count it is energy per inference.",
    unit="joules",
    labels=(*MODEL, "meter", "provenance"),
)
FAULTS = Family(
    name="edgewise_faults_total",
    kind=Kind.COUNTER,
    meaning="Requests that were not answered, by kind of fault, those that never came to a model among them.",
    labels=("protocol", "fault"),
)
GONE = Family(
    name="edgewise_clients_gone_total",
    kind=Kind.COUNTER,
    meaning="Requests whose client went away before the answer.",
    labels=("protocol",),
)
UNDER_WAY = Family(name="edgewise_requests_under_way", kind=Kind.GAUGE, meaning="Requests read and not yet answered.")
RECEIVED_BYTES = Family(
    name="edgewise_received_bytes_total",
    kind=Kind.COUNTER,
    meaning="Bytes of requests.",
    unit="bytes",
    labels=("protocol",),
)
SENT_BYTES = Family(
    name="edgewise_sent_bytes_total",
    kind=Kind.COUNTER,
    meaning="Bytes of answers.",
    unit="bytes",
    labels=("protocol",),
)
MODEL_READY = Family(
    name="edgewise_model_ready",
    kind=Kind.GAUGE,
    meaning="1 where that version of the model is in memory, proven and serving, else 0.",
    labels=MODEL,
)
BUILD = Family(
    name="edgewise_build_info", kind=Kind.GAUGE, meaning="Always 1; says which version serves.", labels=("version",)
)

CPU = _process("cpu_seconds_total", "User and system time of the process.", kind=Kind.COUNTER, unit="seconds")
RSS = _process("resident_memory_bytes", "Resident memory of the process.", unit="bytes")
VIRTUAL = _process("virtual_memory_bytes", "Virtual memory of the process.", unit="bytes")
START = _process("start_time_seconds", "When the process began, since the epoch.", unit="seconds")
OPEN_FDS = _process("open_fds", "Open file descriptors.")
MAX_FDS = _process("max_fds", "How many file descriptors may be open.")

FAMILIES = (
    PREPROCESS, PREDICT, POSTPROCESS,
    SUCCESS, FAILURE, COUNT, EXEC_COUNT, REQUEST_US, QUEUE_US, INPUT_US, INFER_US, OUTPUT_US, PENDING,
    DURATION, QUEUE, BATCH, BUSY, ENERGY, FAULTS, GONE, UNDER_WAY, RECEIVED_BYTES, SENT_BYTES, MODEL_READY, BUILD,
    CPU, RSS, VIRTUAL, START, OPEN_FDS, MAX_FDS,
)  # fmt: skip
"""All of them, in the order of the page."""
