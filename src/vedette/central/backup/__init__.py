"""Copying a Central Node while it runs, and making one of a copy."""
