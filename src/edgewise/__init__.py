"""Edgewise takes a trained model to the edge."""

__version__ = "0.1.0"
