"""What rules are told of a draft beyond what stands in it."""

from dataclasses import dataclass
from enum import StrEnum

from commentsvc.rules.form_token import FormTokenState
from commentsvc.rules.proof_of_work import ProofState


class Fact(StrEnum):
    """What has to be looked up before some opinions can be formed."""

    PACE = "pace"
    SAME_TEXT = "same_text"


@dataclass(frozen=True, kw_only=True)
class Context:
    """What is known about a draft beyond what stands in it."""

    proven_approvals: int = 0  # approved comments of the author whose token came along
    address: str | None = None  # the IP address it came from; None where it is no longer known
    author_id: str | None = None  # proven where the token came along; else nobody else's
    # Of the address that was typed, which proves nothing.
    email_digests: frozenset[str] = frozenset()
    email_domain: str = ""
    is_moderators_email: bool = False
    is_moderators_name: bool = False
    seconds_since_last: float | None = None  # from the same network
    within_an_hour: int = 0  # earlier ones from the same network
    same_text_elsewhere: int = 0  # in other threads
    thread_days: float = 0.0  # since it became public
    form: FormTokenState = FormTokenState.WELL
    work: ProofState = ProofState.NOT_ASKED
    trapped: bool = False  # filled in what people do not see
