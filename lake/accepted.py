"""Options of another tool are accepted where they change nothing, and refused by name where they would."""

from __future__ import annotations

import click

from lake import cli, ending
from lake.cli import F
from meta.errors import Usage


def keys(command: F) -> F:
    """--api-key and --api-secret: not used, and struck out of all that is printed."""
    for name in ("--api-secret", "--api-key"):
        told = "Accepted and not needed: all that is asked for is public."
        command = click.option(name, metavar="KEY", expose_value=False, callback=_hidden, help=told)(command)
    return command


def database(command: F) -> F:
    """--db-path: refused, as there is no database."""
    return click.option("--db-path", metavar="FILE", hidden=True, expose_value=False, callback=_refused)(command)


def _hidden(_: click.Context, option: click.Parameter, value: str | None) -> None:
    if value:
        ending.hide(value, option.opts[0])
        cli.say(f"{option.opts[0]} is not needed; others can see a command line, so keep keys in secrets/.env")


def _refused(_: click.Context, __: click.Parameter, value: str | None) -> None:
    if value is not None:
        raise Usage("there is no database to name by --db-path: bars are kept in a lake; give --lake ROOT, or nothing")
