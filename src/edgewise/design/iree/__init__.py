"""Whether a model compiles for machines that are not here: IREE compiles for them on this one.

A proof says that a compiler took every operator of the model down to the target's instructions, and how large the
module is. It says nothing about speed or accuracy there: nothing is run. IREE is optional: `edgewise[iree]`.
"""
