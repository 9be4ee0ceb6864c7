"""What the Central Node itself raises alerts about."""
