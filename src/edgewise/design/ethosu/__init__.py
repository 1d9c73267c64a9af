"""Arm Ethos-U: which configuration of the NPU and of its compiler runs a model best."""
