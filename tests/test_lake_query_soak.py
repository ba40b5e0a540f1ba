"""A query sees one generation of the lake, however often it is rewritten meanwhile, and neither side starves."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from tests import lakes, query_soak


def test_a_query_sees_one_generation_and_neither_side_starves() -> None:
    asked = query_soak.Asked()
    with lakes.scratch() as root:
        query_soak.prepared(root)
        with query_soak.writer(root, 12) as child:  # back to back: more than five a second
            work = (0, 10**6, 10**7)
            readers = [
                threading.Thread(target=query_soak.queries, args=(asked, root, child, work[i:] + work[:i]), daemon=True)
                for i in range(2)
            ]
            for reader in readers:
                reader.start()
            assert query_soak.rewrites(child, 0)[0] == 12, "the writer came to its end"
            assert query_soak.ended(readers)
    assert not asked.mixed and not asked.errors
    assert len(asked.seconds) >= 6 and len(asked.seen) >= 3


def test_the_question_can_fail(tmp_path: Path) -> None:
    query_soak.prepared(tmp_path)
    asked = query_soak.Asked()
    asked.ask(tmp_path, query_soak.TWICE)
    asked.ask(tmp_path, "SELECT 1, 2")
    asked.ask(tmp_path, "SELECT nothing")
    assert asked.mixed == [(1, 2)] and len(asked.errors) == 1 and len(asked.seconds) == 2


@pytest.mark.long
def test_a_minute_of_rewrites_mixes_nothing() -> None:
    ours, _, _, _ = query_soak.soak(60)
    assert not ours.mixed and not ours.errors and len(ours.seen) > 10 and max(ours.seconds) > 1
