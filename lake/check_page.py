"""What checks found, as a page that needs nothing beside itself: a table a symbol, the worst first."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from lake.checks import RANK, Finding, Report

STYLE = """
:root { color-scheme: light dark; --line: #8883; --dim: #8889; --red: #c8102e; --amber: #b26a00; --green: #1a7f37 }
@media (prefers-color-scheme: dark) { :root { --red: #ff6b6b; --amber: #ffb454; --green: #56d364 } }
body { font: 14px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 76rem; padding: 0 1rem }
h1 { font-size: 1.35rem } h2 { font-size: 1.05rem; margin: 2rem 0 .3rem }
table { border-collapse: collapse; width: 100% }
th, td { text-align: left; padding: .25rem .6rem; border-bottom: 1px solid var(--line); vertical-align: top }
th { color: var(--dim); font-weight: 500 }
td.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap }
td.note { overflow-wrap: anywhere } small { color: var(--dim); display: block }
.fail { color: var(--red); font-weight: 700 } .warn { color: var(--amber); font-weight: 700 }
.ok { color: var(--green) } .skipped, .info { color: var(--dim) }
.synthetic { background: var(--amber); color: #fff; padding: .1rem .5rem; border-radius: .3rem }
"""


def page(title: str, reports: Sequence[Report]) -> str:
    """One page of all symbols' reports."""
    body = "\n".join(_section(report) for report in reports)
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n<style>{STYLE}</style></head>\n'
        f"<body><h1>{escape(title)}</h1>\n{_summary(reports)}\n{body}\n</body></html>\n"
    )


def _summary(reports: Sequence[Report]) -> str:
    if len(reports) < 2:
        return ""
    return _table(
        ("symbol", "verdict", "fails", "warns"),
        (
            f'<td><a href="#{escape(one.symbol)}">{escape(one.symbol)}</a></td>{_verdict(one.verdict)}'
            f'<td class="n">{len(one.red)}</td>'
            f'<td class="n">{sum(found.verdict == "warn" for found in one.findings)}</td>'
            for one in reports
        ),
    )


def _section(report: Report) -> str:
    made_up = ' <span class="synthetic">SYNTHETIC</span>' if report.facts.get("synthetic") else ""
    head = f'<h2 id="{escape(report.symbol)}">{escape(report.title)}{made_up}</h2>'
    worst_first = sorted(report.findings, key=lambda found: -RANK[found.verdict])
    return head + "\n" + _table(("check", "value", "limit", "verdict", ""), map(_row, worst_first))


def _row(finding: Finding) -> str:
    check, limit = finding.check, finding.check.limit(finding.verdict)
    return (
        f"<td>{escape(check.name)}<small>{escape(check.meaning)}</small></td>"
        f'<td class="n">{escape(check.written(finding.value))}</td><td class="n">{escape(limit)}</td>'
        f'{_verdict(finding.verdict)}<td class="note">{escape(finding.note)}</td>'
    )


def _verdict(verdict: str) -> str:
    return f'<td class="{verdict.lower()}">{verdict}</td>'


def _table(head: Iterable[str], rows: Iterable[str]) -> str:
    lines = "\n".join(f"<tr>{row}</tr>" for row in rows)
    return f"<table><tr>{''.join(f'<th>{name}</th>' for name in head)}</tr>\n{lines}</table>"
