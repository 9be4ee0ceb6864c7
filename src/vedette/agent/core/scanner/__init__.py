"""The on-host scanner: what is executed or written is looked at by engines, in a process of its own."""
