"""Assigning models to machines: owned ones first, bought ones only where they must be. Exact, by HiGHS.

Pure but for the clock of the time limit: takes demands, kinds of machines and options, returns how many machines
carry what. Three things are minimised, the earlier ones held while the later ones are: the price of what is bought,
then power (or busy cores where no power is known), then the number of machines in use.
"""

from edgewise.design.assign.problem import CPU, Assignment, Demand, Kind, Loaded, Option, Part, Problem, fits
from edgewise.design.assign.solve import assign, left_out, more_needed

__all__ = ["CPU", "Assignment", "Demand", "Kind", "Loaded", "Option", "Part", "Problem"]
__all__ += ["assign", "fits", "left_out", "more_needed"]
