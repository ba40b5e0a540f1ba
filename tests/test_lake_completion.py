"""A shell completes what may follow: commands, options, and the symbols and timeframes that the lake holds."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from lake import completion, settings
from lake.commands import commands as lake_commands
from scripts import command_pages
from tests import lakes

needs_bash = pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
WITHOUT_JSON = {
    "python -m lake view": "prints nothing on standard output",
    "python -m lake query": "has --format json",
    "python -m lake shell": "has .mode json",
    "python -m lake completion": "prints a script",
    "python -m p1_ingest serve-sim": "serves until it is ended",
    "python -m p1_ingest universe export": "hands its options on to reports universe-export",
    "python -m p2_features stream": "answers in JSON lines",
}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("lake")
    for folder in ("parquet/1h/BTCUSDT", "parquet/1h/ETHUSDT", "features/15m/ETHUSDT"):
        (place / folder).mkdir(parents=True)
    return place


def completed(root: Path, *lines: str) -> list[list[str]]:
    """What does bash offer for the last word of each line?"""
    script = """
source <("$PYTHON" -m lake completion bash)
while IFS= read -r line; do
    COMP_WORDS=(${line% }); [[ $line == *" " ]] && COMP_WORDS+=("")
    COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); COMPREPLY=()
    _perplake 2>/dev/null
    echo "${COMPREPLY[*]}"
done
"""
    env = {**os.environ, "PYTHON": sys.executable, "PERPLAKE_LAKE": str(root)}
    asked = "\n".join(line.replace("python ", f"{sys.executable} ", 1) for line in lines) + "\n"
    done = subprocess.run(
        ["bash", "--norc", "-c", script], input=asked, capture_output=True, text=True, env=env, cwd=settings.PROJECT
    )
    return [line.split() for line in done.stdout.splitlines()]


@needs_bash
def test_bash_completes_tools_commands_symbols_and_leaves_other_lines_alone(root: Path) -> None:
    lines = {
        "python -m p": ["p1_ingest", "p2_features", "p3_labels"],
        "python -m lake ver": ["verify"],
        "python -m lake why ": ["BTCUSDT", "ETHUSDT"],
        "python -m p3_labels sample --symbol BTCUSDT,e": ["BTCUSDT,ETHUSDT"],
        "python -m p1_ingest ingest --source b": ["binance"],
        "python -m json.tool --so": [],
        "python script.py --sy": [],
    }
    assert completed(root, *lines) == list(lines.values())


def test_timeframes_that_are_held_come_first(root: Path) -> None:
    context = click.Context(click.Command("x"))
    context.params["lake"] = str(root)
    offered = [item.value for item in completion.timeframes(context, click.Option(["--tf"]), "1")]
    assert offered[:2] == ["15m", "1h"] and {"1m", "12h", "1d"} <= {*offered}
    context.params["lake"] = str(root / "absent")
    assert completion.symbols(context, click.Option(["--symbol"]), "") == []


def test_values_are_those_of_conf_of_the_lake_and_of_ccxts_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lakes.committed(lakes.a_shelf(tmp_path))
    (tmp_path / "ccxt").mkdir()
    for name in ("__init__", "binance", "bybit", "_private"):
        (tmp_path / "ccxt" / f"{name}.py").write_text("raise SystemExit('this was imported')")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "ccxt", raising=False)
    context = click.Context(click.Command("x"))
    context.params |= {"lake": str(tmp_path), "tf": ("15m",)}

    def offered(option: str, typed: str = "") -> list[str]:
        return [item.value for item in completion.VALUES[option](context, click.Option([option]), typed)]

    assert offered("--exchange", "b") == ["binance", "bybit"]
    assert offered("--set") == ["core", "extended"]
    assert offered("--without", "ret_1") == ["ret_15m", "ret_1h"]
    assert (offered("--coin"), offered("--source", "s"), offered("--to", "15")) == (["BTC"], ["sim"], ["15m"])
    held = completion.exchanges_held(context, click.Option(["--exchange"]), "")
    assert [item.value for item in held] == [lakes.entry(lakes.a_shelf(tmp_path)).source.split(":")[0]]


@pytest.mark.parametrize("line", ["p1_ingest ingest --so", "p2_features build --wi", "reports export all --co"])
def test_completing_a_line_loads_nothing_that_reads_days_or_conf(line: str) -> None:
    asked = {"COMP_WORDS": line, "COMP_CWORD": str(line.count(" ")), completion.VARIABLE: "bash_complete"}
    words = [sys.executable, "-X", "importtime", "-m", line.split()[0]]
    done = subprocess.run(
        words, capture_output=True, text=True, env={**os.environ, **asked}, cwd=settings.PROJECT, timeout=60
    )
    loaded = {row.rpartition("|")[2].strip() for row in done.stderr.splitlines()}
    assert done.stdout.startswith(f"plain,{line.split()[-1]}"), done.stderr
    assert "click" in loaded
    assert not loaded & {
        "yaml",
        "lake.days",
        "lake.locks",
        "lake.disk",
        "numpy",
        "pyarrow",
        "duckdb",
        "polars",
        "numba",
    }


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_the_script_is_one_its_shell_can_read(shell: str) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    done = subprocess.run([shell, "-n"], input=completion.SCRIPTS[shell], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_every_command_a_machine_may_read_takes_json() -> None:
    without = {
        path
        for path, context in command_pages.contexts()
        if not hasattr(context.command, "commands")
        and not any("--json" in parameter.opts for parameter in context.command.params)
    }
    assert without == {*WITHOUT_JSON}


def test_json_on_standard_output_is_json_alone(tmp_path: Path) -> None:
    shelf = lakes.committed(lakes.a_shelf(tmp_path), lakes.the_days(3))
    bad = lakes.the_days(3)[1]
    (shelf.day_folder(bad) / shelf.part_name(bad)).write_bytes(b"")

    def said(tool: click.Group, *words: str) -> Any:
        done = CliRunner().invoke(tool, [*words, "--json", "--lake", str(tmp_path)])
        assert done.exit_code == 0, done.output
        return json.loads(done.stdout)

    told = said(lake_commands, "repair")
    assert [one["day"] for one in told["aside"]] == [str(bad)]
    assert all(command.startswith("python -m p1_ingest") for command in told["commands"])
    views = said(lake_commands, "views")
    assert "bars_1h" in views["views"] and Path(views["catalog"]).is_file()
