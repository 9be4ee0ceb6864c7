"""Spool segments -> events in the store: decode, check, detect, insert, settle the ledger, remove the segment."""
