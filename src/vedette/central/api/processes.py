"""The tree of a process."""

from vedette.central.api.routes import Routes

routes = Routes("processes")
