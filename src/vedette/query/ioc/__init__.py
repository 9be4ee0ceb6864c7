"""Indicators of compromise: OpenIOC, STIX, MISP and flat lists become one form, for events, history and hosts."""
