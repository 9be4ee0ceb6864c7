"""What components say to each other: batches of events, enrolment, receipts. Pure but for `tls.py`."""
