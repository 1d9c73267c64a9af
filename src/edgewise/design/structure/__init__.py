"""Structures: how wide, deep, fine or pruned a model is, searched together with everything else."""
