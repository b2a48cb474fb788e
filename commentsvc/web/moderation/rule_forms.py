"""The forms for rules: which fields belong to which kind."""

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal, TypeAlias

from msgspec import Meta, Struct

from commentsvc.domain import folding
from commentsvc.domain.errors import FieldError, Invalid
from commentsvc.domain.fields import Note, SiteName
from commentsvc.domain.messages import translatable, translatable_plural
from commentsvc.domain.models import Effect, RuleKind
from commentsvc.moderation.wording import RULE_KINDS
from commentsvc.rules.combined import CONDITION_KINDS
from commentsvc.rules.kinds import KINDS
from commentsvc.rules.schemas import MAX_MATCH
from commentsvc.web.moderation.layout import Day

# The kinds as the form lists them, the most used first.
GROUPS: Final = {
    translatable("The comment"): (
        RuleKind.WORDS,
        RuleKind.LINKS,
        RuleKind.LENGTH,
        RuleKind.SCRIPT,
        RuleKind.SAME_TEXT,
        RuleKind.ALL,
    ),
    translatable("The commenter"): (
        RuleKind.NETWORK,
        RuleKind.EMAIL,
        RuleKind.EMAIL_DOMAIN,
        RuleKind.DISPOSABLE,
        RuleKind.WEBSITE,
        RuleKind.AUTHOR,
        RuleKind.NEWCOMER,
        RuleKind.TRUST,
    ),
    translatable("Pace and age"): (RuleKind.TOO_FAST, RuleKind.TOO_MANY, RuleKind.CLOSING_AGE),
}
NUMBER_KINDS: Final = (
    RuleKind.LINKS,
    RuleKind.SAME_TEXT,
    RuleKind.TOO_FAST,
    RuleKind.TOO_MANY,
    RuleKind.CLOSING_AGE,
    RuleKind.NEWCOMER,
    RuleKind.TRUST,
)
TEXT_KINDS: Final = (
    RuleKind.NETWORK,
    RuleKind.EMAIL,
    RuleKind.EMAIL_DOMAIN,
    RuleKind.WEBSITE,
    RuleKind.AUTHOR,
    RuleKind.LENGTH,
    RuleKind.SCRIPT,
    RuleKind.LEARNED,
)
# The conditions of a combined rule, each with an example.
EXAMPLES: Final = {
    RuleKind.WORDS: "casino | free pills",
    RuleKind.NETWORK: "198.51.100.0/24",
    RuleKind.LENGTH: "20..5000",
    RuleKind.SCRIPT: "en",
    RuleKind.NEWCOMER: "",
}
CONDITIONS: Final = {
    kind: f"{kind}: {example}" if (example := EXAMPLES.get(kind, RULE_KINDS[kind].example)) else kind.value
    for kind in CONDITION_KINDS
}
# Kinds whose match cannot be changed: it is stored elsewhere, or there is none.
FIXED_MATCH: Final = frozenset({RuleKind.EMAIL, RuleKind.AUTHOR, RuleKind.DISPOSABLE})
BACKTEST_COMMENTS: Final = 500  # the newest decided comments
LAST_CHOICES: Final = (100, 500, 1000)
MAX_CONDITIONS_LENGTH: Final = 20_000  # characters of a combined rule

Last: TypeAlias = Annotated[int, Meta(ge=1, le=1000, description="Test on this many decided comments, the newest.")]
Line: TypeAlias = Annotated[str, Meta(max_length=1000)]


def match_field(kind: RuleKind) -> str:
    """Return the name of the field for the match of a kind."""
    if kind is RuleKind.ALL:
        return "conditions"
    return "number" if kind in NUMBER_KINDS else "text" if kind in TEXT_KINDS else "match"


def effect_field(kind: RuleKind) -> str:
    """Return the name of the field for the effect of a kind. Kinds with the same effects share one."""
    return "_".join(KINDS[kind].effects)


def group_by_effects() -> dict[str, list[RuleKind]]:
    """Return the kinds by the name of their field for the effect."""
    groups: dict[str, list[RuleKind]] = {}
    for kind in RuleKind:
        groups.setdefault(effect_field(kind), []).append(kind)
    return groups


