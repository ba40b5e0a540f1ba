"""By which rules is a bar labelled? conf/labels.yaml, with the command's flags over it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field

from lake.fresh import code_digest
from lake.parts import schema_digest, schema_of
from lake.settings import Conf, conf
from meta.columns import LABELS, Column
from meta.datasets import DATASETS
from meta.errors import Usage
from p3_labels.barriers import Barriers
from p3_labels.events import Events, events

RET_NET = Column("ret_net", "double", "log return", "ret after the round-trip cost, --cost-bp")

SIDE = Column(
    "side", "int8", "", "+1 long, -1 short, as --events says; label is then 1 where that side was right, else 0"
)


class FoldsConf(Conf, frozen=True, forbid_unknown_fields=True):
    """conf/labels.yaml, folds: the snapshot that `train_*` joins, and how one is made where no flag says otherwise."""

    name: str = "main"
    kind: str = "kfold"
    k: int = 6
    test_blocks: int = 2
    train_blocks: int | None = None
    embargo: str | None = None
    cut: str = "t1"
    weight: str = "return"
    decay: float = 1.0
    balance: bool = False


class LabelsConf(Conf, frozen=True, forbid_unknown_fields=True):
    """conf/labels.yaml."""

    k: float = 1.2
    k_up: float | None = None
    k_down: float | None = None
    H: int = 36
    atr_window: int = 14
    tie: str = "wait"
    min_barrier_bp: float = 0.0
    cost_bp: float = 0.0
    atr: str = "wilder"
    unit: str = "atr"
    events: str = "every"
    folds: FoldsConf = FoldsConf()


@dataclass(frozen=True)
class Rules:
    """The barriers, the cost of a round trip in basis points (0: no column for it), and which bars are asked about."""

    barriers: Barriers
    cost_bp: float
    events: Events = field(default_factory=Events)

    @property
    def columns(self) -> tuple[Column, ...]:
        """Which columns do the days have?"""
        return (*LABELS, *((SIDE,) if self.events.sided else ()), *((RET_NET,) if self.cost_bp else ()))

    def code(self) -> str:
        """Which digest stands for the rules?"""
        settings = {**asdict(self.barriers), "cost_bp": self.cost_bp, **self.events.rules()}
        return code_digest(DATASETS["labels"], schema_digest(schema_of(self.columns)), settings)


def rules(
    k: float | None = None,
    k_up: float | None = None,
    k_down: float | None = None,
    H: int | None = None,
    atr_window: int | None = None,
    tie: str | None = None,
    min_barrier_bp: float | None = None,
    cost_bp: float | None = None,
    atr: str | None = None,
    unit: str | None = None,
    events_of: str | None = None,
) -> Rules:
    """Which rules do these flags mean; None takes conf's. Raises Usage where they make no barrier, or no event."""
    said = conf("labels.yaml", LabelsConf)
    both = k if k is not None else said.k
    up = next(value for value in (k_up, k, said.k_up, both) if value is not None)
    down = next(value for value in (k_down, k, said.k_down, both) if value is not None)
    cost = said.cost_bp if cost_bp is None else cost_bp
    if not 0 <= cost < 10_000:
        raise Usage(f"--cost-bp {cost} is outside 0 … 10000 basis points")
    barriers = Barriers(
        k_up=up,
        k_down=down,
        H=said.H if H is None else H,
        atr_window=said.atr_window if atr_window is None else atr_window,
        tie=tie or said.tie,
        min_barrier_bp=said.min_barrier_bp if min_barrier_bp is None else min_barrier_bp,
        unit=unit or said.unit,
        method=atr or said.atr,
    )
    return Rules(barriers.check(), cost, events(events_of or said.events))
