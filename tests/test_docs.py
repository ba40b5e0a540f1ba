"""Documents cannot lie: generated pages are compared, and what the others show is checked against the program."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from lake import sandbox
from meta.errors import PerplakeError
from scripts import command_pages, reference

PROJECT = Path(__file__).resolve().parent.parent
DOCS = sorted([*PROJECT.glob("*.md"), *PROJECT.glob("docs/**/*.md"), PROJECT / "meta" / "DICTIONARY.md"])
REFERENCE = PROJECT / "docs" / "commands.md"
COMMANDS = dict(command_pages.contexts())
HEAVY = ("numba", "llvmlite", "numpy", "polars", "duckdb", "pyarrow", "requests", "urllib3", "plotly", "ccxt")
# Commands that messages and documents name already and that are still to be built. Take each off once it is there.
PROMISED: set[str] = set[str]()
THEIRS = ("src.", "scripts.export_", "cryptoservice")  # commands of other systems, quoted to say what takes their place
VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*=")


def tracked() -> list[Path]:
    """Every file of the repository; of a plain folder, every file that is not hidden or made."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=PROJECT, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("not a git checkout")
    return [PROJECT / name for name in listed.stdout.split("\0") if name and (PROJECT / name).is_file()]


def shown_lines(text: str) -> Iterator[str]:
    """Every line of a document that a reader could type: fenced shell blocks, and commands in backticks."""
    for block in re.findall(r"^```(?:sh|bash|console|shell)\n(.*?)^```", text, re.M | re.S):
        for line in block.replace("\\\n", " ").splitlines():
            yield line.strip().removeprefix("$ ")
    yield from re.findall(r"^    ((?:python -m|make) .*)$", text, re.M)
    prose = re.sub(r"^```.*?^```", "", text, flags=re.M | re.S)
    yield from re.findall(r"`((?:[A-Z_]+=\S+ )*(?:python -m|make|docker compose) [^`]+)`", prose.replace("\\|", "|"))


def simple_commands(line: str) -> Iterator[list[str]]:
    """The words of each command of a line, split at pipes and `&&`; without variables and redirections."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    words: list[str] = []
    for word in [*lexer, ";"]:
        if word and set(word) <= set("|&;<>()"):
            while words and VARIABLE.match(words[0]):
                words.pop(0)
            if words:
                yield words
            words = []
        else:
            words.append(word)


def documented(program: str) -> list[tuple[str, tuple[str, ...]]]:
    """Every call of a program (`python`, `make`, `docker`) that the documents show, with the document's name."""
    found = {}
    for place in DOCS:
        for line in shown_lines(place.read_text(encoding="utf-8")):
            for words in simple_commands(line) if place != REFERENCE else ():
                if Path(words[0]).name == program:
                    found[place.name, tuple(words)] = None
    return list(found)


def brief(value: str | tuple[str, ...]) -> str:
    """How is a command called in the list of tests?"""
    return value if isinstance(value, str) else " ".join(value)[:60]


def understood(words: list[str]) -> None:
    """Raises click's error where `python -m …` is no command line of this program."""
    groups = command_pages.groups()
    if words[1].partition(".")[0] in ("scripts", "bench"):
        assert (PROJECT / words[1].replace(".", "/")).with_suffix(".py").is_file(), f"{words[1]} does not exist"
        return
    assert words[1] in groups, f"python -m {words[1]} does not exist"
    context = click.Context(groups[words[1]], info_name=words[1], **groups[words[1]].context_settings)
    rest = words[2:]
    while isinstance(context.command, click.Group) and rest and not rest[0].startswith("-"):
        name = rest.pop(0)
        command = context.command.commands.get(name)
        assert command is not None, f"{context.command_path} has no command {name}"
        context = click.Context(command, info_name=name, parent=context, **command.context_settings)
    if rest and "--help" not in rest and not isinstance(context.command, click.Group):
        parsed = context.command.make_context(context.info_name, rest, parent=context.parent)
        if "sql" in parsed.params:
            sandbox.checked(parsed.params["sql"])


