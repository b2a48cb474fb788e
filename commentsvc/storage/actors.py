"""Actors as three columns: ``actor_kind, actor_id, actor_name``."""

from typing import Any, Final

from commentsvc.domain.models import Actor, ActorKind
from commentsvc.storage.database import Row

COLUMNS: Final = "actor_kind, actor_id, actor_name"
VALUES: Final = ":actor_kind, :actor_id, :actor_name"


def actor_values(actor: Actor) -> dict[str, Any]:
    """Return the parameters of ``VALUES``."""
    return {"actor_kind": actor.kind.value, "actor_id": actor.id, "actor_name": actor.name}


def actor_of(row: Row) -> Actor:
    """Return the actor of a row that has the three columns."""
    return Actor(ActorKind(row["actor_kind"]), row["actor_id"], row["actor_name"])
