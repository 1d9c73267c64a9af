"""Variants: what a Model can be turned into, and turning it.

`recipes` proposes (pure), `build` makes a Variant from a Recipe in a child process and keeps it in the
store. The transformations stand one to a file; each is a function

    (source: Path, folder: Path, settings: Settings, material: Material) -> Made

that writes its files into `folder`, or raises RecipeNotApplicable with the reason.
"""
