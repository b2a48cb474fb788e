"""A site whose moderator decides on good and spam comments."""

from commentsvc.domain.models import ActionVerb
from commentsvc.moderation import actions
from commentsvc.moderation.schemas import Action
from tests.conftest import EVERYTHING, post

TOPICS = ("gardens", "bicycles", "libraries", "bread", "rivers", "violins", "maps", "lighthouses")
GOOD = "I read your article about {topic} with pleasure, and my sister asks number {number} about it."
SPAM = "Best casino bonus {number}: win money tonight, play slots with cheap {topic} at https://win.example/{number}"


async def write_comments(service, template, number, **fields):
    """Post so many comments; return their ids. Each has a name, an address and a network of its own."""
    return [
        await post(
            service,
            template.format(number=at, topic=TOPICS[at % len(TOPICS)]),
            name=f"Reader {at}",
            email=f"reader{at}@example.org",
            address=f"198.{51 + at // 250}.{at % 250}.7",
            **fields,
        )
        for at in range(number)
    ]


async def decide(service, verb, ids, who=EVERYTHING, note=None):
    """Decide on comments; return the id of the action."""
    return (await actions.apply_action(service, who, Action(action=verb, ids=list(ids), note=note))).id


async def teach(service, good=24, spam=8, **fields):
    """Let a moderator approve and mark so many comments; return the ids of both."""
    approved = await write_comments(service, GOOD, good, **fields)
    marked = await write_comments(service, SPAM, spam, **fields)
    if approved:
        await decide(service, ActionVerb.APPROVE, approved)
    if marked:
        await decide(service, ActionVerb.SPAM, marked)
    return approved, marked
