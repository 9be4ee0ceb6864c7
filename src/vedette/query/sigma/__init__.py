"""Sigma rules -> the syntax tree. pySigma reads them; what it gives becomes nodes over our fields."""

from vedette.query.sigma.document import MAX_BYTES, read
from vedette.query.sigma.rule import Correlation, Placeholders, Refused, Rule, Ruling

__all__ = ["MAX_BYTES", "Correlation", "Placeholders", "Refused", "Rule", "Ruling", "read"]
