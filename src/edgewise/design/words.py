"""How figures and findings read in a sentence. Pure."""

from edgewise import units
from edgewise.design.figure_text import show
from edgewise.nouns import Limit, Measurement, Metric, Quantity
from edgewise.units import Dimension

DIMENSIONS: dict[Quantity, Dimension] = {
    Quantity.METRIC: units.RATIO,
    Quantity.DROP: units.RATIO,
    Quantity.LATENCY_MIN: units.TIME,
    Quantity.LATENCY_P50: units.TIME,
    Quantity.LATENCY_P90: units.TIME,
    Quantity.LATENCY_P99: units.TIME,
    Quantity.THROUGHPUT: units.RATE,
    Quantity.MEMORY: units.SIZE,
    Quantity.FLASH: units.SIZE,
    Quantity.LOAD_TIME: units.TIME,
    Quantity.POWER: units.POWER,
    Quantity.ENERGY: units.ENERGY,
    Quantity.PRICE: units.PRICE,
}

NAMES: dict[Quantity, str] = {
    Quantity.METRIC: "metric",
    Quantity.DROP: "accuracy drop",
    Quantity.LATENCY_MIN: "fastest call",
    Quantity.LATENCY_P50: "median latency",
    Quantity.LATENCY_P90: "90th percentile of latency",
    Quantity.LATENCY_P99: "99th percentile of latency",
    Quantity.THROUGHPUT: "throughput",
    Quantity.MEMORY: "peak memory",
    Quantity.FLASH: "size",
    Quantity.LOAD_TIME: "load time",
    Quantity.POWER: "power",
    Quantity.ENERGY: "energy of one inference",
    Quantity.PRICE: "price",
}

HOW_TO_KNOW: dict[Quantity, str] = {
    Quantity.PRICE: "declare it: machines: [{{name: {machine}, price: …USD}}]",
    Quantity.POWER: "no meter has told it; declare it: machines: [{{name: {machine}, power: …W}}]",
    Quantity.ENERGY: "no meter has told it; declare the power: machines: [{{name: {machine}, power: …W}}]",
    Quantity.LATENCY_P99: "too few calls were timed to tell it",
}
THIS = "this"


def how_to_know(quantity: Quantity, machine: str = THIS) -> str:
    """What a user can do about a figure of a design on `machine` that is not known."""
    known_by = "it was not measured" if machine == THIS else f"measure it on {machine} (edgewise plan --device)"
    if machine != THIS and quantity is Quantity.LATENCY_P99:
        return known_by
    return HOW_TO_KNOW.get(quantity, known_by).format(machine=machine)


def value(quantity: Quantity, number: float) -> str:
    """`number` of `quantity` with its unit."""
    return units.show(number, DIMENSIONS[quantity])


def limit_for(quantity: Quantity, number: float) -> str:
    """The tightest limit on `quantity`, in a few figures, that `number` is within: rounded outwards, never inwards."""
    outwards = -1 if quantity.higher_is_better else 1
    for thousandths in range(11):
        shown = value(quantity, number * (1 + outwards * thousandths / 1000))
        limit = Limit(quantity=quantity, value=units.parse(shown, DIMENSIONS[quantity]), unit="")
        if limit.admits(number):
            return shown
    return value(quantity, number)


def with_interval(measurement: Measurement) -> str:
    """A figure with its 95 % interval where it has one."""
    text = show(measurement)
    return text.value if text.exact else f"{text.value} ({text.low} to {text.high})"


def points(metric: Metric, number: float) -> str:
    """A difference of the metric: in points for shares, in its own unit for errors."""
    if metric.name in ("accuracy", "auc", "f1"):
        return f"{units.figures(100 * number, 2)} points"
    return units.figures(number, 3)


def change(metric: Metric, drop: float) -> str:
    """What a drop of `drop` does to the metric: "accuracy drops by 2.1 points", "rmse grows by 0.031"."""
    if drop == 0:
        return f"{metric.name} stays the same"
    worse, better = ("drops", "rises") if metric.higher_is_better else ("grows", "shrinks")
    return f"{metric.name} {worse if drop > 0 else better} by {points(metric, abs(drop))}"


def points_between(metric: Metric, low: float, high: float) -> str:
    """Two differences of the metric, the unit said once."""
    return f"{points(metric, low).removesuffix(' points')} to {points(metric, high)}"


def times(ratio: float) -> str:
    """A ratio as people say it."""
    return f"{ratio:.2f} times" if round(ratio, 2) < 10 else f"{ratio:.0f} times"
