"""The contract in other languages: each module turns the field dictionary into one text."""
