"""The contract: events, entities, policies, access, the field dictionary. All else is generated from it."""
