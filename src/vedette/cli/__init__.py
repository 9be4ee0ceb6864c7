"""The `vedette` command: one file per command; commands of people speak to the API only."""
