"""Behaviour rules (TAA): Sigma rules over the columns of a batch, each different value looked at once."""

from vedette.engines.taa.engine import Taa
from vedette.engines.taa.ruleset import Loaded, RuleText, load, read_folder

__all__ = ["Loaded", "RuleText", "Taa", "load", "read_folder"]
