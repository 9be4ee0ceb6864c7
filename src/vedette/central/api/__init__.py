"""The API for people and their tools: accounts, hunting, hosts, the ledger, settings, the audit log.

Every route declares what it needs and, when it changes something, under which name the audit log notes it.
What is not declared does not start.
"""
