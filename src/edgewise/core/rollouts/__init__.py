"""Rollouts: a candidate goes through its site by stages, and is withdrawn where its devices fail."""
