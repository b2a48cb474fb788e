"""Facts about a draft that rules can use, beyond the draft itself."""

from dataclasses import dataclass
from enum import StrEnum

from commentsvc.domain.models import Draft
from commentsvc.domain.visible_text import VisibleText
from commentsvc.rules.form_token import FormTokenState
from commentsvc.rules.proof_of_work import ProofState
from commentsvc.spam.recall import NOTHING, Recalled
from commentsvc.spam.scoring import Score


class Fact(StrEnum):
    """A fact that is looked up only if some rule needs it."""

    PACE = "pace"
    SAME_TEXT = "same_text"
    MEMORY = "memory"


@dataclass(frozen=True, kw_only=True)
class Context:
    """Facts about a draft and how it was sent."""

    visible: VisibleText | None = None  # what readers see of the comment; None: as its source
    approved_comments: int = 0  # of the author whose token was sent, or of the address that they have confirmed
    address: str | None = None  # the sender's IP address; None if no longer known
    author_id: str | None = None  # from the author token; a new ID without one
    # From the email address in the draft, which anybody can type.
    email_digests: frozenset[str] = frozenset()
    email_domain: str = ""
    has_moderator_email: bool = False
    moderators_have_email: bool = False  # any moderator: addresses are compared with theirs
    has_moderator_name: bool = False
    has_staff_name: bool = False  # such as Admin
    seconds_since_last: float | None = None  # since the last comment from the same network
    comments_last_hour: int = 0  # earlier ones from the same network
    same_text_comments: int = 0  # in other threads
    recalled: Recalled = NOTHING  # of comments like this one
    thread_age_days: float = 0.0  # since the thread became public
    form_token: FormTokenState = FormTokenState.VALID
    proof_of_work: ProofState = ProofState.NOT_REQUIRED
    honeypot_filled: bool = False
    score: Score | None = None  # by the site's learned filter; None: it has not learned enough

    def texts_of(self, draft: Draft) -> list[str]:
        """Return the comment as it was typed, and as readers see it."""
        return [draft.comment, self.visible.text] if self.visible else [draft.comment]
