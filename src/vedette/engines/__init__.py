"""Detection technologies, one package each; they know neither each other nor where events are kept."""
