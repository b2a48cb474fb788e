"""Fifty hostile clients, in short: everybody gets answers, and nothing fails. ``make cost`` measures the waits."""

import pytest

from tests.attacks import cost


@pytest.mark.slow
async def test_readers_get_answers_while_fifty_clients_ask_for_what_costs_most():
    kinds = ["previews", "lists, random since", "refused forms"]
    figures = await cost.attack(1, kinds)
    assert (figures["broken"], figures["errors in the log"]) == ([], 0)
