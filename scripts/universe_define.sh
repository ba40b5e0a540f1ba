#!/bin/sh
# The same as `python -m p1_ingest universe define`: every option is passed through, paths are of where it is called.
# PYTHON names another interpreter than the project's own.
project=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd) || exit 1
PYTHONPATH="$project${PYTHONPATH:+:$PYTHONPATH}"
export PYTHONPATH
exec "${PYTHON:-$project/.venv/bin/python}" -m p1_ingest universe define "$@"
