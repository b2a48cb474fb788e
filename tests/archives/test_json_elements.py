"""JSON of any size is split into the same elements as a parser that reads it whole would find."""

import json
import tracemalloc
from datetime import datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from commentsvc.archives.errors import UnreadableArchive
from commentsvc.archives.files import ArchiveFile
from commentsvc.archives.json_elements import MAX_ELEMENT_BYTES, Splitter, read_elements
from commentsvc.archives.json_rows import read_lines, read_rows
from commentsvc.archives.values import TIME, flag, identifier, moment, optional, text_of
from tests.archives.samples import make_text
from tests.conftest import MORE_EXAMPLES

TOP = frozenset({()})
RESULTS = frozenset({("results",)})
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4), max_leaves=12
)


def split(data, wanted, size):
    splitter, found = Splitter(wanted), []
    for start in range(0, len(data), size):
        found += [element for _path, element in splitter.feed(data[start : start + size])]
    return [*found, *(element for _path, element in splitter.end())]


@settings(max_examples=100 * MORE_EXAMPLES, deadline=None)
@given(st.lists(VALUES, max_size=6), st.integers(1, 40), st.booleans(), st.sampled_from([None, 2]))
def test_elements_are_those_of_a_parser_whatever_the_size_of_the_chunks(values, size, plain, indent):
    data = json.dumps(values, ensure_ascii=plain, indent=indent).encode("utf-8", "surrogatepass")
    assert [json.loads(element) for element in split(data, TOP, size)] == values


@settings(max_examples=100 * MORE_EXAMPLES, deadline=None)
@given(st.lists(VALUES, max_size=4), VALUES, VALUES, st.integers(1, 40))
def test_lists_that_are_not_wanted_are_passed_over(values, before, after, size):
    data = json.dumps({"before": before, "results": values, "after": after}).encode()
    assert [json.loads(element) for element in split(data, RESULTS, size)] == values


@settings(max_examples=150 * MORE_EXAMPLES, deadline=None)
@given(st.text(alphabet='[]{}",:\\ a1', max_size=60), st.integers(1, 9))
def test_nonsense_is_split_without_an_error(text, size):
    split(text.encode(), TOP | RESULTS, size)


def test_memory_stays_flat_while_a_long_list_is_read(tmp_path):
    row = json.dumps({"comment": "x" * 1000, "list": [1, 2, {"a": []}]}).encode()
    file = ArchiveFile(make_text(tmp_path / "long.json", b"[" + b",\n".join([row] * 5_000) + b"]"))
    tracemalloc.start()
    try:
        assert sum(1 for _ in read_elements(file, TOP)) == 5_000
        assert tracemalloc.get_traced_memory()[1] < 2_500_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("start", [b'["', b'[{"a": "', b"[[", b"[1"])
def test_an_element_longer_than_any_comment_is_refused(start, tmp_path):
    file = ArchiveFile(make_text(tmp_path / "bomb.json", start + b"a" * (MAX_ELEMENT_BYTES + 10)))
    with pytest.raises(UnreadableArchive, match="16 MB"):
        list(read_elements(file, TOP))


def test_a_line_longer_than_any_comment_is_refused(tmp_path):
    file = ArchiveFile(make_text(tmp_path / "bomb.jsonl", b'{"a": "' + b"a" * (MAX_ELEMENT_BYTES + 10)))
    with pytest.raises(UnreadableArchive, match="16 MB"):
        list(read_lines(file))


def test_deep_nesting_is_a_broken_row_and_costs_no_memory(tmp_path):
    deep = b"[" + b'{"a":' * 100_000 + b"1" + b"}" * 100_000 + b', {"b": 2}]'
    file = ArchiveFile(make_text(tmp_path / "deep.json", deep))
    assert [row for _path, row in read_rows(file, TOP)] == [None, {"b": 2}]


def test_a_broken_element_or_a_lost_end_does_not_spoil_the_others(tmp_path):
    file = ArchiveFile(make_text(tmp_path / "cut.json", '[{"a": 1}, {"a": x}, {"a": "line\nbreak"}, {"a": 4'))
    assert [row for _path, row in read_rows(file, TOP)] == [{"a": 1}, None, {"a": "line\nbreak"}, None]


@settings(max_examples=150 * MORE_EXAMPLES, deadline=None)
@given(VALUES | st.binary(max_size=20) | st.from_regex(TIME) | st.floats())
def test_any_value_is_a_text_and_maybe_a_time(value):
    text_of(value).encode()
    assert optional(value) != ""
    assert identifier(value) != ""
    assert flag(value) in {True, False}
    when = moment(value)
    assert when is None or datetime(1979, 1, 1, tzinfo=when.tzinfo) < when
