"""The benches are programs, not a package: their folder is where Python finds their parts."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[3] / "bench"))
