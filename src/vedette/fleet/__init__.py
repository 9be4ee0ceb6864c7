"""Synthetic agents: what `vedette bench fleet` sends to size a server. They use the agent's own client code."""