@pytest.mark.parametrize("name", reference.PAGES)
def test_generated_pages_are_what_the_code_gives_now(name: str) -> None:
    place = PROJECT / name
    assert place.exists(), f"{name} is missing; run `make docs`"
    assert place.read_text(encoding="utf-8") == reference.PAGES[name](), f"{name} is out of date; run `make docs`"


@pytest.mark.parametrize("words", COMMANDS)
def test_every_command_shows_an_example_that_can_be_typed(words: str) -> None:
    shown = command_pages.examples(COMMANDS[words].command)
    assert shown, f"{words}: its help has no block that begins with Example"
    mine = words.removeprefix("python -m ")
    for line in shown:
        assert line.startswith(("python -m ", "echo ")), f"{words}: {line!r} cannot be typed as it stands"
        assert mine in line, f"{words}: {line!r} is an example of something else"
        for called in simple_commands(line):
            if called[:2] == ["python", "-m"]:
                understood(called[1:])


@pytest.mark.parametrize("words", COMMANDS)
def test_every_command_stands_in_the_reference(words: str) -> None:
    assert f"### {words}\n" in REFERENCE.read_text(encoding="utf-8")


@pytest.mark.parametrize("words", COMMANDS)
def test_every_command_and_option_says_what_it_is(words: str) -> None:
    context = COMMANDS[words]
    phase = command_pages.groups()[words.split()[2]]
    shown = CliRunner().invoke(phase, [*words.split()[3:], "--help"])
    assert shown.exit_code == 0, shown.output
    assert "Usage:" in shown.output
    for option in context.command.params:
        if isinstance(option, click.Option) and not option.hidden:
            assert option.opts[0] in shown.output


def test_every_make_target_says_what_it_does() -> None:
    text = (PROJECT / "Makefile").read_text(encoding="utf-8")
    rules = re.findall(r"^([a-z0-9_-]+):(?!=)(.*)$", text, re.M)
    assert rules
    for name, rest in rules:
        assert "## " in rest, f"make {name} has no `## text`"


def test_the_program_is_documented_at_all() -> None:
    assert len(documented("python")) > 30
    assert len(documented("make")) > 10


@pytest.mark.parametrize(("place", "words"), documented("python"), ids=brief)
def test_commands_in_the_documents_exist(place: str, words: tuple[str, ...]) -> None:
    if words[1] != "-m" or words[2].startswith(THEIRS) or " ".join(words[2:4]) in PROMISED:
        return
    try:
        understood(list(words[1:]))
    except (click.ClickException, PerplakeError) as error:
        pytest.fail(f"{place}: {' '.join(words)}: {error}")


def exists(words: str) -> bool:
    """Is `lake repair`, or the like, a command of this program?"""
    return any(called.startswith(f"python -m {words}") for called in COMMANDS)


def test_what_is_not_built_yet_is_not_built() -> None:
    _, heading, said = (PROJECT / "README.md").read_text(encoding="utf-8").partition("### Not built yet\n")
    named = re.findall(r"`((?:p\d_\w+|lake|reports) [a-z-]+)", said.split("\n## ")[0])
    assert named or not heading
    built = [words for words in named if exists(words)]
    assert not built, f"README says {built} are not built yet, but they are"


def test_messages_send_people_to_commands_that_exist() -> None:
    for path in [path for name in (*command_pages.PHASES, "meta") for path in (PROJECT / name).rglob("*.py")]:
        for words in re.findall(r"`python -m (\w+ [a-z-]+)", path.read_text(encoding="utf-8")):
            assert exists(words) or words in PROMISED, (
                f"{path.relative_to(PROJECT)} sends people to `python -m {words}`, which is not there"
            )


def test_no_promise_is_kept_without_being_taken_off_the_list() -> None:
    kept = [words for words in PROMISED if exists(words)]
    assert not kept, f"{kept} exist; take them off PROMISED in {Path(__file__).name}"


