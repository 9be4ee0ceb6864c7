"""The Central Node: receives, stores, detects, answers."""
