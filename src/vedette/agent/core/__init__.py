"""What the agent does on every operating system: buffer, uplink, identity, settings, status."""
