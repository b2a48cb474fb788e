"""Moderators read what arrived, how long it waited, what rules caught, and which threads are busy."""

from collections import Counter
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from commentsvc.comments.post import post_comment
from commentsvc.domain.errors import Invalid
from commentsvc.domain.models import ActionVerb, Actor, ActorKind, Mode, Principal, RuleKind, Scope
from commentsvc.moderation import actions, statistics, undo
from commentsvc.moderation.erase import erase_permanently
from commentsvc.moderation.schemas import Action
from commentsvc.moderation.statistics import build_period, find_median, read_statistics, split_days
from commentsvc.moderation.statistics_schemas import Span, StatisticsQuery
from commentsvc.rules import manage as rules
from commentsvc.rules.schemas import NewRule
from commentsvc.sites import manage
from commentsvc.sites.schemas import NewSite, SiteChange
from commentsvc.storage.day_totals import BOUNDS, bucket_of
from tests.conftest import EVERYTHING, MORE_EXAMPLES, a_service, draft, post, visit
from tests.storage.test_day_totals import list_threads

MINUTE = 60
BLOG, OTHER = "https://blog.example", "https://other.example"


async def decide(service, verb, *ids):
    return await actions.apply_action(service, EVERYTHING, Action(action=verb, ids=list(ids)))


async def set_zone(service, zone):
    (site,) = (await manage.list_sites(service, EVERYTHING)).sites
    return await manage.change_site(service, EVERYTHING, site.id, SiteChange(time_zone=zone))


async def test_a_moderator_reads_arrivals_by_outcome_with_equal_sums(service, clock):
    posted = []
    for number in range(6):
        posted.append(await post(service, f"Comment {number}."))
        clock.move(hours=5)
    await decide(service, ActionVerb.APPROVE, *posted[:2])
    await decide(service, ActionVerb.SPAM, posted[2])
    await decide(service, ActionVerb.TRASH, posted[3])
    await erase_permanently(service, EVERYTHING, posted[3])

    found = await read_statistics(service, EVERYTHING, StatisticsQuery())

    total = found.total
    assert (total.arrived, total.approved, total.spam, total.trash, total.pending, total.erased) == (6, 2, 1, 0, 2, 1)
    assert len(found.periods) == statistics.DEFAULT_DAYS
    for name in ("arrived", "approved", "spam", "pending", "erased"):
        assert sum(getattr(period, name) for period in found.periods) == getattr(total, name)
    assert [(one.from_, one.arrived) for one in found.periods[-2:]] == [("2026-11-22", 2), ("2026-11-23", 4)]
    assert found.queue.waiting == sum(age.number for age in found.queue.ages) == 2
    assert [(one.key, one.title, one.approved) for one in found.threads] == [("/a-page", None, 2)]


async def test_days_are_those_of_the_time_zone_and_change_with_it_at_once(service, clock):
    clock.time = datetime(2026, 11, 22, 23, 30, tzinfo=UTC)
    await post(service, "Late in the evening.")
    query = StatisticsQuery(from_="2026-11-22", to="2026-11-23")
    days = {}
    for zone in ("UTC", "Europe/Athens", "Asia/Kathmandu", "America/Los_Angeles"):
        await set_zone(service, zone)
        found = await read_statistics(service, EVERYTHING, query)
        assert found.time_zone == zone
        days[zone] = [period.arrived for period in found.periods]

    assert days == {
        "UTC": [1, 0], "Europe/Athens": [0, 1], "Asia/Kathmandu": [0, 1], "America/Los_Angeles": [1, 0],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("zone", "begin"),
    [
        ("Asia/Kathmandu", datetime(2026, 6, 29, 18, 1, tzinfo=UTC)),  # +05:45
        ("America/St_Johns", datetime(2026, 10, 31, 2, 16, tzinfo=UTC)),  # -02:30; summer time ends the day after
        ("Australia/Lord_Howe", datetime(2026, 10, 2, 13, 14, tzinfo=UTC)),  # +10:30; half an hour of summer time
        ("Europe/Lisbon", datetime(2026, 3, 28, 22, 59, tzinfo=UTC)),
        ("Pacific/Auckland", datetime(2026, 9, 25, 11, 44, tzinfo=UTC)),
    ],
)
async def test_sums_of_days_weeks_and_months_agree_in_every_zone(service, clock, zone, begin):
    await set_zone(service, zone)
    clock.time, expected = begin, Counter()
    for number in range(12):
        expected[clock.time.astimezone(ZoneInfo(zone)).date().isoformat()] += 1
        held = await post(service, f"Comment {number}.", address=f"192.0.2.{number}")
        clock.move(minutes=7)
        await decide(service, ActionVerb.APPROVE, held)
        clock.move(hours=4, minutes=53 + number)

    for by in Span:
        found = await read_statistics(service, EVERYTHING, StatisticsQuery(by=by))
        assert found.total.arrived == sum(period.arrived for period in found.periods) == 12
        waits = [period.median_wait for period in found.periods if period.median_wait]
        assert found.median_wait.decided == sum(wait.decided for wait in waits) == 12
        if by is Span.DAY:
            assert {period.from_: period.arrived for period in found.periods if period.arrived} == expected


