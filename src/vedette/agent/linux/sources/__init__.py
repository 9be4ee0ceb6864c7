"""One file for each source of the Linux agent."""
