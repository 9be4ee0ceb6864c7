"""Vedette: an open-source platform against targeted attacks."""

__version__ = "0.1.0"
