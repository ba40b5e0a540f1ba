"""The obvious twin of every kernel: slow, plain, and right by inspection."""

from __future__ import annotations

import math

import numpy as np

# --- P2: what was knowable -------------------------------------------------------------------------------------------


def present(x):
    return [v for v in x if math.isfinite(v)]


def past(x, t, window):
    """The finite values of t-W … t-1."""
    return present(float(v) for v in x[max(t - window, 0) : t])


def quantile(values, p):
    ordered = sorted(values)
    k = math.floor((len(ordered) - 1) * p)
    f = (len(ordered) - 1) * p - k
    a, b = ordered[k], ordered[min(k + 1, len(ordered) - 1)]
    return a + (b - a) * f


def past_quantiles(x, window, low, high, least):
    lo, hi = [], []
    for t in range(len(x)):
        values = past(x, t, window)
        enough = len(values) >= max(least, 1)
        lo.append(quantile(values, low) if enough else math.nan)
        hi.append(quantile(values, high) if enough else math.nan)
    return np.array(lo), np.array(hi)


def past_winsorized(x, window, low, high, least):
    lo, hi = past_quantiles(x, window, low, high, least)
    trios = zip(x, lo, hi, strict=True)
    return np.array([min(max(v, a), b) if len(present([v, a, b])) == 3 else math.nan for v, a, b in trios])


def moments(values):
    """A base, the mean as seen from it, and the deviation: nothing lost to rounding, however large the values."""
    base, n = values[0], len(values)
    offset = math.fsum(v - base for v in values) / n
    return base, offset, math.sqrt(math.fsum((v - base - offset) ** 2 for v in values) / n)


def past_mean_std(x, window):
    count, mean, std, flat = [], [], [], []
    for t in range(len(x)):
        values = past(x, t, window)
        base, offset, s = moments(values) if values else (math.nan,) * 3
        count.append(len(values))
        mean.append(base + offset)
        std.append(s)
        flat.append(bool(values) and max(values) == min(values))
    return np.array(count, int), np.array(mean), np.array(std), np.array(flat, bool)


def past_zscore(w, window, least):
    z = []
    for t in range(len(w)):
        values = past(w, t, window)
        if not math.isfinite(w[t]) or len(values) < max(least, 1):
            z.append(math.nan)
            continue
        base, offset, s = moments(values)
        flat = max(values) == min(values) or s == 0
        z.append(0.0 if flat else (w[t] - base - offset) / s)
    return np.array(z)


def past_winsorized_zscore(x, window, low, high, least_quantile, least_mean):
    return past_zscore(past_winsorized(x, window, low, high, least_quantile), window, least_mean)


def past_percentile(x, window, least):
    out = []
    for t in range(len(x)):
        values = past(x, t, window)
        if not math.isfinite(x[t]) or len(values) < max(least, 1):
            out.append(math.nan)
        else:
            below, equal = sum(v < x[t] for v in values), sum(v == x[t] for v in values)
            out.append((below + 0.5 * equal) / len(values))
    return np.array(out)


def past_sum(columns, bars, least):
    out = np.full(columns.shape, math.nan)
    for t in range(columns.shape[1]):
        taken = [i for i in range(max(t - bars + 1, 0), t + 1) if np.isfinite(columns[:, i]).all()]
        if len(taken) >= max(least, 1):
            for j in range(columns.shape[0]):
                out[j, t] = bars * (math.fsum(columns[j, taken]) / len(taken))
    return out


def past_change(x, bars):
    out = []
    for t in range(len(x)):
        both = present([float(x[t]), float(x[t - bars])]) if t >= bars else []
        ratio = both[0] / both[1] if len(both) == 2 and min(both) > 0 else math.nan
        out.append(math.log(ratio) if 0 < ratio < math.inf else math.nan)
    return np.array(out)


def past_carried(x, most):
    filled, imputed = [], []
    for t in range(len(x)):
        ages = [a for a in range(min(most, t) + 1) if math.isfinite(x[t - a])]
        filled.append(x[t - ages[0]] if ages else math.nan)
        imputed.append(bool(ages) and ages[0] > 0)
    return np.array(filled), np.array(imputed, bool)


# --- P3: what happened next ------------------------------------------------------------------------------------------


def true_range(high, low, close):
    """max(high−low, |high−C|, |low−C|), C the close of the previous present bar."""
    out = []
    before = None
    for h, lo, c in zip(high, low, close, strict=True):
        if c != c:
            out.append(math.nan)
        else:
            out.append(math.nan if before is None else max(h - lo, abs(h - before), abs(lo - before)))
            before = c
    return out


def mean_reach(reach, n, method):
    """Wilder's mean with TA-Lib's seeding, or the mean of the last n; absent values are passed over."""
    out = []
    seen = []
    wilder = math.nan
    for x in reach:
        if x != x:
            out.append(math.nan)
            continue
        seen.append(x)
        if len(seen) == n:
            wilder = sum(seen) / n
        elif len(seen) > n:
            wilder = (wilder * (n - 1) + x) / n
        out.append(math.nan if len(seen) < n else wilder if method == "wilder" else sum(seen[-n:]) / n)
    return out