async def test_a_moderator_reads_the_median_wait_with_its_error(service, clock):
    for waited in (2, 38, 41, 44, 3000):
        held = await post(service, f"This waits {waited} minutes.")
        clock.move(minutes=waited)
        await decide(service, ActionVerb.APPROVE, held)

    median = (await read_statistics(service, EVERYTHING, StatisticsQuery())).median_wait

    assert median.decided == 5
    assert abs(median.seconds - 41 * MINUTE) <= median.error_seconds <= 5 * MINUTE


async def test_a_moderator_sees_which_rule_catches_what_others_approve(database_url, clock):
    async with a_service(database_url, clock, moderation=Mode.NONE) as service:
        links = await rules.add_rule(service, EVERYTHING, NewRule(kind=RuleKind.LINKS, match="0"))
        held = [await post(service, f"See https://example.com/{number}") for number in range(3)]
        await post(service, "A plain comment.")
        approved = await decide(service, ActionVerb.APPROVE, *held[:2])

        (caught,) = (await read_statistics(service, EVERYTHING, StatisticsQuery())).rules
        assert (caught.rule, caught.name, caught.caught, caught.overruled) == (links.id, "links", 3, 2)

        await undo.undo_action(service, EVERYTHING, approved.id)
        (caught,) = (await read_statistics(service, EVERYTHING, StatisticsQuery())).rules
        assert (caught.caught, caught.overruled) == (3, 0)


async def test_the_moderation_mode_is_no_rule(service):
    await post(service, "Held like every comment.")
    assert (await read_statistics(service, EVERYTHING, StatisticsQuery())).rules == []


async def test_a_moderator_reads_their_sites_only(service, clock):
    for name, origin in (("blog", BLOG), ("other", OTHER)):
        await manage.add_site(service, EVERYTHING, NewSite(name=name, origins=[origin]))
        sent = await post_comment(service, draft(thread=f"{origin}/a/", title=name), visit(origin=origin))
        await decide(service, ActionVerb.APPROVE, sent.id)
    sites = {site.name: site for site in (await manage.list_sites(service, EVERYTHING)).sites}
    theirs = Principal(Actor(ActorKind.PERSON, None, "noa"), frozenset([Scope.READ]), (sites["blog"].id,))

    found = await read_statistics(service, theirs, StatisticsQuery())

    assert (found.total.arrived, [one.site for one in found.threads]) == (1, ["blog"])
    with pytest.raises(Invalid):
        await read_statistics(service, theirs, StatisticsQuery(site="other"))
    assert (await read_statistics(service, EVERYTHING, StatisticsQuery())).total.arrived == 2


async def test_sites_in_several_time_zones_are_added_up_in_utc(service):
    for name, origin, zone in (("blog", BLOG, "Asia/Tokyo"), ("other", OTHER, "Europe/Lisbon")):
        site = await manage.add_site(service, EVERYTHING, NewSite(name=name, origins=[origin]))
        await manage.change_site(service, EVERYTHING, site.id, SiteChange(time_zone=zone))

    assert (await read_statistics(service, EVERYTHING, StatisticsQuery())).time_zone == "UTC"
    assert (await read_statistics(service, EVERYTHING, StatisticsQuery(site="blog"))).time_zone == "Asia/Tokyo"


@pytest.mark.parametrize(
    ("first", "last"), [("2026-11-22", "2026-11-21"), ("2024-01-01", "2026-01-01")], ids=["backwards", "too long"]
)
async def test_a_moderator_who_asks_for_impossible_days_reads_why(service, first, last):
    with pytest.raises(Invalid) as refused:
        await read_statistics(service, EVERYTHING, StatisticsQuery(from_=first, to=last))
    assert refused.value.faults[0].field == "from"


