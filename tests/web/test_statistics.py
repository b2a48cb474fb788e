"""Moderators see statistics as a page, programs get them as JSON, and operators print them in a terminal."""

import csv
import io
import re

import pytest

from commentsvc.cli import statistics
from commentsvc.cli.parser import parse_arguments
from commentsvc.domain.hook_verdicts import HookEffect
from commentsvc.domain.models import ActionVerb, RuleKind, Scope
from commentsvc.moderation import actions
from commentsvc.moderation.schemas import Action
from commentsvc.moderation.statistics_schemas import PeriodRecord
from commentsvc.rules import manage
from commentsvc.rules.schemas import NewRule
from commentsvc.sites import manage as sites
from commentsvc.sites.schemas import SiteChange
from commentsvc.web.moderation.chart import HEIGHT, build_chart, find_step
from commentsvc.web.pages import assets
from commentsvc.web.pages.i18n import find_locale
from tests.cli.test_moderate import Person
from tests.conftest import EVERYTHING, a_key, post
from tests.privacy.person import add_verdict


async def fill(service, clock):
    """Let comments arrive on three days: approved, spam, waiting, and some that a rule held and people approved."""
    await manage.add_rule(service, EVERYTHING, NewRule(kind=RuleKind.LINKS, match="0"))
    for number in range(9):
        held = await post(
            service, f"See https://site{number}.example/", title="A <b>post</b>", address=f"192.0.2.{number}"
        )
        await add_verdict(service, held, "casino words", HookEffect.SPAM if number % 2 else HookEffect.NONE)
        clock.move(minutes=20)
        if number < 7:
            verb = ActionVerb.SPAM if number % 3 == 0 else ActionVerb.APPROVE
            await actions.apply_action(service, EVERYTHING, Action(action=verb, ids=[held]))
        clock.move(hours=7)


async def read_page(client, key, query="", path="/moderate/stats"):
    signed_in = await client.post(
        "/moderate/sign-in",
        data={"key": key["Authorization"].removeprefix("Bearer ")},
        headers={"Sec-Fetch-Site": "same-origin"},
        allow_redirects=False,
    )
    cookie = {"Cookie": signed_in.headers["Set-Cookie"].partition(";")[0], "Sec-Fetch-Site": "same-origin"}
    return await client.get(f"{path}{query}", headers=cookie)


async def test_a_moderator_without_script_sees_figures_charts_and_tables_that_agree(client, service, clock, key):
    await fill(service, clock)
    page = await (await read_page(client, key)).text()

    head, main = page.split("<main", 1)
    assert "<script" not in main
    assert "A &lt;b&gt;post&lt;/b&gt;" in main
    bars = re.findall(r"<title>([^<]+)</title>", main)
    assert len(bars) == 30
    assert sum(int(bar.split(": ")[1].split()[0]) for bar in bars) == 9
    assert re.search(r"Waiting 2\b", main)
    assert re.search(r'class="share doubtful">4 \(44%\)</td><td class="try"><a ', main)
    assert "Days in <bdi>UTC</bdi>" in main
    verdicts = main.split('id="h-verdicts"')[1].split("</section>")[0]
    found = re.findall(r'<th scope="row">([^<]+)</th>.*?<b>(\d+)</b>.*?class="share">([^<]+)<', verdicts)
    assert found == [("Spam", "4", "2 of 3"), ("Nothing found", "5", "2 of 4")]
    assert "/statistics.css" in head


async def test_a_moderator_saves_the_table_for_a_spreadsheet(client, service, clock, key):
    await fill(service, clock)
    answer = await read_page(client, key, ".csv?days=7")
    rows = list(csv.DictReader(io.StringIO(await answer.text())))

    assert answer.content_type == "text/csv"
    assert [sum(int(row[name]) for row in rows) for name in ("approved", "spam", "pending", "arrived")] == [4, 3, 2, 9]
    assert len(rows) == 7


async def test_a_program_with_scope_read_reads_statistics(client, service, clock):
    await fill(service, clock)
    program = await a_key(service, Scope.READ)
    found = await (await client.get("/v1/stats?from=2026-11-01&to=2026-11-30&by=month", headers=program)).json()

    assert [period["arrived"] for period in found["periods"]] == [found["total"]["arrived"]] == [9]
    assert (found["from"], found["to"], found["by"]) == ("2026-11-01", "2026-11-30", "month")


@pytest.mark.parametrize(
    ("query", "field"),
    [("from=yesterday", "from"), ("to=2026-02-30", "to"), ("to=", "to"), ("site=unknown", "site"), ("by=year", "by")],
)
async def test_a_program_reads_which_field_is_wrong(client, key, query, field):
    answer = await client.get(f"/v1/stats?{query}", headers=key)
    assert (answer.status, [one["field"] for one in (await answer.json())["errors"]]) == (422, [field])


async def test_an_operator_sets_the_time_zone_and_can_undo_it(client, service, key):
    (site,) = (await sites.list_sites(service, EVERYTHING)).sites
    changed = await client.patch(f"/v1/sites/{site.id}", json={"time_zone": "Europe/Lisbon"}, headers=key)
    assert (await changed.json())["time_zone"] == "Europe/Lisbon"
    wrong = await client.patch(f"/v1/sites/{site.id}", json={"time_zone": "Europe/Lisbonne"}, headers=key)
    assert (wrong.status, (await wrong.json())["errors"][0]["field"]) == (422, "time_zone")

    await client.post(f"/v1/moderation/actions/{(await changed.json())['action']}/undo", headers=key)
    assert (await sites.list_sites(service, EVERYTHING)).sites[0].time_zone == "UTC"
    assert await sites.change_site(service, EVERYTHING, site.id, SiteChange(time_zone="UTC"))


def a_period(arrived):
    return PeriodRecord(from_="2026-11-22", to="2026-11-22", median_wait=None, arrived=arrived, approved=arrived)


@pytest.mark.parametrize("most", [0, 1, 4, 5, 97, 119, 1047, 1_000_000])
def test_bars_end_below_the_highest_line(most):
    chart = build_chart(find_locale("en"), [a_period(most), a_period(1)])

    assert chart.lines[-1][0] == 4 * find_step(most) >= most
    assert all(part.y >= 0 and part.y + part.height <= HEIGHT for bar in chart.bars for part in bar.parts)


def test_time_runs_to_the_left_in_languages_from_right_to_left():
    periods = [a_period(1), a_period(2), a_period(3)]
    positions = {lang: [bar.x for bar in build_chart(find_locale(lang), periods).bars] for lang in ("en", "ar")}
    assert positions["en"] == sorted(positions["en"]) == positions["ar"][::-1]


def test_the_style_of_statistics_is_at_most_2_kb():
    assert len(assets.statistics_style().packed) <= 2_000


async def test_the_words_of_the_external_check_are_text_on_the_page_of_a_comment(client, service, key):
    comment = await post(service, "Hello.")
    await add_verdict(service, comment, "<script>alert(1)</script>")
    page = await (await read_page(client, key, path=f"/moderate/comments/{comment}")).text()
    assert "External check: spam (0.93): &lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "<script>alert" not in page


async def test_an_operator_reads_in_a_terminal_how_the_external_check_agrees_with_people(service, clock):
    await fill(service, clock)
    run = statistics.COMMANDS["stats", "stats"]
    printed = (await run(service, parse_arguments(["stats"]), Person().terminal)).text
    table = printed.split("External check:\n")[1].split("\n\n")[0].splitlines()
    assert [line.split() for line in table] == [
        ["spam", "4", "0", "1", "2"],
        ["none", "5", "0", "2", "2"],
    ]
