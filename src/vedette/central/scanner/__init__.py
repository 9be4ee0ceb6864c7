"""Scans what is in Storage with the YARA rules of the Central Node, and again when they change."""
