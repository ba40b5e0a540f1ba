"""What a shell may complete: commands and options, by click; their values, by what lake, conf and machine hold."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem

from lake import roots, settings
from lake.layout import Shelf
from meta.errors import PerplakeError
from meta.markets import market
from meta.timeframes import TIMEFRAMES

VARIABLE = "_PERPLAKE_COMPLETE"  # the shell asks through it, in click's protocol
TOOLS = "lake p1_ingest p2_features p3_labels reports"

BASH = f"""# perplake: completes `python -m {TOOLS.replace(" ", "|")} …`; of other lines of python, file names.
_perplake() {{
    COMPREPLY=()
    if ((COMP_CWORD == 2)) && [[ ${{COMP_WORDS[1]}} == -m ]]; then
        COMPREPLY=($(compgen -W "{TOOLS}" -- "${{COMP_WORDS[2]}}"))
        return
    fi
    if [[ ${{COMP_WORDS[1]}} != -m || " {TOOLS} " != *" ${{COMP_WORDS[2]}} "* ]]; then
        compopt -o bashdefault -o default
        return
    fi
    local type value
    while IFS=, read -r type value; do
        case $type in
            plain) COMPREPLY+=("$value") ;;
            dir) compopt -o dirnames ;;
            file) compopt -o default ;;
        esac
    done < <(env COMP_WORDS="${{COMP_WORDS[*]:2}}" COMP_CWORD=$((COMP_CWORD - 2)) {VARIABLE}=bash_complete \\
        "${{COMP_WORDS[0]}}" -m "${{COMP_WORDS[2]}}" 2>/dev/null)
}}
complete -o nosort -F _perplake python python3
"""

ZSH = f"""# perplake: completes `python -m {TOOLS.replace(" ", "|")} …`; other lines of python as before.
_perplake() {{
    local -a tools plain described response
    local type key text
    tools=({TOOLS})
    if [[ $words[2] == -m ]] && (( CURRENT == 3 )); then
        compadd -a tools
        return
    fi
    if [[ $words[2] != -m ]] || (( ! ${{tools[(Ie)$words[3]]}} )); then
        if (( $+functions[_python] )); then _python "$@"; else _files; fi
        return
    fi
    response=("${{(@f)$(env COMP_WORDS="${{(j: :)words[3,-1]}}" COMP_CWORD=$((CURRENT - 3)) {VARIABLE}=zsh_complete \\
        ${{(Q)words[1]}} -m $words[3] 2>/dev/null)}}")
    for type key text in $response; do
        case $type in
            plain) if [[ $text == _ ]]; then plain+=("$key"); else described+=("$key:$text"); fi ;;
            dir) _path_files -/ ;;
            file) _path_files -f ;;
        esac
    done
    (( $#described )) && _describe -V perplake described -U
    (( $#plain )) && compadd -U -V perplake -a plain
}}
compdef _perplake python python3
"""

FISH = f"""# perplake: completes `python -m {TOOLS.replace(" ", "|")} …`; other lines of python as before.
function __perplake_is_meant
    set -l words (commandline -opc)
    test (count $words) -ge 2; and test "$words[2]" = -m; or return 1
    test (count $words) -eq 2; or contains -- $words[3] {TOOLS}
end
function __perplake
    set -l words (commandline -opc)
    if test (count $words) -eq 2
        printf '%s\\n' {TOOLS}
        return
    end
    set -l line (string join ' ' -- $words[3..-1])
    for found in (env {VARIABLE}=fish_complete COMP_WORDS="$line" COMP_CWORD=(commandline -ct) \\
            $words[1] -m $words[3] 2>/dev/null)
        set -l item (string split -m 1 , -- $found)
        switch $item[1]
            case dir
                __fish_complete_directories (commandline -ct)
            case file
                __fish_complete_path (commandline -ct)
            case plain
                echo $item[2]
        end
    end
end
for program in python python3
    complete --command $program --condition __perplake_is_meant --no-files --arguments "(__perplake)"
end
"""
SCRIPTS = {"bash": BASH, "zsh": ZSH, "fish": FISH}


@click.command()
@click.argument("shell", type=click.Choice([*SCRIPTS]))
def completion(shell: str) -> int:
    """Print what makes a shell complete these commands, their options, and the symbols of your lake.

    For a session: `source <(python -m lake completion bash)`, the same with zsh; in fish, pipe it to `source`. For all:
    keep it in a file that your shell reads.

    \b
    Example:
        python -m lake completion bash > ~/.perplake.bash
    """
    click.echo(SCRIPTS[shell], nl=False)
    return 0


Completer = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]


def one_of(*names: str) -> Completer:
    """Which of these names may be meant?"""
    return lambda context, parameter, typed: _listed([*names], typed)


def symbols(context: click.Context, _: click.Parameter, typed: str) -> list[CompletionItem]:
    """Which symbols may be meant, the last of a list a,b,c? Those the lake holds."""
    return _listed({place.symbol for place in _shelves(context)}, typed)


def timeframes(context: click.Context, _: click.Parameter, typed: str) -> list[CompletionItem]:
    """Which timeframes may be meant? All there are, those the lake holds first."""
    held = {place.tf.name for place in _shelves(context)}
    return _listed(sorted(TIMEFRAMES, key=lambda name: name not in held), typed)


def coins(context: click.Context, _: click.Parameter, typed: str) -> list[CompletionItem]:
    """Which coins may be meant? Those of the symbols the lake holds."""
    return _listed({market(place.symbol).coin for place in _shelves(context)}, typed)


def exchanges_held(context: click.Context, _: click.Parameter, typed: str) -> list[CompletionItem]:
    """Which exchanges or sources may be meant? Those whose bars the lake holds."""
    named = {market(place.symbol).exchange for place in _shelves(context)} - {""}
    try:
        return _listed(named | {roots.source_name(cell) for cell in roots.first_days(_root(context))}, typed)
    except (PerplakeError, OSError):
        return _listed(named, typed)


def exchanges_of_ccxt(_: click.Context, __: click.Parameter, typed: str) -> list[CompletionItem]:
    """Which exchanges does ccxt know? A file each; importing them would take seconds."""
    spec = importlib.util.find_spec("ccxt")
    files = (
        path for place in (spec and spec.submodule_search_locations) or () for path in Path(place).glob("[a-z]*.py")
    )
    return _listed({path.stem for path in files}, typed)


def feature_sets(_: click.Context, __: click.Parameter, typed: str) -> list[CompletionItem]:
    """Which sets of features does conf/features.yaml hold?"""
    return _listed([name for name, _ in _sets()], typed)


def features(context: click.Context, _: click.Parameter, typed: str) -> list[CompletionItem]:
    """Which features does conf/features.yaml name?"""
    tfs = context.params.get("tf") or (settings.lake_conf().tf,)
    return _listed({name.replace("{tf}", tfs[0]) for _, named in _sets() for name in named}, typed)


def folders(_: click.Context, __: click.Parameter, typed: str) -> list[CompletionItem]:
    """Which folder may be meant? The shell knows."""
    return [CompletionItem(typed, type="dir")]


VALUES: dict[str, Completer] = {
    **dict.fromkeys(("--lake", "--against"), folders),
    **dict.fromkeys(("--symbol", "--symbols", "--against-symbol"), symbols),
    **dict.fromkeys(
        ("--tf", "--interval", "--intervals", "--from", "--to", "--source-freq", "--export-freq"), timeframes
    ),
    **dict.fromkeys(("--with", "--without"), features),
    "--set": feature_sets,
    "--coin": coins,
    "--source": one_of("auto", "binance", "ccxt", "coinglass", "sim"),
    "--exchange": exchanges_of_ccxt,
    "--engine": one_of("threads", "processes", "dask://"),
}


class Option(click.Option):
    """An option whose values a shell can complete by its name, where no `shell_complete` says otherwise."""

    def __init__(self, names: list[str], **more: Any) -> None:
        known = VALUES.get(next(name for name in names if name.startswith("--")))
        super().__init__(names, **{"shell_complete": known, **more})


def _root(context: click.Context) -> Path:
    lake = context.params.get("lake")
    return Path(lake) if lake else roots.root()


def _shelves(context: click.Context) -> list[Shelf]:
    try:
        return roots.shelves(_root(context))
    except (PerplakeError, OSError):  # there is nobody to tell it to while a line is being typed
        return []


def _sets() -> Iterator[tuple[str, list[str]]]:
    try:
        found = settings.read_yaml(settings.conf_path("features.yaml")).get("sets", {})
        yield from ((name, [*named]) for name, named in found.items())
    except (PerplakeError, AttributeError, TypeError):
        return


def _listed(names: Iterable[str], typed: str) -> list[CompletionItem]:
    before, comma, begun = typed.rpartition(",")
    there = names if isinstance(names, list) else sorted(names)
    return [CompletionItem(f"{before}{comma}{name}") for name in there if name.lower().startswith(begun.lower())]
