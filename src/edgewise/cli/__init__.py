"""Verbs. The only room that prints, and the only one that maps errors to exit codes."""
