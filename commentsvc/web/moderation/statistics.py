"""The page of statistics: figures, charts and tables, drawn here and without a script."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, Literal

import msgspec
from aiohttp import web

from commentsvc.domain.fields import SiteName
from commentsvc.domain.messages import Message, translatable, translatable_format, translatable_plural
from commentsvc.domain.models import RuleKind
from commentsvc.domain.timestamps import parse_time
from commentsvc.moderation import statistics, wording
from commentsvc.moderation.statistics_schemas import ExternalVerdicts, RuleStatistics, Span, Statistics, StatisticsQuery
from commentsvc.rules import manage
from commentsvc.rules.schemas import RuleRecord
from commentsvc.web.moderation import layout
from commentsvc.web.moderation.chart import build_chart, format_date
from commentsvc.web.pages.i18n import Locale
from commentsvc.web.server import security
from commentsvc.web.server.routing import SERVICE, WHO

Days = Literal["7", "30", "90", "365"]
MOST_BARS: Final = 90  # of one day each; longer times are shown by week
SHOWN_RULES: Final = 8
SHOWN_THREADS: Final = 5
SHOWN_ROWS: Final = 4  # the others are behind a button
HIGH_SHARE: Final = 30  # percent of overruled decisions that make a rule doubtful
MINUTE: Final = 60
OUTCOMES: Final = ("approved", "spam", "trash", "pending", "erased")
CSV_HEAD: Final = ("from", "to", *OUTCOMES, "arrived", "median_wait_seconds", "median_wait_error_seconds")
AGE_NAMES: Final = (
    translatable("under 15 minutes"),
    translatable("15 to 60 minutes"),
    translatable("1 to 6 hours"),
    translatable("6 to 24 hours"),
    translatable("over a day"),
)
# Kinds whose match says what they do, and names nobody.
TELLING_KINDS: Final = frozenset(
    {RuleKind.LINKS, RuleKind.LENGTH, RuleKind.SCRIPT, RuleKind.SAME_TEXT, RuleKind.TOO_FAST, RuleKind.TOO_MANY}
)
VERDICTS: Final = {
    "spam": translatable("Spam"),
    "hold": translatable("Hold"),
    "approve": translatable("Approve"),
    "none": translatable("Nothing found"),
    "failed": translatable("No answer"),
}
AGAINST: Final = frozenset({"spam", "hold"})


class StatisticsPageQuery(layout.ResultQuery, frozen=True, kw_only=True):
    """The site, and how many days up to today."""

    site: SiteName | None = None
    days: Days = "30"


@dataclass(frozen=True)
class VerdictRow:
    """A verdict of the external check in the table: decided by moderators, and decided otherwise."""

    label: Message
    comments: int
    decided: int
    overruled: int


@dataclass(frozen=True)
class RuleRow:
    """A rule in the table: its share of overruled decisions in percent, and its page if it can be tested."""

    label: str
    caught: int
    overruled: int
    share: int
    url: str | None

    @property
    def is_doubtful(self) -> bool:
        """Return whether moderators often decided otherwise."""
        return self.share > HIGH_SHARE


async def show_statistics(request: web.Request, query: StatisticsPageQuery) -> web.Response:
    """Show the statistics of a site, or of all sites of the moderator."""
    found, locale = await _read(request, query), layout.page_locale(request)
    oldest = found.queue.oldest_at
    waited = request.app[SERVICE].clock() - parse_time(oldest) if oldest else None
    return await layout.render_page(
        request,
        "statistics.html",
        tab="stats",
        query=query,
        found=found,
        chart=build_chart(locale, found.periods),
        ages=list(zip(map(locale.translate, AGE_NAMES), (age.number for age in found.queue.ages), strict=True)),
        waited=max(0, int(waited.total_seconds())) if waited is not None else None,
        rules=await _list_rules(request, locale, found.rules[:SHOWN_RULES]),
        verdicts=[_verdict_row(one) for one in found.external_check],
        threads=found.threads[:SHOWN_THREADS],
        rows=found.periods[::-1],
        shown_rows=SHOWN_ROWS,
        outcomes=[name for name in OUTCOMES if name != "erased" or found.total.erased],
        duration=partial(_translate_duration, locale),
        day=partial(format_date, locale),
        csv_url=layout.build_url("/moderate/stats.csv", site=query.site, days=query.days),
    )


async def _read(request: web.Request, query: StatisticsPageQuery) -> Statistics:
    days = int(query.days)
    wanted = StatisticsQuery(site=query.site, by=Span.DAY if days <= MOST_BARS else Span.WEEK)
    return await statistics.read_statistics(request.app[SERVICE], request[WHO], wanted, days)


def _verdict_row(found: ExternalVerdicts) -> VerdictRow:
    overruled = 0 if found.verdict == "failed" else found.good if found.verdict in AGAINST else found.spam
    return VerdictRow(VERDICTS[found.verdict], found.comments, found.spam + found.good, overruled)


async def _list_rules(request: web.Request, locale: Locale, found: Sequence[RuleStatistics]) -> list[RuleRow]:
    known = await manage.get_rules(request.app[SERVICE], request[WHO], [one.rule for one in found if one.rule])
    return [
        RuleRow(
            label=_label_rule(locale, one.name, known.get(one.rule or "")),
            caught=one.caught,
            overruled=one.overruled,
            share=round(100 * one.overruled / one.caught),
            url=f"/moderate/rules/{one.rule}" if one.rule in known else None,
        )
        for one in found
    ]


def _label_rule(locale: Locale, name: str, rule: RuleRecord | None) -> str:
    """Return the name of a rule as moderators know it, without an address or a network."""
    label = locale.translate(wording.rule_name(name))
    label = label[:1].upper() + label[1:]
    if rule is None:
        return label
    detail = rule.match if rule.kind in TELLING_KINDS else rule.note if rule.kind is RuleKind.WORDS else None
    return f"{label}: {detail}" if detail else label


def describe_duration(seconds: int) -> Message:
    """Return a duration in its largest unit, short."""
    if seconds < MINUTE:
        return translatable_format("%(number)s s", number=seconds)
    if seconds < 2 * 3600:
        return translatable_format("%(number)s min", number=round(seconds / MINUTE))
    if seconds < 2 * 86_400:
        return translatable_format("%(number)s h", number=round(seconds / 3600))
    return translatable_plural("%(num)s day", "%(num)s days", round(seconds / 86_400))


def _translate_duration(locale: Locale, seconds: int) -> str:
    return locale.translate(describe_duration(seconds))


async def get_csv(request: web.Request, query: StatisticsPageQuery) -> web.Response:
    """Return the table as a file for a spreadsheet.

    It has dates and numbers only, so no formula can be in it.
    """
    found, text = await _read(request, query), io.StringIO()
    writer = csv.writer(text)
    writer.writerow(CSV_HEAD)
    for period in found.periods:
        wait = period.median_wait
        values: dict[str, Any] = msgspec.to_builtins(period)
        values |= {
            "median_wait_seconds": wait and wait.seconds,
            "median_wait_error_seconds": wait and wait.error_seconds,
        }
        writer.writerow([values[name] for name in CSV_HEAD])
    name = f"statistics-{found.from_}-{found.to}.csv"
    headers = {**security.MODERATION_HEADERS, "Content-Disposition": f'attachment; filename="{name}"'}
    return web.Response(text=text.getvalue(), content_type="text/csv", charset="utf-8", headers=headers)
