"""YARA rules over files and bytes."""
