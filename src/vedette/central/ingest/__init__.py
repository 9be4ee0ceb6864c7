"""Ingest: agents' port. Identity from the client certificate, a durable batch, then the receipt."""
