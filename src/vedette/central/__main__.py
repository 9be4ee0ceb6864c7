"""`python -m vedette.central` is `vedette central`."""

from vedette.cli.central import central

central()
