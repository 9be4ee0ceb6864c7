"""What the Central Node does for itself, one thing at a time: old events go, the ledger is checked."""