async def test_a_moderator_who_names_a_future_day_reads_that_it_is_after_today(service):
    with pytest.raises(Invalid, match="after today"):
        await read_statistics(service, EVERYTHING, StatisticsQuery(from_="2030-01-01"))


async def test_statistics_of_an_empty_service_are_zeros(service):
    found = await read_statistics(service, EVERYTHING, StatisticsQuery())
    assert (found.total.arrived, found.queue.waiting, found.queue.oldest_at, found.median_wait) == (0, 0, None, None)
    assert (found.rules, found.threads, len(found.periods)) == ([], [], statistics.DEFAULT_DAYS)


async def test_threads_without_a_public_comment_are_not_among_the_busiest(service):
    erased, public = (
        await post(service, "Erased later.", thread="/gone/"),
        await post(service, "Stays.", thread="/here/"),
    )
    await post(service, "Never public.", thread="/held/")
    await decide(service, ActionVerb.APPROVE, erased, public)
    await decide(service, ActionVerb.TRASH, erased)
    await erase_permanently(service, EVERYTHING, erased)

    found = await read_statistics(service, EVERYTHING, StatisticsQuery())

    (here,) = [one["id"] for one in await list_threads(service) if one["key"] == "/here"]
    assert [(one.thread, one.approved) for one in found.threads] == [(here, 1)]


async def test_a_long_queue_is_counted_to_a_quarter_of_an_hour(service, clock, monkeypatch):
    await post(service, "An old one.")
    clock.move(hours=30)
    await post(service, "A new one.", address="192.0.2.1")
    exact = (await read_statistics(service, EVERYTHING, StatisticsQuery())).queue
    monkeypatch.setattr(statistics, "MAX_COUNTED", 0)

    assert (await read_statistics(service, EVERYTHING, StatisticsQuery())).queue == exact
    assert [age.number for age in exact.ages] == [1, 0, 0, 0, 1]


def often(examples):
    return settings(max_examples=examples * MORE_EXAMPLES, deadline=None, derandomize=True, database=None)


@given(waits=st.lists(st.integers(0, 40 * 86_400), min_size=1, max_size=60))
@often(100)
def test_the_median_is_as_near_as_its_error_says(waits):
    found = find_median(Counter(map(bucket_of, waits)))
    exact = sorted(waits)[(len(waits) - 1) // 2]
    if found.error_seconds is None:
        assert exact >= found.seconds == BOUNDS[-1]
    else:
        assert abs(found.seconds - exact) <= found.error_seconds


ZONES = st.sampled_from(
    ["UTC", "Europe/Lisbon", "America/St_Johns", "Australia/Lord_Howe", "Asia/Kathmandu", "Pacific/Apia", "Asia/Tehran"]
)


@given(zone=ZONES.map(ZoneInfo), first=st.dates(date(1980, 1, 1), date(2040, 1, 1)), quarter=st.integers(0, 96 * 40))
@often(100)
def test_every_quarter_of_an_hour_is_in_the_day_that_its_zone_shows(zone, first, quarter):
    period = build_period(first, date.fromordinal(first.toordinal() + 40), zone)
    at = period.start + quarter
    offset = next(offset for start, offset in reversed(period.offsets) if start <= at)

    shown = datetime.fromtimestamp(at * 900, zone).date()

    assert date.fromordinal(date(1970, 1, 1).toordinal() + (at + offset) // 96) == shown


@given(first=st.dates(date(1971, 1, 1), date(2100, 1, 1)), length=st.integers(0, 365), by=st.sampled_from(Span))
@often(50)
def test_every_day_is_in_one_period(first, length, by):
    last = date.fromordinal(first.toordinal() + length)
    days = [day for group in split_days(first, last, by) for day in group]
    assert days == [date.fromordinal(first.toordinal() + number) for number in range(length + 1)]


async def test_who_has_no_site_any_more_sees_no_numbers(service):
    await post(service, "A comment of somebody's site.")
    nobody = Principal(Actor(ActorKind.PERSON, None, "Mia"), EVERYTHING.scopes, sites=())
    found = await read_statistics(service, nobody, StatisticsQuery())
    assert (found.total.arrived, found.queue.waiting, found.threads) == (0, 0, [])
