"""Applying a release, as `generate` writes it: to a device over ssh, or to a cluster through its API."""
