"""Days of longer bars are committed from days of shorter ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date

import numpy as np

from lake import commit, days, fresh, notes
from lake.days import Day
from lake.groups import grouped, members
from lake.layout import Shelf
from lake.manifest import Entry, Provenance
from lake.parts import schema_digest, stamps
from lake.progress import Pace
from lake.span import Span
from meta.datasets import DATASETS
from meta.errors import NotReady, Refused
from p1_ingest.bars import SCHEMA
from p1_ingest.wanted import CODE_SETTINGS, chunks

RULES = {**CODE_SETTINGS, "resample": 1}  # goes up when a rule below changes


@dataclass
class Resampled:
    """What one run did for one symbol and timeframe."""

    symbol: str
    tf: str
    from_tf: str
    committed: list[date] = field(default_factory=list)
    fresh: int = 0
    unchanged: int = 0
    bars: int = 0
    incomplete: int = 0

    def lines(self) -> list[str]:
        """How is it told to people?"""
        name = f"{self.symbol} {self.tf} from {self.from_tf}"
        told = [
            f"{name}: {len(self.committed)} days written, {self.unchanged} resampled to the same, {self.fresh} fresh; "
            f"{self.bars:,} bars"
        ]
        return told + ([f"{name}: {self.incomplete:,} bars left out: a member is missing"] if self.incomplete else [])

    def data(self) -> dict[str, object]:
        """How is it told to machines?"""
        return {
            "symbol": self.symbol,
            "tf": self.tf,
            "from": self.from_tf,
            "written": [str(day) for day in self.committed],
            "fresh": self.fresh,
            "unchanged": self.unchanged,
            "bars": self.bars,
            "incomplete": self.incomplete,
        }


def code() -> str:
    """Which digest stands for the rules of resampling today?"""
    return fresh.code_digest(DATASETS["bars"], schema_digest(SCHEMA), RULES)


def resample(
    source: Shelf, target: Shelf, span: Span, *, force: bool = False, wait: float = 0.0,
    tell: Callable[[str], None] = lambda line: None,
) -> Resampled:  # fmt: skip
    """Commit each day of `target` whose day of `source` is committed, and is new or has changed.

    Raises NotReady where there is nothing to resample, Refused over ingested days unless `force`, Usage, Busy.
    """
    members(source.tf, target.tf)
    have = days.committed(source)
    wanted = span.of(list(have))
    if not wanted:
        raise NotReady(f"{source} holds no committed day in the range; run `{days.command(source)}`")
    done = Resampled(target.symbol, target.tf.name, source.tf.name)
    with commit.writing(target, wait) as writer:
        known = days.committed(target)
        _not_over_ingested(target, known, force)
        notes.write_rules(target, code())
        rules, made_of = code(), {day: fresh.resampled_inputs(source.tf.name, day, have[day]) for day in wanted}
        stale = [day for day in wanted if not fresh.is_fresh(known.get(day), made_of[day], rules)]
        done.fresh = len(wanted) - len(stale)
        told, pace = 0, Pace(len(stale), "days")
        for chunk in chunks(stale):
            made = (_made(days.need(source, day), source, target, rules, done) for day in chunk)
            done.unchanged += writer.stage_all(made, guard=True, allow_shrink=force).count(False)
            done.committed += writer.publish()
            told += len(chunk)
            tell(f"{target} from {source.tf}: {chunk[0]} … {chunk[-1]}: {pace.at(told)}")
        if (offered := notes.read(source, notes.OFFERED)) is not None:
            notes.write(target, notes.OFFERED, offered)
    return done


def _not_over_ingested(target: Shelf, known: Mapping[date, Entry], force: bool) -> None:
    """A symbol's timeframe is ingested or resampled: a reader should not have to ask which, day by day."""
    ingested = [day for day, entry in known.items() if fresh.shorter_of(entry.source) is None]
    if ingested and not force:
        raise Refused(
            f"{target} in {target.root} holds {len(ingested)} ingested days ({ingested[0]} … {ingested[-1]}); "
            "resampled days are not mixed in: choose another --to, or give --force"
        )


def _made(read: Day, source: Shelf, target: Shelf, rules: str, done: Resampled) -> commit.Made:
    bars = read.table()
    table = grouped(bars.select(SCHEMA.names), read.day, source.tf, target.tf)
    made_of = fresh.resampled_inputs(source.tf.name, read.day, read.entry)
    provenance = Provenance(fresh.resampled(read.entry.source, source.tf.name), made_of, rules)
    done.bars += table.num_rows
    touched = np.unique((stamps(bars).to_numpy() - 1) // target.tf.ms)
    done.incomplete += len(touched) - table.num_rows
    return read.day, table, provenance
