"""Segments from ingest nodes to pipeline nodes over NATS JetStream, where there are several of either."""
