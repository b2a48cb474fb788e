"""Statements with many parameters, in one text for both engines."""

import pytest

from commentsvc.service import private_read
from commentsvc.storage.database import in_list
from commentsvc.storage.sqlite_units import number_parameters
from tests.conftest import post


@pytest.mark.parametrize("number", [0, 1, 500, 1000])
async def test_moderators_read_many_comments_by_id(service, number):
    known = [await post(service, f"Comment {n}") for n in range(3)]

    @private_read
    async def count(unit):
        ids, values = in_list("id", [*known, *(f"unknown {n}" for n in range(number - 3))][:number])
        return len(
            await unit.all(f"SELECT id FROM comment WHERE id IN {ids} AND status <> :status", status="", **values)
        )

    assert await count(service) == min(number, 3)


def test_a_name_that_occurs_twice_is_one_parameter():
    assert number_parameters("SELECT :a, CAST(:b AS TEXT), x::text FROM t WHERE x = :a") == (
        "SELECT ?1, CAST(?2 AS TEXT), x::text FROM t WHERE x = ?1",
        ("a", "b"),
    )
