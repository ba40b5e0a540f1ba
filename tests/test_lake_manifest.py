"""A manifest is read only if every byte of it is as it was written."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from lake.manifest import HEADER, Entry, digest, mark, parsed, written
from meta.errors import Tampered

ENTRY = Entry(
    "part-20250501.parquet", digest(b"part"), 74_160, 288, "2025-05-01T00:05:00.000Z", "2025-05-02T00:00:00.000Z",
    digest(b"schema"), digest(b"keys"), "binance:klines+metrics", digest(b""), digest(b"code"),
)  # fmt: skip
OTHER = ENTRY._replace(sha256=digest(b"other"), bytes=1)
EMPTY = ENTRY._replace(rows=0, min_ts="", max_ts="")


def signed(rows: list[str], header: str = HEADER) -> bytes:
    """A manifest of any rows, with a digest that fits them."""
    body = "".join(f"{line}\n" for line in [header, *rows]).encode()
    return body + f"#sha256\t{digest(body)}\n".encode()


def ending(body: bytes) -> bytes:
    """A last line that gives the digest of these bytes, and a byte after it."""
    return f"#sha256\t{digest(body)}\nx".encode()


def row(**changes: object) -> str:
    cells = {name: getattr(ENTRY, name) for name in HEADER.split("\t")} | changes
    return "\t".join(str(cell) for cell in cells.values())


@pytest.mark.parametrize("entries", [[ENTRY], [ENTRY, OTHER], [EMPTY]])
def test_what_is_written_is_read_back(entries: list[Entry]) -> None:
    assert parsed(written(entries), "here") == entries
    assert signed([row()]) == written([ENTRY])


hexes = st.binary(min_size=32, max_size=32).map(bytes.hex)
cells = st.text(st.characters(exclude_characters="\t\n", exclude_categories=["Cs"]), max_size=20)


@given(sha=hexes, size=st.integers(0, 10**12), rows=st.integers(1, 10**6), source=cells)
def test_any_entry_a_day_can_have_is_read_back(sha: str, size: int, rows: int, source: str) -> None:
    entry = ENTRY._replace(sha256=sha, bytes=size, rows=rows, source=source)
    assert parsed(written([entry]), "here") == [entry]


@pytest.mark.parametrize("entries", [[ENTRY], [ENTRY, OTHER]])
def test_no_byte_can_change_unseen(entries: list[Entry]) -> None:
    data = written(entries)
    for at in range(len(data)):
        for bit in (1, 2, 0x20, 0x80):
            changed = bytearray(data)
            changed[at] ^= bit
            with pytest.raises(Tampered, match="here"):
                parsed(bytes(changed), "here")


def test_no_byte_can_go_or_come_unseen() -> None:
    data = written([ENTRY])
    for at in range(len(data)):
        for changed in (data[:at], data[:at] + data[at + 1 :], data[:at] + b"0" + data[at:], data[at:]):
            if changed != data:
                with pytest.raises(Tampered):
                    parsed(changed, "here")
    for tail in (b"\n", b" ", b"#", data):
        with pytest.raises(Tampered):
            parsed(data + tail, "here")


# Each row carries a digest that fits: only what it says is wrong.
HOSTILE = {
    "no row": signed([]),
    "three rows": signed([row()] * 3),
    "another header": signed([row()], HEADER.replace("rows", "lines")),
    "a cell too many": signed([row() + "\tmore"]),
    "a cell too few": signed([row().rsplit("\t", 1)[0]]),
    "a blank row": signed([""]),
    "a comment row": signed([row(), "# a remark"]),
    "wide digits": signed([row(rows="２８８")]),
    "digits of another script": signed([row(rows="٢٨٨")]),
    "an underscore in a number": signed([row(rows="2_88")]),
    "a sign": signed([row(rows="+288")]),
    "a blank before a number": signed([row(rows=" 288")]),
    "a leading zero": signed([row(rows="0288")]),
    "a negative count": signed([row(rows=-1)]),
    "a negative size": signed([row(bytes=-1)]),
    "a fraction": signed([row(rows="288.0")]),
    "a number of 5,000 digits": signed([row(rows="9" * 5000)]),
    "not a number": signed([row(rows="nan")]),
    "a path": signed([row(file="../part-20250501.parquet")]),
    "an absolute path": signed([row(file="/etc/passwd")]),
    "upper-case hex": signed([row(sha256=ENTRY.sha256.upper())]),
    "a short digest": signed([row(sha256=ENTRY.sha256[:-1])]),
    "a digest of wide digits": signed([row(code="０" * 64)]),
    "no digest": signed([row(inputs="")]),
    "an instant of wide digits": signed([row(min_ts="２025-05-01T00:05:00.000Z")]),
    "an instant without a zone": signed([row(min_ts="2025-05-01T00:05:00.000")]),
    "an instant that is none": signed([row(max_ts="9999-99-99T99:99:99.999")]),
    "rows without instants": signed([row(min_ts="", max_ts="")]),
    "instants without rows": signed([row(rows=0)]),
    "rows without a first instant": signed([row(min_ts="")]),
    "rows without a last instant": signed([row(max_ts="")]),
    "a digest of what only seems to end where it does": signed([row()])[:-73] + ending(signed([row()])[:-73] + b"#"),
    "a carriage return": written([ENTRY]).replace(b"\n", b"\r\n"),
    "a byte order mark": b"\xef\xbb\xbf" + written([ENTRY]),
    "not UTF-8": signed([row()]).replace(b"klines", b"kl\xffnes"),
    "nothing": b"",
    "zeros": bytes(500),
}


@pytest.mark.parametrize("hostile", HOSTILE)
def test_a_row_no_day_can_have_is_refused(hostile: str) -> None:
    with pytest.raises(Tampered, match="here.*lake repair"):  # noqa: RUF043
        parsed(HOSTILE[hostile], "here")


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=400))
@example(written([ENTRY]))
def test_bytes_of_any_kind_are_a_manifest_or_tampered(data: bytes) -> None:
    with contextlib.suppress(Tampered):
        assert written(parsed(data, "here")) == data


@settings(max_examples=300, deadline=None)
@given(st.lists(st.lists(st.text(max_size=8), max_size=12).map("\t".join), max_size=3))
def test_rows_of_any_kind_are_a_manifest_or_tampered(rows: list[str]) -> None:
    try:
        data = signed(rows)
    except UnicodeEncodeError:
        return
    with pytest.raises(Tampered):
        parsed(data, "here")


def test_manifests_are_told_apart_by_what_is_in_them() -> None:
    assert mark(None) == "none" and mark(ENTRY) == digest(written([ENTRY]))[:16] != mark(OTHER)
