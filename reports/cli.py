"""Reports on the command line: what people look at, and what they take away."""

from __future__ import annotations

import click

from lake import cli
from reports.exports.cli import export
from reports.html_cli import html
from reports.universe.cli import universe_export


@click.group(cls=cli.Commands)
def commands() -> None:
    """Who looks? Pages, exports, arrays: made from the lake, never written into it."""


commands.add_command(html)
commands.add_command(export)
commands.add_command(universe_export)
