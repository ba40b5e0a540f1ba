"""The archive keeps a series as zips of one day or one month, each with a published digest."""

from __future__ import annotations

import hashlib
import io
import re
import struct
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from urllib.parse import quote, unquote

from meta.errors import BadPayload
from meta.timeframes import Timeframe, day_start
from p1_ingest.payload import said
from p1_ingest.sources.base import Request

HOST = "binance_vision"
LARGEST = 64 << 20  # bytes of one CSV; a month of 1m bars is 6 MB
STEEPEST = 200  # bytes out per byte in; a month of equal rows stays under 100
HARMLESS = 4 << 20  # bytes below which no ratio is too steep

DAILY, MONTHLY = "archive-daily", "archive-monthly"
SECOND = " second"  # the route of a file asked for because the other cadence lacked the day


@dataclass(frozen=True)
class Folder:
    """Where a series lies under data/, whether its files have an interval, and which cadences exist."""

    market: str
    type: str
    interval: bool = True
    daily: bool = True
    monthly: bool = True


FOLDERS = {
    "klines": Folder("futures/um", "klines"),
    "spot": Folder("spot", "klines"),
    "mark": Folder("futures/um", "markPriceKlines"),
    "index": Folder("futures/um", "indexPriceKlines"),
    "premium": Folder("futures/um", "premiumIndexKlines"),
    "funding": Folder("futures/um", "fundingRate", interval=False, daily=False),
    "metrics": Folder("futures/um", "metrics", interval=False, monthly=False),
}


def path_of(series: str, pair: str, tf: Timeframe, cadence: str, stamp: str) -> str:
    """Where does the archive keep this file (`stamp`: YYYY-MM-DD or YYYY-MM)? Percent-encoded, from the host's root."""
    folder = FOLDERS[series]
    stem = [tf.name] if folder.interval else []
    name = "-".join([pair, *(stem or [folder.type]), stamp]) + ".zip"
    return "/" + quote("/".join(["data", folder.market, cadence, folder.type, pair, *stem, name]))


def file_of(path: str) -> str:
    """What is the file at this path called?"""
    return unquote(path).rpartition("/")[2]


def day_file(
    series: str, symbol: str, pair: str, tf: Timeframe, day: date, days: Sequence[date], route: str = DAILY
) -> Request:
    """Which request brings this day's file, for the sake of `days`?"""
    path = path_of(series, pair, tf, "daily", day.isoformat())
    start = day_start(day)
    end = day_start(day + timedelta(days=1))
    return Request(series, HOST, path, (), tuple(days), start, end, symbol, tf.name, expects="zip", route=route)


def month_file(
    series: str, symbol: str, pair: str, tf: Timeframe, month: date, days: Sequence[date], route: str = MONTHLY
) -> Request:
    """Which request brings the file of the month that holds `month`, for the sake of `days`?"""
    path = path_of(series, pair, tf, "monthly", f"{month:%Y-%m}")
    start, end = day_start(month.replace(day=1)), day_start(next_month(month))
    return Request(series, HOST, path, (), tuple(days), start, end, symbol, tf.name, expects="zip", route=route)


def next_month(day: date) -> date:
    """On which day does the month after this one begin?"""
    return (day.replace(day=1) + timedelta(days=32)).replace(day=1)


def by_month(days: Sequence[date]) -> dict[date, list[date]]:
    """Which of these days lie in which month (its first day)?"""
    months: dict[date, list[date]] = {}
    for day in days:
        months.setdefault(day.replace(day=1), []).append(day)
    return months


def checksum_of(request: Request) -> Request:
    """Which request brings the digest published for this zip?"""
    return replace(request, path=request.path + ".CHECKSUM", expects="text")


def sealed(path: str, body: bytes, checksum: bytes | None, accept: bool = False) -> str:
    """Is this zip the one its .CHECKSUM describes? Returns "", or a note where nothing could be compared or `accept`.

    Raises BadPayload where the digests differ, or the checksum is no line of `<sha256>  <file name>`.
    """
    if checksum is None:
        return "unpublished checksum"
    name = file_of(path)
    line = re.fullmatch(rb"([0-9A-Fa-f]{64})[ \t]+\*?(\S+)\s*", checksum)
    if line is None or line[2].decode("utf-8", "replace") != name:
        fault = f"{name}.CHECKSUM is not one line of a sha256 and {name}"
    elif line[1].decode().lower() != (found := hashlib.sha256(body).hexdigest()):
        fault = f"{name} has sha256 {found[:12]}…, its .CHECKSUM says {line[1].decode()[:12].lower()}…"
    else:
        return ""
    if accept:
        return f"checksum mismatch accepted: {fault}"
    raise BadPayload(f"{fault}; the day stays out: fetch again later, or accept the mismatch")


def unzipped(body: bytes, name: str) -> bytes:
    """What does the one CSV in this zip hold? In memory only.

    Raises BadPayload: not a zip, not exactly one member named like the zip, encrypted, too large, bad CRC.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(body)) as archive:
            member = _only_member(archive, name, len(body))
            return archive.read(member)
    except (zipfile.BadZipFile, zlib.error, struct.error, EOFError, OSError, NotImplementedError, ValueError) as error:
        raise BadPayload(f"{name} is not a sound zip: {said(str(error), 120)}; fetch it again") from None


def _only_member(archive: zipfile.ZipFile, name: str, packed: int) -> zipfile.ZipInfo:
    members, expected = archive.infolist(), name.removesuffix(".zip") + ".csv"
    if len(members) != 1 or members[0].filename != expected:
        held = ", ".join(repr(member.filename[:60]) for member in members[:3]) or "nothing"
        raise BadPayload(f"{name} holds {held}, not {expected} alone; fetch it again")
    size = members[0].file_size
    if size > LARGEST or (size > HARMLESS and size > STEEPEST * packed):
        raise BadPayload(f"{name} declares {size:,} bytes from {packed:,}, too many to be bars; it is not read")
    if members[0].flag_bits & 1 or members[0].compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise BadPayload(f"{name} is encrypted or packed in a way the archive does not use; fetch it again")
    return members[0]
