"""IOCs on the stream of events: sets of indicators in a mapped file, and boolean IOCs over columns."""
