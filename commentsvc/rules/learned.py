"""The rule by the score of the learned filter that a site's decisions have trained."""

import re
from collections.abc import Sequence
from typing import Final

from commentsvc.domain.feature_wording import write_features
from commentsvc.domain.reasons import Reason, mask_personal_data
from commentsvc.rules.checks import RuleCheck
from commentsvc.rules.context import Context
from commentsvc.spam.features import Feature
from commentsvc.spam.scoring import DEFAULT_KEEP

SUREST: Final = 99  # percent: no filter is certain
LEAST_KEEP: Final = 90.0  # a rule that loses more good comments is a mistake
MOST_KEEP: Final = 100.0
PERCENTAGE: Final = re.compile(r"\s*(\d{2,3}(?:\.\d{1,3})?)\s*%?\s*", re.ASCII)


def parse_keep(text: str) -> float:
    """Return the percentage of good comments to keep; of an empty text the default.

    Raises:
        ValueError: it is no number from 90 to 100.
    """
    if not text.strip():
        return DEFAULT_KEEP
    found = PERCENTAGE.fullmatch(text)
    keep = float(found[1]) if found else 0.0
    if not LEAST_KEEP <= keep <= MOST_KEEP:
        raise ValueError
    return keep


def compile_learned(text: str) -> RuleCheck:
    """Match comments that score higher than this percentage of good ones did."""
    keep = parse_keep(text)
    return lambda _draft, context: find_spam(context, keep)


def find_spam(context: Context, keep: float = DEFAULT_KEEP) -> Reason | None:
    """Return the reason if a comment scores higher than this percentage of good ones did."""
    score = context.score
    if score is None or not score.is_spam(keep):
        return None
    return reason_of(score.value, score.features)


def reason_of(score: float, features: Sequence[Feature]) -> Reason:
    """Return the reason for a score from 0 to 1 and the features that say so."""
    masked = ((kind, mask_personal_data(value)) for kind, value in features)
    return Reason("learned", {"score": min(SUREST, round(1000 * score) // 10), "features": write_features(masked)})
