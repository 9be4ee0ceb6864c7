"""The `vedette` command. A sub-command's module is imported when it is run, so that `--help` answers at once."""

import importlib
import sys
from typing import Any

import click

from vedette import __version__
from vedette.runtime.errors import VedetteError

COMMANDS: dict[str, tuple[str, str]] = {
    "account": ("vedette.cli.account:account", "Your own account: password, sessions, API tokens."),
    "agent": ("vedette.cli.agent:agent", "Enrol, run and inspect this host's agent."),
    "alerts": ("vedette.cli.alerts:alerts", "What somebody should look at, and what was done about it."),
    "audit": ("vedette.cli.audit:audit", "Read the audit log and check that it is whole."),
    "bench": ("vedette.cli.bench:bench", "Load a Central Node of your own to see what it can take."),
    "central": ("vedette.cli.central:central", "Run a Central Node, back it up, restore it."),
    "demo": ("vedette.cli.demo:demo", "Try it: a Central Node, this host's agent, something to hunt for."),
    "doctor": ("vedette.cli.doctor:doctor", "Check that this command, the server and the hosts are well."),
    "exclusions": ("vedette.cli.exclusions:exclusions", "Findings that nobody wants to hear of."),
    "fields": ("vedette.cli.fields:fields", "List the fields that can be asked for, with their other names."),
    "hosts": ("vedette.cli.hosts:hosts", "List, move and revoke hosts."),
    "hunt": ("vedette.cli.hunt:hunt", "Find events."),
    "ioc": ("vedette.cli.ioc:ioc", "See what IOC files can match."),
    "ledger": ("vedette.cli.ledger:ledger", "What was sent, received, stored and lost, host by host."),
    "login": ("vedette.cli.login:login", "Sign in and keep an API token for this command."),
    "replay": ("vedette.cli.replay:replay", "Look for behaviour in recorded events, without a server."),
    "rules": ("vedette.cli.rules:rules", "Keep, check and try rules: Sigma, IOC files, YARA."),
    "searches": ("vedette.cli.searches:searches", "Keep searches under a name, and run them."),
    "settings": ("vedette.cli.settings:settings", "Show and publish the settings of host groups."),
    "storage": ("vedette.cli.storage:storage", "What events take on disk, how long they stay; objects."),
    "tokens": ("vedette.cli.tokens:tokens", "Make, list and revoke enrolment tokens."),
    "tree": ("vedette.cli.tree:tree", "Show a process with its ancestors and descendants."),
    "upgrades": ("vedette.cli.upgrades:upgrades", "Bring a new version of the agent to hosts, in stages."),
    "users": ("vedette.cli.users:users", "Manage accounts."),
}
"""Every command: where it is, and its line in `vedette --help`."""


class LazyGroup(click.Group):
    """A group whose commands are listed without being imported."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Give the names in order."""
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - same
        """Import one command."""
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name][0].partition(":")
        command: click.Command = getattr(importlib.import_module(module), name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list from `COMMANDS`."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, COMMANDS[name][1]) for name in self.list_commands(ctx)])

    def invoke(self, ctx: click.Context) -> Any:
        """Turn what a command could not do into one sentence and exit 1."""
        try:
            return super().invoke(ctx)
        except VedetteError as error:
            raise click.ClickException(str(error)) from error


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="vedette")
def cli() -> None:
    """Vedette: an open-source platform against targeted attacks.

    Exit status: 0 done, 1 failed with a sentence, 2 misuse.
    """


def main() -> None:
    """Run the command line."""
    try:
        cli(prog_name="vedette")
    except BrokenPipeError:
        # The reader (head, less) has what it wanted.
        sys.stderr.close()
        sys.exit(0)
