"""The lock files say exactly which versions were tested, and nothing of where they came from."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import tomllib
import venv
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
HEAD = "# Written by `make lock`: every version the suite was run with. No index, no hashes, no platform.\n"


def resolved(wanted: list[str]) -> list[str]:
    """Which exact versions does pip choose for these requirements, in a fresh environment?"""
    with tempfile.TemporaryDirectory() as folder:
        venv.create(folder, with_pip=True)
        python = Path(folder) / "bin" / "python"
        quiet = ["--quiet", "--disable-pip-version-check"]
        subprocess.run([python, "-m", "pip", "install", *quiet, *wanted], check=True, stdout=subprocess.DEVNULL)
        frozen = subprocess.run(
            [python, "-m", "pip", "list", "--format=freeze", "--disable-pip-version-check"],
            check=True,
            capture_output=True,
            text=True,
        ).stdout.split()
    return sorted((line for line in frozen if not line.startswith(("pip==", "setuptools==", "wheel=="))), key=str.lower)


def main() -> None:
    """Write requirements.txt and requirements-dev.txt from pyproject.toml."""
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
    runtime = resolved(project["dependencies"])
    every = resolved([*runtime, *project["optional-dependencies"]["dev"]])
    (PROJECT / "requirements.txt").write_text(HEAD + "\n".join(runtime) + "\n")
    extra = [line for line in every if line not in runtime]
    (PROJECT / "requirements-dev.txt").write_text(HEAD + "-r requirements.txt\n" + "\n".join(extra) + "\n")
    sys.stdout.write(f"{len(runtime)} and {len(extra)} versions locked\n")


if __name__ == "__main__":
    main()
