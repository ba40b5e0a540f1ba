"""docker-compose.yml says what the program understands; with an engine at hand (`make test-docker`), it does it too."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from scripts import command_pages
from tests import cast
from tests.archive import Archive
from tests.mirror import Mirror, mirrored

PROJECT = Path(__file__).resolve().parent.parent
COMPOSE: dict[str, Any] = yaml.safe_load((PROJECT / "docker-compose.yml").read_text(encoding="utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
BARS_5M = ("ingest_5m", "qa_5m", "duckdb_view_5m")
BARS_15M = ("ingest", "ingest_debug", "duckdb_view")
FEATURES = ("features_build", "features_validate", "features_bench", "duck_view_feat")
LABELS = ("labels_build", "labels_validate")
IN_ORDER = (*BARS_5M, *FEATURES, *LABELS, "report", *BARS_15M)
FOR_LONG = ("collector",)
GROUPS = ("universe",)  # services of several commands: the first word appended says which
WRITTEN = ("data", "data-sim", "exports", "reports", "meta/duckdb")
READ = ("conf", "secrets")
KEY = "0123456789abcdef-no-key-of-anyone"
KERNELS = "/var/cache/perplake"
MADE_ANEW = {"features_build": "features", "labels_build": "labels"}  # a fresh day would need no kernel


def parsed(words: list[str]) -> click.Context:
    """What does click make of `python -m …`? Raises its error where that is no command line of this program."""
    assert words[:2] == ["python", "-m"]
    group: click.Command = command_pages.groups()[words[2]]
    context, rest = click.Context(group, info_name=words[2], **group.context_settings), words[3:]
    while isinstance(group, click.Group):
        name, *rest = rest
        group = group.commands[name]
        if isinstance(group, click.Group):
            context = click.Context(group, info_name=name, parent=context, **group.context_settings)
    return group.make_context(name, rest, parent=context)


def test_the_services_are_the_ones_promised() -> None:
    assert set(SERVICES) == {*IN_ORDER, *FOR_LONG, *GROUPS}


@pytest.mark.parametrize(
    "words",
    [
        ["define", "--symbols", "BTCUSDT", "--start-date", "2024-10-01", "--output", "data/universe.json"],
        ["download", "--universe-file", "data/universe.json", "--interval", "5m"],
        ["export", "--universe-file", "data/universe.json"],
    ],
)
def test_the_service_of_universes_takes_the_commands_name_and_options(words: list[str]) -> None:
    assert parsed([*SERVICES["universe"]["entrypoint"], *words]).command.name == words[0]


@pytest.mark.parametrize("service", [name for name in SERVICES if name not in GROUPS])
def test_every_service_is_a_command_of_this_program(service: str) -> None:
    assert parsed(SERVICES[service]["entrypoint"]).command.name
    assert "command" not in SERVICES[service], "words of `command` would be lost as soon as an option is appended"


@pytest.mark.parametrize("service", [*BARS_15M[:2], "ingest_5m"])
def test_options_appended_to_a_service_reach_the_command(service: str) -> None:
    appended = ["--force", "--no-skip-present", "--days", "3"]
    context = parsed([*SERVICES[service]["entrypoint"], *appended])
    assert context.params["force"] is True
    assert context.params["skip_present"] is False


@pytest.mark.parametrize("service", ["ingest", "ingest_debug"])
def test_the_older_form_is_180_days_of_quarter_hours(service: str) -> None:
    assert parsed(SERVICES[service]["entrypoint"]).params["tf"] == ("15m",)
    assert SERVICES[service]["environment"]["DAYS"] == "${DAYS:-180}"
    assert parsed(SERVICES["ingest_debug"]["entrypoint"]).params["debug"] is True


@pytest.mark.parametrize("service", SERVICES)
def test_only_what_runs_for_long_is_started_again_and_asked_how_it_is(service: str) -> None:
    for_long = service in FOR_LONG
    assert ("restart" in SERVICES[service], "healthcheck" in SERVICES[service]) == (for_long, for_long)
    if for_long:
        asked = SERVICES[service]["healthcheck"]["test"]
        assert asked[0] == "CMD"
        assert parsed(asked[1:]).params["check"] is True
        assert asked[1:5] == SERVICES[service]["entrypoint"]


@pytest.mark.parametrize("service", SERVICES)
def test_no_service_runs_as_root_unless_told_to(service: str) -> None:
    assert SERVICES[service]["user"] == "${UID:-1000}:${GID:-1000}"
    assert (PROJECT / "Dockerfile").read_text(encoding="utf-8").count("\nUSER 1000:1000\n") == 1


@pytest.mark.parametrize("service", SERVICES)
def test_results_land_beside_the_project_and_choices_come_from_there(service: str) -> None:
    volumes = SERVICES[service]["volumes"]
    assert set(volumes) == {f"./{name}:/app/{name}" for name in WRITTEN} | {f"./{name}:/app/{name}:ro" for name in READ}


@pytest.mark.parametrize("folder", [*WRITTEN, *READ])
def test_every_mounted_folder_comes_with_the_checkout(folder: str) -> None:
    kept = subprocess.run(["git", "ls-files", "--", folder], cwd=PROJECT, capture_output=True, text=True)
    if kept.returncode:
        pytest.skip("not a git checkout")
    assert kept.stdout, f"an engine would make {folder} itself, as root"


def test_one_service_builds_the_image_and_no_service_fetches_it() -> None:
    assert {service["image"] for service in SERVICES.values()} == {"perplake"}
    assert {service["pull_policy"] for service in SERVICES.values()} == {"never"}
    assert [name for name, service in SERVICES.items() if "build" in service] == ["ingest_5m"]


def test_every_variable_the_program_reads_is_handed_in() -> None:
    code = "".join(path.read_text(encoding="utf-8") for phase in ("lake", "p1_ingest") for path in _sources(phase))
    read = set(re.findall(r'\b(?:variable|key)\("([A-Z_]+)"\)', code)) - {"TERM"}  # an engine sets it by itself
    offered = set(re.findall(r"^#? ?([A-Z_]+)=", (PROJECT / "secrets" / ".env.example").read_text(), re.M))
    assert {"COINGLASS_API_KEY", "SOURCE"} <= read
    for name, service in SERVICES.items():
        missing = (read | offered) - set(service["environment"])
        assert not missing, f"{name} would not hear of {missing}"
        literal = [one for one, value in service["environment"].items() if not re.match(rf"\$\{{{one}:-\d*\}}$", value)]
        assert not literal, f"{name}: {literal}"


def _sources(package: str) -> list[Path]:
    return sorted((PROJECT / package).rglob("*.py"))


def test_the_image_is_made_by_commands_of_this_program() -> None:
    text = (PROJECT / "Dockerfile").read_text(encoding="utf-8")
    shown = re.findall(r"^\s+(python -m (?:p\d_|lake|reports)[^;\\]*)", text, re.M)
    assert {line.split()[2] for line in shown} == {"p1_ingest", "p2_features", "p3_labels"}
    for line in shown:
        parsed(shlex.split(line))


def test_the_image_holds_the_program_and_no_key_and_no_lake() -> None:
    rules = (PROJECT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    rules = [rule for rule in rules if rule and not rule.startswith("#")]
    assert rules[0] == "*", "what is not named stays out"
    let_in = {rule[1:] for rule in rules if rule.startswith("!")}
    programs = {path.parent.name for path in PROJECT.glob("*/__init__.py")} - {"tests", "bench", "scripts"}
    assert let_in == programs | {"conf", "requirements.txt"}
    assert {"reports/*.json", "reports/*.csv", "meta/duckdb"} <= set(rules)


# --- with an engine ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Checkout:
    """A copy of the project that an ordinary user owns and nobody else can read, with an image of its own."""

    folder: Path
    uid: int
    gid: int

    def compose(self, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Call `docker compose` there, with nothing of this process's choices in the environment."""
        given = {name: value for name, value in os.environ.items() if name not in SERVICES["ingest"]["environment"]}
        given |= {"UID": str(self.uid), "GID": str(self.gid), "COMPOSE_PROJECT_NAME": "perplake-test", **variables}
        called = ["docker", "compose", *words]
        return subprocess.run(called, cwd=self.folder, env=given, capture_output=True, text=True, check=False)

    def run(self, service: str, *options: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run a service with appended options."""
        return self.compose("run", "--rm", "-T", service, *options, **variables)

    def own(self, path: Path) -> None:
        """Give a file or folder to the user, and to nobody else."""
        path.chmod(0o700 if path.is_dir() else 0o600)
        if os.getuid() == 0:
            os.chown(path, self.uid, self.gid)


def _answers(*words: str) -> bool:
    try:
        return subprocess.run(words, capture_output=True, check=False, timeout=30).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A checkout whose image is built."""
    if not (_answers("docker", "info") and _answers("docker", "compose", "version")):
        pytest.skip("no Docker engine with compose answers here")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=PROJECT, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("not a git checkout")
    ordinary = (os.getuid(), os.getgid()) if os.getuid() else (1000, 1000)
    here = Checkout(tmp_path_factory.mktemp("checkout"), *ordinary)
    for name in filter(None, listed.stdout.split("\0")):
        target = here.folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(PROJECT / name, target)
    image = {"services": {name: {"image": "perplake-test"} for name in SERVICES}}
    image["services"]["universe"]["network_mode"] = "host"  # the archive of the test listens on loopback
    (here.folder / "docker-compose.override.yml").write_text(yaml.safe_dump(image), encoding="utf-8")
    for path in [here.folder, *here.folder.rglob("*")]:
        here.own(path)
    built = here.compose("build")
    assert built.returncode == 0, built.stdout + built.stderr
    yield here
    here.compose("down", "--remove-orphans")
    subprocess.run(["docker", "rmi", "--force", "perplake-test"], capture_output=True, check=False)


@pytest.fixture(scope="module")
def filled(checkout: Checkout) -> Checkout:
    """The checkout after every service ran once, in order, without a key."""
    for service in IN_ORDER:
        ran = checkout.run(service)
        assert ran.returncode == 0, f"{service}: {ran.returncode}\n{ran.stdout}{ran.stderr}"
        assert "compiling" not in ran.stderr, f"{service} compiles what the image should hold"
    return checkout


@pytest.mark.long
def test_every_service_leaves_its_results_to_the_user(filled: Checkout) -> None:
    lake, reports = filled.folder / "data-sim", filled.folder / "reports"
    days = {tf: len(list(lake.glob(f"parquet/{tf}/BTCUSDT/y=*/m=*/d=*/_SUCCESS"))) for tf in ("5m", "15m")}
    assert days == {"5m": 80, "15m": 180}
    assert len(list(lake.glob("labels/5m/BTCUSDT/y=*/m=*/d=*/_SUCCESS"))) == 49
    assert (filled.folder / "meta" / "duckdb" / "sim.duckdb").is_file()
    made = {path.name for path in reports.iterdir()}
    assert {"index.html", "BTCUSDT_5m.html", "BTCUSDT_5m.json"} <= made
    wanted = ["p1_qa_core_5m_80d.json", "p2_qa_5m_80d.json", "p2_bench_5m_80d.csv", "p3_qa_5m_80d.json"]
    assert made.issuperset(wanted)
    foreign = [path for path in filled.folder.rglob("*") if path.lstat().st_uid != filled.uid]
    assert not foreign, foreign[:5]


@pytest.mark.long
@pytest.mark.parametrize("service", ["features_build", "features_validate", "features_bench", *LABELS])
def test_no_container_compiles_what_the_image_holds(filled: Checkout, service: str) -> None:
    entry = shlex.join(SERVICES[service]["entrypoint"])
    if service in MADE_ANEW:
        shutil.rmtree(filled.folder / "data-sim" / MADE_ANEW[service])
    script = (
        f"touch /tmp/then; {entry} >&2; echo code $?; find {KERNELS} -type f -newer /tmp/then; find {KERNELS} | wc -l"
    )
    ran = filled.compose("run", "--rm", "-T", "--entrypoint", "sh", service, "-c", script)
    code, *written, count = ran.stdout.splitlines()
    assert (code, written) == ("code 0", []), ran.stderr
    assert int(count) > 30  # there are kernels at all


@pytest.mark.long
def test_appended_options_reach_the_tool(filled: Checkout) -> None:
    planned = filled.run("ingest_5m", "--dry-run")
    assert (planned.returncode, "78 more are committed" in planned.stdout) == (0, True), planned.stdout + planned.stderr
    asked = filled.run("ingest", "--force", "--no-skip-present", "--json", DAYS="4")
    assert (asked.returncode, '"unchanged": 4' in asked.stdout) == (0, True), asked.stdout + asked.stderr


@pytest.mark.long
@pytest.mark.parametrize(
    ("code", "words"),
    [
        (1, ["features_build", "--symbol", "NOSUCHUSDT"]),
        (2, ["ingest", "--start", "2025-02-01", "--end", "2025-01-01"]),
        (3, ["qa_5m", "--days", "400"]),
    ],
)
def test_exit_codes_come_back_with_one_line(filled: Checkout, code: int, words: list[str]) -> None:
    ran = filled.run(*words)
    assert ran.returncode == code, ran.stdout + ran.stderr
    assert ran.stderr.count("error: ") == 1
    assert "Traceback" not in ran.stderr


@pytest.mark.long
def test_a_key_in_the_secrets_folder_is_read_and_never_shown(filled: Checkout) -> None:
    secret = filled.folder / "secrets" / ".env"
    secret.write_text(f"COINGLASS_API_KEY={KEY}\n", encoding="utf-8")
    filled.own(secret)
    try:
        ran = filled.run("ingest_5m", "--days", "2", "--debug", COINGLASS_BASE_URL="http://127.0.0.1:9")
    finally:
        secret.unlink()
    assert ran.returncode == 1
    assert "source coinglass" in ran.stderr, "the key was not read"
    assert KEY not in ran.stdout + ran.stderr
    assert not list((filled.folder / "data").glob("parquet/*")), "a run with a key wrote days without the venue"
    inside = ["docker", "run", "--rm", "--entrypoint", "ls", "perplake-test", "-A", "secrets"]
    assert subprocess.run(inside, capture_output=True, check=True).stdout == b""


@pytest.mark.long
def test_a_universe_is_defined_downloaded_and_exported(checkout: Checkout, tmp_path: Path) -> None:
    lives = [life for life in cast.cast(3, 1, 2, 2) if life.symbol in ("S00USDT", "GONEUSDT")]
    cast.publish(Archive(tmp_path), lives)
    days = ["--start-date", str(cast.on(0)), "--end-date", str(cast.on(2))]
    file = ["--universe-file", "data/universe.json"]
    with mirrored(Mirror(tmp_path)) as url:
        hosts = {f"BINANCE_{name}_URL": url for name in ("VISION", "LISTING", "FAPI", "SPOT")}
        for words in (
            ["define", "--symbols", "S00USDT,GONEUSDT", *days, "--interval", "1h", "--output", "data/universe.json"],
            ["download", *file, "--interval", "1h"],
            ["export", *file, "--source-freq", "1h"],
        ):
            ran = checkout.run("universe", *words, SOURCE="binance", **hosts)
            assert ran.returncode == 0, ran.stdout + ran.stderr
    for kept in (checkout.folder / "data" / "universe.json", *checkout.folder.glob("exports/*/report.json")):
        assert kept.stat().st_uid == checkout.uid
    (report,) = checkout.folder.glob("exports/**/report.json")
    assert report.stat().st_size > 0
    shutil.rmtree(checkout.folder / "data" / "parquet")  # the other tests' lake is that of the stand-in venue


@pytest.mark.long
def test_the_collector_follows_is_found_well_and_ends_cleanly(checkout: Checkout) -> None:
    try:
        up = checkout.compose("up", "--detach", "--wait", "--wait-timeout", "300", "collector", SYMBOLS="BTCUSDT")
        assert up.returncode == 0, up.stderr + checkout.compose("logs", "collector").stdout
        beside = checkout.compose("exec", "-T", "collector", "python", "-m", "lake", "status")
        assert (beside.returncode, "follow 5m BTCUSDT: last bar" in beside.stdout) == (0, True), beside.stdout
        stopped = checkout.compose("stop", "collector")
        assert stopped.returncode == 0, stopped.stderr
        listed = checkout.compose("ps", "--all", "--format", "json", "collector").stdout
        assert re.search(r'"ExitCode": ?143\b', listed), listed
        assert "ended by SIGTERM" in checkout.compose("logs", "collector").stdout
        assert (checkout.folder / "data-sim" / "live" / "5m" / "BTCUSDT.parquet").stat().st_uid == checkout.uid
    finally:
        checkout.compose("rm", "--force", "--stop", "collector")
