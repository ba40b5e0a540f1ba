"""The command reference, read off the commands themselves."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Iterator
from pathlib import Path

import click

from scripts.markdown import code, joined, table

PROJECT = Path(__file__).resolve().parent.parent
PHASES = ("p1_ingest", "p2_features", "p3_labels", "lake", "reports")
HEAD = """# Commands

Written by `make docs` from the commands themselves; the suite fails where it is out of date.

Every phase is a program: `python -m p1_ingest`, `python -m p2_features`, `python -m p3_labels`, `python -m lake`. Each
prints on standard error which lake it works on. Options spelled with an underscore also take the dash, and the reverse.
Exit codes: 0 done, 1 refused or failed, 2 the command line or a conf file makes no sense, 3 the data failed its checks,
75 another writer holds the lock, 130 and 143 interrupted. An error is one line on standard error."""


def groups() -> dict[str, click.Group]:
    """Which phases have a command line, and which commands are on it?"""
    found = [name for name in PHASES if (PROJECT / name / "__main__.py").exists()]
    return {name: importlib.import_module(f"{name}.__main__").commands for name in found}


def contexts() -> Iterator[tuple[str, click.Context]]:
    """Every command with what one types to call it, and a click context; groups within groups are gone into."""
    for name, group in groups().items():
        top = f"python -m {name}"
        yield from _below(top, click.Context(group, info_name=top, **group.context_settings))


def _below(words: str, context: click.Context) -> Iterator[tuple[str, click.Context]]:
    assert isinstance(context.command, click.Group)
    for name, command in context.command.commands.items():
        if command.hidden:
            continue
        here = click.Context(command, info_name=name, parent=context, **command.context_settings)
        if isinstance(command, click.Group):
            yield from _below(f"{words} {name}", here)
        else:
            yield f"{words} {name}", here


def page() -> str:
    """The whole command reference."""
    blocks = [HEAD]
    found = dict(contexts())
    for name, group in groups().items():
        mine = {words: context for words, context in found.items() if words.split()[2] == name}
        asked = [(code(words), summary(context.command)) for words, context in mine.items()]
        blocks += [f"## python -m {name}", inspect.cleandoc(group.help or ""), table(("command", "question"), asked)]
        blocks += [_section(words, context) for words, context in mine.items()]
    return joined(*blocks)


def summary(command: click.Command) -> str:
    """What does a command do, in one sentence?"""
    return " ".join(_prose(command)[0].split())


def examples(command: click.Command) -> list[str]:
    """Which lines does a command's help show as examples?"""
    shown = [block for block in inspect.cleandoc(command.help or "").split("\b\n")[1:] if block.startswith("Example")]
    return [line.strip() for block in shown for line in block.splitlines()[1:] if line.strip()]


def _prose(command: click.Command) -> list[str]:
    """What does the help say before and between its blocks of fixed lines?"""
    return [block for block in inspect.cleandoc(command.help or "").split("\n\n") if not block.startswith("\b")]


def _section(words: str, context: click.Context) -> str:
    command = context.command
    usage = " ".join([words, *command.collect_usage_pieces(context)])
    rows = [_row(option, context) for option in command.get_params(context) if _told(option)]
    fixed = "\n".join(["```sh", *examples(command), "```"]) if examples(command) else ""
    prose = "\n\n".join(" ".join(block.split()) for block in _prose(command))
    return joined(f"### {words}", prose, code(usage), table(("option", "default", "meaning"), rows), fixed)


def _told(option: click.Parameter) -> bool:
    return isinstance(option, click.Option) and not option.hidden and "--help" not in option.opts


def _row(parameter: click.Parameter, context: click.Context) -> tuple[str, str, str]:
    option = parameter
    assert isinstance(option, click.Option)
    names = "/".join([", ".join(option.opts), *option.secondary_opts])
    metavar = option.make_metavar(context).replace("INTEGER RANGE", "N").replace("FLOAT RANGE", "X")
    value = "" if option.is_flag else f" {metavar}"
    repeated = "; may be repeated" if option.multiple else ""
    said = (option.help or "").rstrip(".")
    meaning = f"{said}{repeated}" if said else ""
    required = " (required)" if option.required else ""
    return code(names + value), _default(option, context), meaning + required


def _default(option: click.Option, context: click.Context) -> str:
    value = option.get_default(context, call=False)
    if option.is_flag and option.secondary_opts:
        return code(option.opts[0] if value else option.secondary_opts[0])
    if option.is_flag or value is None or value == () or not isinstance(value, str | int | float | Path):
        return ""
    return code(str(value))
