"""The doctor on the command line: is this machine fit to keep a lake?"""

from __future__ import annotations

import dataclasses
import json

import click

from lake import cli, roots
from meta.errors import ChecksRed


@click.command()
@click.option("--json", "as_json", is_flag=True, help="The findings as JSON.")
@cli.lake_option
@cli.debug_option
def doctor(as_json: bool, lake: str | None, debug: bool) -> int:
    """Look at the clock, disk, rights, publishing, kernels and packages; exit 3 where one has to be mended.

    \b
    Example:
        python -m lake doctor
    """
    from lake import doctor as looking

    where = roots.root(lake)
    cli.say(roots.banner(where))
    found = looking.look(where)
    if as_json:
        click.echo(json.dumps([dataclasses.asdict(one) for one in found], indent=1))
    for one in () if as_json else found:
        click.echo(one.line())
    wrong = [one.what for one in found if one.state == looking.WRONG]
    if wrong:
        raise ChecksRed(f"{', '.join(dict.fromkeys(wrong))}: to be mended before the lake is written; see above")
    return 0
