"""The geometry of charts: stacked bars in percent of the width and in pixels of the height."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from commentsvc.moderation.statistics_schemas import PeriodRecord
from commentsvc.web.pages.i18n import MONTHS, Locale

HEIGHT: Final = 200  # pixels, of the bars
LINES: Final = 4  # of the grid, above zero
STEPS: Final = (1, 2, 3, 5, 10, 15, 20, 25, 30, 50, 75)
LABELS: Final = 5  # below the bars
EDGE: Final = 10  # percent of the width, less than half of a label on a phone
GAP: Final = 1.5  # pixels between two parts of a bar
STACK: Final = ("approved", "spam", "trash", "erased", "pending")  # from the bottom
FILLED: Final = 0.76  # of the room for a bar


@dataclass(frozen=True)
class Part:
    """A part of a bar: comments with one outcome."""

    outcome: str
    y: float
    height: float


@dataclass(frozen=True)
class Bar:
    """A period: where its bar is, in percent."""

    x: float
    middle: float
    label: str
    shows_label: bool
    only_wide: bool  # the label: on phones there is room for every second one
    edge: str  # where the label would leave the chart: left, right or empty
    top: float
    parts: list[Part]
    period: PeriodRecord


@dataclass(frozen=True)
class Chart:
    """Bars and the lines behind them: number and height in pixels from the top."""

    bars: list[Bar]
    width: float
    lines: list[tuple[int, float]]
    peak: Bar | None  # one that is more than twice as high as usual


def build_chart(locale: Locale, periods: Sequence[PeriodRecord]) -> Chart:
    """Return the chart of numbers by period. In languages from right to left, time runs to the left."""
    step = find_step(max(period.arrived for period in periods))
    room, number = 100 / len(periods), len(periods)
    every = -(-number // LABELS)
    bars = []
    for at, period in enumerate(periods):
        place = number - 1 - at if locale.dir == "rtl" else at
        parts, top = _stack(period, HEIGHT / (LINES * step))
        bars.append(
            Bar(
                x=round(room * (place + (1 - FILLED) / 2), 3),
                middle=round(room * (place + 0.5), 3),
                label=format_date(locale, period.from_),
                shows_label=(number - 1 - at) % every == 0,
                only_wide=(number - 1 - at) // every % 2 == 1,
                edge=_find_edge(room * (place + 0.5)),
                top=top,
                parts=parts,
                period=period,
            )
        )
    lines = [(step * line, HEIGHT * (1 - line / LINES)) for line in range(LINES + 1)]
    return Chart(bars, round(room * FILLED, 3), lines, _find_peak(bars))


def _find_edge(middle: float) -> str:
    return "left" if middle < EDGE else "right" if middle > 100 - EDGE else ""


def find_step(most: int) -> int:
    """Return the distance of two lines, a round number."""
    needed, power = max(1, -(-most // LINES)), 1
    while True:
        found = next((step * power for step in STEPS if step * power >= needed), None)
        if found:
            return found
        power *= 10


def _stack(period: PeriodRecord, scale: float) -> tuple[list[Part], float]:
    parts, bottom = [], float(HEIGHT)
    for outcome in STACK:
        height = getattr(period, outcome) * scale
        if height:
            drawn = max(height - GAP, 0.75)  # also a single comment is seen
            parts.append(Part(outcome, round(bottom - drawn, 2), round(drawn, 2)))
            bottom -= height
    return parts, round(bottom, 2)


def _find_peak(bars: Sequence[Bar]) -> Bar | None:
    ordered = sorted(bars, key=lambda bar: bar.period.arrived)
    highest, usual = ordered[-1], ordered[len(ordered) // 2]
    return highest if highest.period.arrived > max(4, 2 * usual.period.arrived) else None


def format_date(locale: Locale, text: str) -> str:
    """Return a day of a site's time zone without its year."""
    day = date.fromisoformat(text)
    return locale.gettext("%(day)s %(month)s", day=day.day, month=locale.translate(MONTHS[day.month - 1]))