class MatchFields(Struct, frozen=True, kw_only=True):
    """The match of a rule: a field for word lists, for numbers, for conditions, and one for everything else."""

    match: Annotated[str, Meta(max_length=2 * MAX_MATCH)] | None = None  # browsers end lines with two characters
    number: Line | None = None
    text: Line | None = None
    conditions: Annotated[str, Meta(max_length=MAX_CONDITIONS_LENGTH)] | None = None
    hold_note: Effect | None = None
    hold_spam_note: Effect | None = None
    hold_spam_refuse_note: Effect | None = None
    hold_refuse_note: Effect | None = None
    note_hold_spam: Effect | None = None
    effect: Effect | None = None
    last: Last = BACKTEST_COMMENTS
    remove: Annotated[str, Meta(max_length=500, description="A line of the word list to remove.")] | None = None

    def match_of(self, kind: RuleKind) -> str:
        """Return what was entered for a kind, without the line to remove. A program may send ``match`` for any.

        Raises:
            Invalid: for the field ``match``: it is too long.
        """
        if kind is RuleKind.WORDS:
            text = (self.match or "").replace("\r\n", "\n")
            if len(text) > MAX_MATCH:
                message = translatable_plural(
                    "Too long: %(length)s of %(num)s character.",
                    "Too long: %(length)s of %(num)s characters.",
                    MAX_MATCH,
                    length=len(text),
                )
                raise Invalid(FieldError("match", "too_long", message))
            return remove_line(text, self.remove) if self.remove else text
        own = getattr(self, field, None) if (field := match_field(kind)) != "match" else None
        return (own or self.match or "") if kind is not RuleKind.DISPOSABLE else ""

    def effect_of(self, kind: RuleKind) -> Effect | None:
        """Return the effect that was chosen for a kind."""
        own: Effect | None = getattr(self, effect_field(kind), None)
        return own or self.effect


class NewRuleForm(MatchFields, frozen=True, kw_only=True):
    """A rule to test or save."""

    kind: RuleKind = RuleKind.WORDS
    site: SiteName | None = None
    expires: Day | None = None
    note: Note | None = None
    version: Annotated[int, Meta(ge=1, description="Version of the stored rule of kind learned.")] | None = None
    do: Literal["test", "save"] = "test"


class RuleForm(MatchFields, frozen=True, kw_only=True):
    """A change to a rule, or its deletion, with the version that the page showed."""

    version: Annotated[int, Meta(ge=1)] | None = None
    expires: Day | None = None
    note: Note | None = None
    do: Literal["test", "save", "delete"] = "save"


class RuleUndoForm(Struct, frozen=True, kw_only=True):
    """From which day on to undo what a rule did; and the number of comments, once the page has shown it."""

    since: Day
    expect: Annotated[int, Meta(ge=0, le=5000)] | None = None


def remove_line(text: str, line: str) -> str:
    """Return a word list without a line, also where it is written with other letter case or spaces."""
    unwanted = _spelling(line)
    return "\n".join(one for one in text.splitlines() if _spelling(one) != unwanted)


def _spelling(line: str) -> str:
    return " ".join(folding.folded(line).split())


def sent_values(kind: RuleKind, form: Any) -> dict[str, Any]:
    """Return the fields of a valid form, to show it again."""
    return form_values(
        {
            "kind": kind,
            "match": form.match_of(kind),
            "effect": form.effect_of(kind),
            "last": form.last,
            "site": getattr(form, "site", None),
            "expires": form.expires,
            "note": form.note,
        }
    )


def lenient_values(kind: RuleKind, sent: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a form with a mistake, to show it again."""
    own = match_field(kind)
    effect = sent.get(effect_field(kind)) or sent.get("effect")
    match = sent.get(own) or sent.get("match")
    return form_values({**sent, "kind": kind, "match": match, "effect": effect})


def form_values(sent: Mapping[str, Any]) -> dict[str, Any]:
    """Return a value for every field of the form."""
    names = ("kind", "match", "effect", "site", "expires", "note")
    last = str(sent.get("last", ""))
    return {name: sent.get(name) or "" for name in names} | {
        "sent": bool(sent),
        "last": int(last) if last.isdigit() and int(last) in LAST_CHOICES else BACKTEST_COMMENTS,
    }
