"""Systolic-array accelerators that could be built: cycles, traffic, energy and area by formula. Pure.

A study of what an FPGA or an ASIC might be, never a figure of a machine that can be bought. `template` says what is
built, `work` what a model asks of it, `evaluate.evaluate` what each layer costs on each of thousands of templates at
once, `search` which templates, precisions and widths are worth a closer look.
"""

SCOPE = (
    "This is a study for FPGA and ASIC design: cycles, energy and area are computed by a model of an accelerator that "
    "does not exist, not measured on one, and compare such accelerators with each other, not with machines on sale."
)
"""The sentence that goes wherever these figures are shown."""
