"""The endpoint agent: observes a host, keeps what it saw, sends it."""
