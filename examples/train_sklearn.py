"""Train a small model on the training table with purged folds, and score it where it has not looked.

    python -m p3_labels triple-barrier --symbol BTCUSDT
    python -m p3_labels weights --symbol BTCUSDT
    python -m p3_labels folds --symbol BTCUSDT
    python examples/train_sklearn.py --symbol BTCUSDT

Needs scikit-learn: `.venv/bin/python -m pip install '.[examples]'`. Each split learns from its `train` rows alone,
weighted by `weight`, and is scored on its `test` rows; rows that live through a test, or follow it too closely, are in
neither. Beside it stand controls that learn from the same rows with the labels shuffled: they have nothing to learn, so
that their scores show what chance looks like on these rows. A model within its controls' scores has found nothing; one
above them has found something, and not yet money: a better guess than chance may cost more to trade than it earns.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # the project, where it is run as a file

import lake
from meta.errors import NotReady, PerplakeError

KEYS = ["symbol", "ts"]
CONTROLS = 5  # shuffles a split; the model has to beat them all


@dataclass(frozen=True)
class Score:
    """How well one split did: area under the ROC curve (0.5 is chance) and gain of log loss over the base rate.

    control_auc, control_gain : the means of the controls; best : the highest AUC of any.
    """

    split: int
    train: int
    test: int
    auc: float
    gain: float
    control_auc: float
    control_gain: float
    best: float


def features_of(table: pl.DataFrame) -> list[str]:
    """Which columns may a model learn from? Those before `label`: all after it came later than the bar."""
    names = table.columns[: table.columns.index("label")]
    return [name for name in names if name not in KEYS and table[name].null_count() == 0]


def scores(table: pl.DataFrame, roles: pl.DataFrame, seed: int = 0) -> Iterator[Score]:
    """How well is `up first` told from the other outcomes, split by split, and by a control that learnt nothing?

    table : of `lake.train_table`. roles : of `lake.folds`. Splits whose rows hold one class alone are left out.
    """
    names = features_of(table)
    for split in roles["split"].unique().sort().to_list():
        rows = table.join(roles.filter(pl.col("split") == split), on=KEYS)
        train, test = (rows.filter(pl.col("role") == role) for role in ("train", "test"))
        target, truth = ((part["label"] == 1).to_numpy() for part in (train, test))
        if len({*target}) < 2 or len({*truth}) < 2:
            continue
        weight = train["weight"].to_numpy()
        inside, outside = (part.select(names).to_numpy().astype(float) for part in (train, test))
        honest = _judged(inside, target, weight, outside, truth)
        rng = np.random.default_rng([seed, split])
        chance = [_judged(inside, rng.permutation(target), weight, outside, truth) for _ in range(CONTROLS)]
        auc, gain = np.mean(chance, axis=0).tolist()
        yield Score(split, len(train), len(test), *honest, auc, gain, max(chance)[0])


def _judged(
    inside: np.ndarray, target: np.ndarray, weight: np.ndarray, outside: np.ndarray, truth: np.ndarray
) -> tuple[float, float]:
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import log_loss, roc_auc_score
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.1))
    model.fit(inside, target, logisticregression__sample_weight=weight / weight.mean())
    said = model.predict_proba(outside)[:, 1]
    usual = np.full(len(truth), np.average(target, weights=weight))
    return float(roc_auc_score(truth, said)), float(log_loss(truth, usual) - log_loss(truth, said))


def lines(found: Sequence[Score]) -> Iterator[str]:
    """How are scores shown? A row a split, and their means."""
    yield "split    train     test     AUC   gain, nats   controls' AUC   best   controls' gain"
    for one in found:
        yield (
            f"{one.split:5}  {one.train:7,}  {one.test:7,}  {one.auc:.4f}  {one.gain:+11.5f}"
            f"  {one.control_auc:14.4f}  {one.best:.4f}  {one.control_gain:+15.5f}"
        )
    means = [
        float(np.mean([getattr(one, name) for one in found])) for name in ("auc", "gain", "control_auc", "control_gain")
    ]
    yield f" mean                    {means[0]:.4f}  {means[1]:+11.5f}  {means[2]:14.4f}          {means[3]:+15.5f}"
    above = sum(one.auc > one.best for one in found)
    yield f"above all {CONTROLS} controls in {above} of {len(found)} splits"


def main(argv: Sequence[str] | None = None) -> int:
    """Read, train, score, show."""
    asked = argparse.ArgumentParser(description="A small model on purged folds, beside a control that learnt nothing.")
    asked.add_argument("--symbol", action="append", help="repeatable; BTCUSDT")
    asked.add_argument("--tf", default="5m")
    asked.add_argument("--lake", help="the lake's root")
    asked.add_argument("--folds", help="the snapshot's name; else conf's")
    said = asked.parse_args(argv)
    try:
        import sklearn  # noqa: F401
    except ImportError:
        print(
            "error: scikit-learn is not installed; run `.venv/bin/python -m pip install '.[examples]'`", file=sys.stderr
        )
        return 1
    try:
        table = lake.train_table(said.symbol or ["BTCUSDT"], said.tf, lake=said.lake, folds=said.folds)
        found = list(scores(table, lake.folds(said.tf, said.folds, said.lake)))
        if not found:
            raise NotReady("no split holds both classes; take more days")
    except PerplakeError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    print("\n".join(lines(found)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
