"""The geometry of the curve of the learned filter: good comments kept against spam caught, in percent of the room."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from commentsvc.rules.schemas import BacktestResult, CurvePoint
from commentsvc.web.pages.i18n import Locale

HEIGHT: Final = 168  # pixels between 0 % and 100 % of spam
LINES: Final = (100, 75, 50, 25, 0)  # percent of spam, at the lines of the grid
TICKS: Final = (98.0, 98.5, 99.0, 99.5, 100.0)  # percent of good comments, below the curve
LEAST: Final = 98.0  # the left end
INWARDS: Final = 75  # percent of the width; a figure after it would not fit
ASIDE, ABOVE, BELOW = 11, -8, 20  # pixels from a point to its figure


@dataclass(frozen=True)
class Point:
    """A place in the picture: percent of its width, pixels from the top."""

    share: float  # of good comments, in percent of the curve
    x: float
    y: float


@dataclass(frozen=True)
class Curve:
    """The line, the point of the chosen share with its figure, and the labels and numbers of the picture."""

    points: Sequence[Point]
    chosen: Point | None
    figure: str
    keep: str
    lines: Sequence[tuple[str, float]]
    ticks: Sequence[tuple[str, float]]
    rows: Sequence[tuple[str, CurvePoint]]
    height: int = HEIGHT

    @property
    def path(self) -> str:
        """Return the points of the line, in a view of 100 by ``HEIGHT``."""
        return " ".join(f"{point.x:g},{point.y:g}" for point in self.points)

    @property
    def is_inwards(self) -> bool:
        """Return whether the figure of the chosen point is written before it, since the picture ends after it."""
        return self.chosen is not None and self.chosen.share > INWARDS

    @property
    def figure_place(self) -> tuple[int, int]:
        """Return where the figure begins, in pixels from the point: where the line, which falls, leaves room."""
        if self.chosen is None or not self.is_inwards:
            return ASIDE, ABOVE
        return -ASIDE, BELOW if self.chosen.y < HEIGHT - BELOW else ABOVE


def build_curve(locale: Locale, result: BacktestResult) -> Curve | None:
    """Return the curve of a replay; None without any spam in it. In languages from right to left it is mirrored."""
    learned = result.learned
    if learned is None or not learned.spam:
        return None
    chosen = None
    if learned.keep >= LEAST:
        chosen = _point(locale, learned.keep, result.rejected, learned.spam)
    return Curve(
        points=[_point(locale, point.keep, point.caught, learned.spam) for point in learned.curve],
        chosen=chosen,
        figure=format_percent(round(100 * result.rejected / learned.spam)),
        keep=format_percent(learned.keep),
        lines=[(format_percent(share), HEIGHT * (1 - share / 100)) for share in LINES],
        ticks=[(format_percent(share), _place(locale, share)) for share in TICKS],
        rows=[(format_percent(point.keep), point) for point in learned.curve],
    )


def format_percent(number: float | str) -> str:
    """Return a percentage without needless digits."""
    return f"{float(number):g}%"


def _point(locale: Locale, keep: float, caught: int, spam: int) -> Point:
    return Point(_share(keep), _place(locale, keep), round(HEIGHT * (1 - caught / spam), 2))


def _place(locale: Locale, keep: float) -> float:
    return round(100 - _share(keep) if locale.dir == "rtl" else _share(keep), 3)


def _share(keep: float) -> float:
    return round((keep - LEAST) / (100 - LEAST) * 100, 3)
