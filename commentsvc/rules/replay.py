"""Test the learned filter on past decisions, replayed in order of time."""

import asyncio
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from commentsvc.domain.errors import Unavailable
from commentsvc.domain.feature_wording import word_features, write_features
from commentsvc.domain.messages import translatable
from commentsvc.domain.models import Effect, Principal, Rule, Status
from commentsvc.rules import learned, manage, requested
from commentsvc.rules.schemas import (
    BacktestRequest,
    BacktestResult,
    CurvePoint,
    Disagreement,
    FeatureRecord,
    LearnedResult,
)
from commentsvc.service import Service, search_read
from commentsvc.sites import resolve
from commentsvc.spam import replay
from commentsvc.spam.features import Feature
from commentsvc.spam.labels import Label
from commentsvc.spam.replay import SHARES, Decided, Judged, Replay, ReplayTooSlow
from commentsvc.spam.samples import sample_of_row
from commentsvc.storage import labelled_comments
from commentsvc.storage.database import PrivateRead, Row

MAX_SECONDS: Final = 30.0
MAX_WARM_UP: Final = 5000  # decisions before the judged ones that the filter learns from
DEFAULT_LAST: Final = 500
MAX_DISAGREEMENTS: Final = 100
MOST_KEPT: Final = 8  # replays in memory


@dataclass(frozen=True)
class _Trial:
    """A filter to test: how many comments it keeps and judges, and the labelled comments, oldest decision first."""

    keep: float
    effect: Effect
    last: int
    history: Sequence[Row]


async def replay_filter(service: Service, who: Principal, request: BacktestRequest) -> BacktestResult:
    """Return what the learned filter would have done to the comments that were decided last. Nothing is changed.

    Raises:
        Invalid, Forbidden: see ``manage.add_rule``.
        Unavailable: it takes too long, or enough others are searching.
    """
    await requested.check_match(request.kind, request.match)
    return await _replay_trial(service, await _read_requested(service, who, request))


async def replay_stored_filter(service: Service, who: Principal, rule_id: str, last: int | None) -> BacktestResult:
    """Return what a stored rule of kind ``learned`` would have done. ``Raises`` as ``replay_filter``.

    Raises:
        NotFound: no rule has this id, or it is for another site.
    """
    return await _replay_trial(service, await _read_stored(service, who, rule_id, last))


async def _trial_of_request(unit: PrivateRead, who: Principal, request: BacktestRequest) -> _Trial:
    directory = await resolve.read_directory.within(unit)
    site_id = requested.rule_site(directory, who, request.site)
    return await _trial_of_rule(unit, who, await requested.read_rule(unit, who, request, site_id), request.last)


async def _trial_of_stored(unit: PrivateRead, who: Principal, rule_id: str, last: int | None) -> _Trial:
    return await _trial_of_rule(unit, who, await manage.load_rule(unit, who, rule_id), last)


_read_requested, _read_stored = search_read(_trial_of_request, MAX_SECONDS), search_read(_trial_of_stored, MAX_SECONDS)


async def _trial_of_rule(unit: PrivateRead, who: Principal, rule: Rule, last: int | None) -> _Trial:
    judged = last or DEFAULT_LAST
    return _Trial(
        keep=learned.parse_keep(rule.matching),
        effect=rule.effect,
        last=judged,
        history=await _read_history(unit, who, rule.site_id, judged + MAX_WARM_UP),
    )


async def _read_history(unit: PrivateRead, who: Principal, site_id: str | None, most: int) -> Sequence[Row]:
    """Return the newest labelled comments of the sites that a rule is for, in the order of their decisions."""
    every = (site.id for site in (await resolve.read_directory.within(unit)).sites if who.reaches(site.id))
    rows: list[Row] = []
    for one in [site_id] if site_id else every:
        rows += await labelled_comments.list_newest(unit, one, most)
    return sorted(rows, key=lambda row: (row["decided_at"], row["comment_id"]))[-most:]


async def _replay_trial(service: Service, trial: _Trial) -> BacktestResult:
    try:
        return await asyncio.to_thread(_replay_rows, service.part(Replays), trial)
    except ReplayTooSlow:
        raise Unavailable(translatable("The test took too long. Test fewer comments.")) from None


class Replays:
    """The replays that were made last. Another share to keep needs no new one."""

    def __init__(self) -> None:
        self._kept: OrderedDict[int, Replay] = OrderedDict()

    def replay(self, trial: _Trial) -> Replay:
        """Return the replay of a trial. It depends on the comments and their labels, and on nothing else."""
        shares = sorted({*SHARES, trial.keep})
        told = (
            (row["site_id"], row["comment_id"], row["label"], row["name"], row["website"], row["html"])
            for row in trial.history
        )
        key = hash((trial.last, *shares, *told))
        if key not in self._kept:
            history = [_decided(row) for row in trial.history]
            self._kept[key] = replay.replay_decisions(history, trial.last, MAX_SECONDS, shares)
        self._kept.move_to_end(key)
        while len(self._kept) > MOST_KEPT:
            self._kept.popitem(last=False)
        return self._kept[key]


def _replay_rows(replays: Replays, trial: _Trial) -> BacktestResult:
    return _result(trial, replays.replay(trial), {row["comment_id"]: row for row in trial.history})


def _decided(row: Row) -> Decided:
    return Decided(
        comment_id=row["comment_id"],
        site_id=row["site_id"],
        sample=sample_of_row(row),
        is_spam=row["label"] == Label.SPAM,
    )


def _result(trial: _Trial, replayed: Replay, rows: Mapping[str, Row]) -> BacktestResult:
    caught = len(replayed.list_caught(trial.keep, spam=True))
    lost = replayed.list_caught(trial.keep, spam=False)
    judged_spam = sum(one.is_spam for one in replayed.judged)
    return BacktestResult(
        tried=len(replayed.judged),
        effect=trial.effect,
        hit=caught + len(lost),
        rejected=caught,
        approved=len(lost),
        missed=judged_spam - caught,
        disagreements=[_disagreement(one, rows[one.comment_id]) for one in lost[: -MAX_DISAGREEMENTS - 1 : -1]],
        lines=[],
        learned=LearnedResult(
            keep=trial.keep,
            good=len(replayed.judged) - judged_spam,
            spam=judged_spam,
            from_good=replayed.good,
            from_spam=replayed.spam,
            missing_good=replayed.missing[0],
            missing_spam=replayed.missing[1],
            curve=[_point(replayed, share) for share in SHARES],
            spam_features=[_feature(one) for one in replayed.spam_features],
            good_features=[_feature(one) for one in replayed.good_features],
        ),
    )


def _point(replayed: Replay, keep: float) -> CurvePoint:
    caught, lost = (len(replayed.list_caught(keep, spam=spam)) for spam in (True, False))
    return CurvePoint(keep=keep, caught=caught, lost=lost)


def _feature(feature: Feature) -> FeatureRecord:
    kind, value = feature
    return FeatureRecord(kind=kind, value=value, text=str(word_features(write_features([feature]))))


def _disagreement(one: Judged, row: Row) -> Disagreement:
    reason = learned.reason_of(one.score, one.strongest)
    return Disagreement.of_comment(
        reason,
        comment=row["comment_id"],
        status=Status(row["status"]),
        name=row["name"],
        text=row["text"],
        created_at=row["created_at"],
    )
