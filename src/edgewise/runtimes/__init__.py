"""Run a compiled model: one protocol, one file for each runtime, each measured in a process of its own."""
