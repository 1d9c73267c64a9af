"""Fit the published rows and keep the result beside the code: python bench/fits.py

Writes src/edgewise/design/estimate/fits.json. Run it after a change of the rows, the networks or the fitting; for the
latter raise `METHOD` in kept.py first.
"""

import json
from pathlib import Path

from edgewise.design.estimate import kept
from edgewise.design.estimate.held_out import by_network
from edgewise.design.estimate.hierarchy import ENERGY, fit, shape_of
from edgewise.design.estimate.observations import energies, latencies, published
from edgewise.design.estimate.terms import MachineKind

TARGET = Path(kept.__file__).with_name(kept.FILE)


def main() -> None:
    rows, found = published(), {}
    for kind in MachineKind:
        for points, shape in ((latencies(rows, kind), shape_of(kind)), (energies(rows, kind), ENERGY)):
            if points:
                found[kept.key(points, shape)] = kept.document(fit(points, shape), by_network(points, shape))
                print(f"{kind}: {len(points)} rows")
    TARGET.write_text(json.dumps(found, separators=(",", ":"), sort_keys=True) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
