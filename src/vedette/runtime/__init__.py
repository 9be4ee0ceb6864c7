"""What every component stands on: errors, configuration, logging, clock, files. Knows nothing of security."""
