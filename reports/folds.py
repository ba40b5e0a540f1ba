"""Which rows train and which test, split by split, and what is kept out between them."""

from __future__ import annotations

from typing import Any

from lake import snapshots
from meta.errors import NotReady, Tampered
from reports.held import Held
from reports.page import Figure, Section, Table, sentence

CLASSES: list[dict[str, Any]] = [
    {"name": "train", "tone": "s4"},
    {"name": "test", "tone": "gold"},
    {"name": "purged", "tone": "red", "thin": True},
    {"name": "embargoed", "tone": "pink", "thin": True},
]
ROLES = [str(one["name"]) for one in CLASSES]


def section(held: Held) -> Section:
    """The named snapshot of folds that training tables join."""
    name = snapshots.joined()
    try:
        said = snapshots.meta(snapshots.folds(held.root, held.tf, name))
    except (NotReady, Tampered) as error:
        return Section("folds", "Folds", f"No folds to show: {error}")
    text = f"Snapshot {name}, of {', '.join(said['symbols'])}; the rows of {held.symbol} are drawn."
    return Section("folds", "Folds", text, [_diagram(held, said), _splits(said)])


def _diagram(held: Held, said: dict[str, Any]) -> Figure:
    # A stretch ends where the role changes, or where rows of the symbol are a day or more apart.
    stretches = held.ask(
        "SELECT split, role, min(open_ms), max(open_ms), count(*) FROM ("
        " SELECT *, sum(fresh) OVER (PARTITION BY split ORDER BY open_ms) AS stretch FROM ("
        "  SELECT *, (role IS DISTINCT FROM lag(role) OVER w OR open_ms - lag(open_ms) OVER w > 86400000)::INT AS fresh"
        "  FROM folds WINDOW w AS (PARTITION BY split ORDER BY open_ms)))"
        " GROUP BY split, role, stretch ORDER BY split, min(open_ms)"
    )
    if not stretches:
        return Figure("folds-diagram", "Splits over time", f"No row of {held.symbol} is in them.")
    splits = sorted({split for split, *_ in stretches})
    segments = [[splits.index(s), a, b + held.tf.ms, ROLES.index(role), n] for s, role, a, b, n in stretches]
    chart = {
        "kind": "lanes", "rows": [f"split {split}" for split in splits], "segments": segments, "classes": CLASSES,
        "from": min(s[1] for s in segments), "to": max(s[2] for s in segments),
    }  # fmt: skip
    totals = dict(held.ask("SELECT role, count(*) FROM folds GROUP BY role"))
    purged = [f"{role} {totals.get(role, 0):,}" for role in ROLES]
    summary = sentence([
        f"{len(splits)} splits of kind {said['settings']['scheme']['kind']}, rows over all: {', '.join(purged)}",
        "purged and embargoed stretches are drawn wider than they are, or none would see them",
    ])  # fmt: skip
    return Figure("folds-diagram", "Splits over time", summary, chart)


def _splits(said: dict[str, Any]) -> Table:
    columns = [
        ("split", "count"),
        *((role, "count") for role in ROLES),
        ("effective size", "count"),
        ("tests", "short"),
    ]
    rows = [
        [
            one["split"],
            *(one["roles"].get(role, 0) for role in ROLES),
            one["effective_size"],
            "; ".join(f"{first[:16]} … {last[:16]}".replace("T", " ") for first, last in one["test_spans"]),
        ]
        for one in said["splits"]
    ]
    return Table("folds-splits", "Rows by split and role, all symbols", columns, rows)