def atr(high, low, close, n, method="wilder"):
    """The average true range, from the first bar given."""
    return mean_reach(true_range(high, low, close), n, method)


def realised(close, n):
    """√(mean r²)·close over the last n log returns between present bars."""
    squares = []
    before = None
    for c in close:
        if c != c:
            squares.append(math.nan)
        else:
            squares.append(math.nan if before is None else math.log(c / before) ** 2)
            before = c
    return [math.sqrt(m) * c for m, c in zip(mean_reach(squares, n, "sma"), close, strict=True)]


def by_day(function, columns, day, days_back):
    """Each day's values from a run of `function` over its own day and the `days_back` before it alone."""
    out = []
    for d in sorted(set(day)):
        rows = [i for i in range(len(day)) if d - days_back <= day[i] <= d]
        values = function(*[[column[i] for i in rows] for column in columns])
        out += [v for i, v in zip(rows, values, strict=True) if day[i] == d]
    return out


def bar_touch(o, h, lo, c, upper, lower, tie):
    """(outcome, label, exit, by open) of one present bar, or None: rules 1 to 3, a tie by its policy."""
    if o >= upper:
        return "up", 1, o, True
    if o <= lower:
        return "down", -1, o, True
    if h >= upper and lo <= lower:
        if tie in ("wait", "resolve"):
            return "tie", 0, c, False
        if tie == "stop":
            return "tie", -1, lower, False
        return ("tie", 1, upper, False) if abs(upper - o) < abs(o - lower) else ("tie", -1, lower, False)
    if h >= upper:
        return "up", 1, upper, False
    if lo <= lower:
        return "down", -1, lower, False
    return None


def first_touch(bars, tape, t, upper, lower, horizon, tie, minutes=None, minute_tape=None):
    """The label of bar t as a dict, or the word for why there is none.

    bars: rows (open, high, low, close), None = absent; tape: is that row's day committed? minutes: per row, its
    one-minute rows; minute_tape: is that row's 1m day committed?
    """
    entry = bars[t][3]
    path = range(t + 1, t + horizon + 1)
    touched = None
    for s in path:
        if s >= len(bars) or not tape[s]:
            return "unresolved"
        if s - t > 3 and all(bars[q] is None for q in range(s - 3, s + 1)):
            return "gap"
        if bars[s] is not None:
            touched = bar_touch(*bars[s], upper, lower, tie)
            if touched:
                break
    seen = [q for q in range(t + 1, s + 1) if bars[q] is not None]
    if not seen:
        return "gap"
    outcome, label, price, by_open = touched or ("timeout", 0, bars[seen[-1]][3], False)
    reached = [x for q in seen for x in bars[q][1:3]]
    if by_open:
        reached = [x for q in seen[:-1] for x in bars[q][1:3]] + [bars[s][0]]
    if outcome == "tie" and tie == "resolve":
        if s >= len(minute_tape) or not minute_tape[s]:
            return "waits"
        inside = [bar_touch(*m, upper, lower, "wait") for m in minutes[s] if m is not None]
        decided = next((m for m in inside if m), None)
        if decided and decided[0] != "tie":
            outcome, label, price, _ = decided
    return {
        "outcome": outcome,
        "label": label,
        "bars_held": s - t,
        "exit": price,
        "ret": math.log(price / entry),
        "mfe": math.log(max([entry, *reached]) / entry),
        "mae": math.log(min([entry, *reached]) / entry),
        "path_gap": any(bars[q] is None for q in range(t + 1, s)) or bars[s] is None,
    }


def label_weights(close, spans):
    """(concurrency at its own bar, uniqueness, w_return) of every span (start, end] of grid positions."""
    crowd = [sum(start < s <= end for start, end in spans) for s in range(len(close))]
    out = []
    for start, end in spans:
        present = [s for s in range(start + 1, end + 1) if close[s] == close[s]]
        earned = 0.0
        for s in present:
            before = next(q for q in range(s - 1, -1, -1) if close[q] == close[q])
            earned += math.log(close[s] / close[before]) / crowd[s]
        out.append((crowd[start], sum(1 / crowd[s] for s in present) / len(present), abs(earned)))
    return out


def fold_roles(ts, t1, blocks, tested, embargo, horizon=0):
    """Each row's role when these blocks of time are the test."""
    stamps = sorted(set(ts))
    block = {}
    for b in range(blocks):
        size = len(stamps) // blocks + (b < len(stamps) % blocks)
        block.update(dict.fromkeys(stamps[len(block) : len(block) + size], b))
    runs = []
    for b in sorted(tested):
        if runs and runs[-1][-1] == b - 1:
            runs[-1].append(b)
        else:
            runs.append([b])
    spans = []
    for run in runs:
        rows = [i for i in range(len(ts)) if block[ts[i]] in run]
        spans.append((min(ts[i] for i in rows), max(t1[i] for i in rows)))
    out = []
    for a, b in zip(ts, t1, strict=True):
        if block[a] in tested:
            out.append("test")
        elif any((a <= end and b >= start) or (horizon and start - horizon <= a < start) for start, end in spans):
            out.append("purged")
        elif any(end < a <= end + embargo for _, end in spans):
            out.append("embargoed")
        else:
            out.append("train")
    return out
