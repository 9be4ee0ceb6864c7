"""The revisions of the state database, oldest first."""
