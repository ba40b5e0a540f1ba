"""P1 on the command line: ingest bars, check them, serve the stand-in venue."""

from __future__ import annotations

import click

from lake import cli
from p1_ingest.follow_cli import follow
from p1_ingest.ingest_cli import ingest
from p1_ingest.qa_cli import qa
from p1_ingest.reconcile_cli import reconcile
from p1_ingest.resample_cli import resample
from p1_ingest.sources_cli import sources
from p1_ingest.universe.cli import universe


@click.group(cls=cli.Commands)
def commands() -> None:
    """P1: bars of crypto perpetual futures, from a venue into the lake."""


@commands.command("serve-sim")
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Port on 127.0.0.1; 0 takes a free one.")
def serve_sim(port: int) -> None:
    """Serve the stand-in venue on loopback: CoinGlass v4 over HTTP, with made-up data.

    \b
    Example:
        python -m p1_ingest serve-sim --port 8765
    """
    from p1_ingest.sim.server import serve

    serve(port, announce=lambda line: click.echo(line))


commands.add_command(ingest)
commands.add_command(follow)
commands.add_command(qa)
commands.add_command(reconcile)
commands.add_command(resample)
commands.add_command(sources)
commands.add_command(universe)