@pytest.mark.parametrize(("place", "words"), documented("make"), ids=brief)
def test_make_targets_in_the_documents_exist(place: str, words: tuple[str, ...]) -> None:
    text = (PROJECT / "Makefile").read_text(encoding="utf-8")
    rules = dict(re.findall(r"^([a-z0-9_-]+):(?!=)(.*)$", text, re.M))
    for word in words[1:]:
        name = word.split("=")[0]
        if "=" in word:
            assert f"$({name})" in text or f"{name} ?=" in text, f"{place}: make knows no variable {name}"
        else:
            assert name in rules, f"{place}: make has no rule for {name}"
    ran = subprocess.run(["make", "-n", *words[1:]], cwd=PROJECT, capture_output=True, text=True)
    assert ran.returncode == 0, f"{place}: {' '.join(words)}: {ran.stderr}"


@pytest.mark.parametrize(("place", "words"), documented("docker"), ids=brief)
def test_compose_services_in_the_documents_exist(place: str, words: tuple[str, ...]) -> None:
    services = re.findall(r"^  ([a-z0-9_]+):\n    <<:", (PROJECT / "docker-compose.yml").read_text(), re.M)
    if "run" in words:
        name = next(word for word in words[words.index("run") + 1 :] if not word.startswith("-"))
        assert name in services, f"{place}: {' '.join(words)}: there is no service {name}"


@pytest.mark.parametrize("place", DOCS, ids=lambda place: place.name)
def test_links_lead_somewhere(place: Path) -> None:
    text = re.sub(r"^```.*?^```", "", place.read_text(encoding="utf-8"), flags=re.M | re.S)
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if link.startswith("http"):
            continue
        path, _, anchor = link.partition("#")
        target = (place.parent / path).resolve() if path else place
        assert target.exists(), f"{place.name} links to {link}, which is not there"
        if anchor:
            heads = re.findall(r"^#+ (.*)$", target.read_text(encoding="utf-8"), re.M)
            slugs = [re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads]
            assert anchor in slugs, f"{place.name} links to {link}, and there is no such heading"


@pytest.mark.parametrize("name", command_pages.groups())
def test_a_command_line_starts_without_what_only_its_work_needs(name: str) -> None:
    asked = f"import sys, {name}.__main__; print(*(m for m in {HEAVY!r} if m in sys.modules))"
    ran = subprocess.run([sys.executable, "-c", asked], cwd=PROJECT, capture_output=True, text=True, check=True)
    assert not ran.stdout.strip(), f"python -m {name} imports {ran.stdout.strip()} before it knows what is asked"


def test_the_changelog_knows_the_version() -> None:
    version = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]["version"]
    assert f"## [{version}]" in (PROJECT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_decisions_are_numbered_once() -> None:
    names = sorted(path.name for path in (PROJECT / "docs" / "decisions").glob("*.md"))
    assert all(re.fullmatch(r"[0-9]{4}-[a-z0-9-]+\.md", name) for name in names)
    assert len({name[:4] for name in names}) == len(names)


def test_nothing_tells_of_a_machine_or_a_registry() -> None:
    hosts = ["pypi" + ".org", "pythonhosted" + ".org", "index" + "-url", "registry" + ".npmjs"]
    places = ["/wo" + "rk/", "/ro" + "ot/", "/ho" + "me/", "/op" + "t/", "/Us" + "ers/"]
    telling = re.compile("|".join([*map(re.escape, hosts), *(rf"(?<![\w.*}}]){re.escape(place)}" for place in places)]))
    for path in tracked():
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        found = telling.search(text)
        assert not found, f"{path.relative_to(PROJECT)} mentions {found[0]!r}"


def test_tests_that_documents_name_exist() -> None:
    for place in DOCS:
        for path, name in re.findall(r"`(tests/\w+\.py)(?:::|`, `)(test_\w+)`", place.read_text(encoding="utf-8")):
            assert f"def {name}(" in (PROJECT / path).read_text(encoding="utf-8"), f"{place.name} names {path}::{name}"
