"""Whatever is in an archive: everything that was read is in the books, and what was imported is in the database."""

from collections import Counter

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from commentsvc.archives.arrangement import arrange
from commentsvc.archives.records import LeftOut, LeftOutReason, ThreadRecord
from commentsvc.archives.staged import StagedComment
from commentsvc.domain.models import Status
from commentsvc.service import private_read
from tests.archives.made import START, a_comment, import_records
from tests.conftest import MORE_EXAMPLES

IDS = st.sampled_from([str(number) for number in range(9)])
RECORDS = st.lists(
    st.one_of(
        st.builds(
            a_comment,
            st.integers(0, 8),
            thread=st.sampled_from(["1", "2", "3", "none"]),
            parent=st.none() | st.integers(0, 9),
            text=st.sampled_from(["Yes.", "No.", "", "\u200b", "\u3164"]),
            name=st.sampled_from(["Mia", "", "x" * 300, "\x07"]),
            status=st.sampled_from(Status),
            email=st.sampled_from([None, "@", "mia@example.com", "MIA@example.com"]),
            website=st.sampled_from([None, "N/A", "http://", "http://n/a", "mia.example"]),
            created_at=st.sampled_from([None, START, START.replace(year=2031), START.replace(year=1960, tzinfo=None)]),
        ),
        st.builds(LeftOut, reason=st.sampled_from(LeftOutReason), id=st.none() | IDS, parent=st.none() | IDS),
        st.builds(
            ThreadRecord,
            id=st.sampled_from(["1", "2", "3"]),
            links=st.sampled_from([(), ("/a/",), ("https://old.example/a/",), ("/b/", "/?p=2"), ("http://[/",)]),
            is_closed=st.booleans(),
        ),
    ),
    max_size=14,
)


@private_read
async def read_state(unit):
    [row] = await unit.all(
        """
        SELECT (SELECT COUNT(*) FROM comment) AS comments, (SELECT COUNT(*) FROM contact) AS contacts,
            (SELECT COUNT(*) FROM decision) AS decisions, (SELECT COUNT(*) FROM comment_search) AS searchable,
            (SELECT COALESCE(SUM(approved + pending + spam + trash), 0) FROM thread) AS counted,
            (SELECT COALESCE(SUM(approved + pending + spam + trash), 0) FROM site_total) AS of_sites,
            (SELECT COUNT(*) FROM comment JOIN comment parent ON parent.id = comment.parent_id
                WHERE comment.thread_id <> parent.thread_id OR comment.depth <> parent.depth + 1
                    OR SUBSTR(comment.path, 1, LENGTH(parent.path)) <> parent.path) AS misplaced,
            (SELECT COUNT(*) FROM comment WHERE (listed_at IS NOT NULL) <>
                (status = 'approved' OR EXISTS (SELECT 1 FROM comment reply
                    WHERE reply.parent_id = comment.id AND reply.listed_at IS NOT NULL))) AS wrongly_listed
        """
    )
    return dict(row)


@given(RECORDS, st.booleans(), st.booleans())
@settings(max_examples=25 * MORE_EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_the_books_balance_and_a_second_import_adds_nothing(service, records, merges, keeps):
    options = {"merges_duplicates": merges, "keeps_spam": keeps}
    before = (await read_state(service))["comments"]
    planned = await import_records(service, records, is_dry_run=True, **options)
    assert (await read_state(service))["comments"] == before
    books = await import_records(service, records, **options)
    assert books == planned
    state = await read_state(service)
    assert state["comments"] == before + books.imported
    assert {state[name] for name in ("contacts", "decisions", "searchable", "counted", "of_sites")} == {
        state["comments"]
    }
    assert (state["misplaced"], state["wrongly_listed"]) == (0, 0)
    assert (await import_records(service, records, **options)).imported == 0


STAGED = st.lists(
    st.tuples(st.integers(0, 9), st.none() | st.integers(0, 12), st.none() | st.integers(0, 5)), max_size=30
)


@given(STAGED, st.dictionaries(st.sampled_from(["10", "11", "12"]), st.none() | IDS))
@settings(max_examples=100 * MORE_EXAMPLES, deadline=None)
def test_each_comment_is_listed_once_and_after_the_one_that_it_answers(rows, left_out):
    unique = {str(number): (parent, time) for number, parent, time in rows}
    staged = [
        StagedComment(seq, 0, id_, None if parent is None else str(parent), time, None)
        for seq, (id_, (parent, time)) in enumerate(unique.items())
    ]
    found = arrange(staged, lambda _, id_: (left_out[id_],) if id_ in left_out else None, lambda _: None)
    assert Counter(one.comment.id for one in found.comments) == Counter(list(unique))
    seen = set()
    for one in found.comments:
        assert one.answered is None or one.answered[1] in seen
        seen.add(one.comment.id)
    times = [one.created_at for one in sorted(found.comments, key=lambda one: one.order)]
    assert times == sorted(times)
