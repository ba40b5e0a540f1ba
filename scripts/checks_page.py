"""What checks are, how to use them on any frame, and which planted fault each one is known to catch."""

from __future__ import annotations

from lake import offenders
from scripts.markdown import code, joined, table
from tests.planted import FAULTS, FORM

CHECK = ("check", "planted fault")

HEAD = """# Checks

Written by `make docs` from `meta/checks/` and the faults the suite plants; the suite fails where it is out of date.

A check is a query that returns offenders: `meta/checks/DATASET_NAME.sql`. Above the query stand what its offenders
are, which columns it needs, and how many there must (else it fails, and the command ends with 3) or should (else it
warns) be; what several of them ask of is a view in `meta/checks/views/`. A check whose columns hold no value here is
`skipped` and says so: what was not looked at is never green. Each phase runs those of its dataset, beside its own:

```sh
python -m p1_ingest qa --days 80
python -m p2_features validate --horizon_days 80
python -m p3_labels validate
```

Each prints a table and writes a report to `reports/`: JSON for machines, and a page (`.html`) of the same name. A
lake elsewhere than in the project keeps its reports in its own `reports/`.

## On any frame

The checks of bars need no lake. One symbol's bars as polars, pandas, Arrow, a DuckDB relation or arrays will do;
columns as in the [dictionary](../meta/DICTIONARY.md), in any case, and the names ccxt and Binance files give them.
The time is `ts`, a bar's close, or else `time`, `timestamp`, `open_time` or the like, its open; numbers are epochs of
any unit.

```python
import lake

report = lake.check(frame, "5m")  # symbol="BTCUSDT" where the frame holds several
report.verdict  # ok, warn or FAIL
print(*report.lines(), sep="\\n")
[finding.check.name for finding in report.red]
```

What is wrong with the frame's form is a finding too: no rows, no prices, stamps that cannot be read, of several
units, without a zone or of another one than UTC.

## Two sources, bar by bar

`python -m p1_ingest reconcile --lake data --against other` compares each column of two lakes over the days both hold.

## Other limits

`conf/checks.yaml` changes the bounds of a check and the numbers in its query; an outage that is known, say:

```yaml
bars_long_gaps: {must: "<= 1"}
bars_perp_spot_basis: {numbers: {slack: 0.05}}
```

A check of your own is a file of yours in `meta/checks/`, and a fault in `tests/planted.py` that it catches: the suite
asks for both. It finds the table of its dataset (`bars`, `keys`, `log`, `features`, `labels`; bars also have `day`),
and the timeframe as `getvariable('tf_ms')`.

## Which fault turns which check red

Every line is a test: the fault is planted in data that is otherwise green, and the check named has to fail."""


def page() -> str:
    """The whole page."""
    rows = [(code(f"{name}.sql"), fault.what) for name in _names() for fault in FAULTS if fault.check == name]
    form = [(code(fault.check.removeprefix("frame_")), fault.what) for fault in FORM]
    return joined(HEAD, table(CHECK, rows), "Of a frame's form, by `lake.check` alone:", table(CHECK, form))


def _names() -> list[str]:
    """Every check, in the dictionary's order."""
    return [f"{dataset}_{query.check.name}" for dataset in offenders.DATASETS for query in offenders.queries(dataset)]
