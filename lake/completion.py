"""What a shell may complete: the commands and options, by click; symbols and timeframes, by what the lake holds."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import click
from click.shell_completion import CompletionItem

from lake import roots
from lake.layout import Shelf
from meta.errors import PerplakeError
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


def symbols(context: click.Context, _: click.Parameter, typed: str) -> list[CompletionItem]:
    """Which symbols may be meant, the last of a list a,b,c? Those the lake holds."""
    return _listed({place.symbol for place in _shelves(context)}, typed)


def timeframes(context: click.Context, _: click.Parameter, typed: str) -> list[CompletionItem]:
    """Which timeframes may be meant? All there are, those the lake holds first."""
    held = {place.tf.name for place in _shelves(context)}
    return _listed(sorted(TIMEFRAMES, key=lambda name: name not in held), typed)


def folders(_: click.Context, __: click.Parameter, typed: str) -> list[CompletionItem]:
    """Which folder may be meant? The shell knows."""
    return [CompletionItem(typed, type="dir")]


def _shelves(context: click.Context) -> list[Shelf]:
    lake = context.params.get("lake")
    try:
        return roots.shelves(Path(lake) if lake else roots.root())
    except (PerplakeError, OSError):  # there is nobody to tell it to while a line is being typed
        return []


def _listed(names: Iterable[str], typed: str) -> list[CompletionItem]:
    before, comma, begun = typed.rpartition(",")
    there = names if isinstance(names, list) else sorted(names)
    return [CompletionItem(f"{before}{comma}{name}") for name in there if name.lower().startswith(begun.lower())]
