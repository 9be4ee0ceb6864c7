"""Where things are kept: events, state, objects, the spool."""
