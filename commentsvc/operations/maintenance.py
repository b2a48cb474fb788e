"""Delete what has expired."""

from commentsvc.access import sessions
from commentsvc.audit import undoable_changes
from commentsvc.config import OLDEST_SECONDS
from commentsvc.service import write
from commentsvc.storage import actions, contacts, duplicates, rate_limits, reports, rules, submissions, used_tokens
from commentsvc.storage import sessions as storage_sessions
from commentsvc.storage.database import Write


@write
async def delete_expired(unit: Write) -> None:
    """Forget what has outlived its purpose: networks, used forms, old submissions, yesterday's wordings."""
    await contacts.erase_networks(unit, unit.ago(days=unit.config.network_days))
    await reports.delete_expired(unit, unit.ago(days=unit.config.network_days))
    await rules.delete_removed(unit, unit.ago(days=undoable_changes.UNDO_DAYS))
    await actions.clear_states(unit, unit.ago(days=undoable_changes.UNDO_DAYS))
    begun, seen = unit.ago(days=sessions.MAX_AGE_DAYS), unit.ago(hours=sessions.IDLE_HOURS)
    await storage_sessions.delete_expired(unit, begun_before=begun, seen_before=seen)
    await used_tokens.delete_expired(unit, unit.ago(seconds=OLDEST_SECONDS))
    # In the order in which a comment takes them, so that neither waits for the other in vain.
    await submissions.delete_expired(unit, unit.ago(days=7))
    await rate_limits.delete_expired(unit, unit.now())
    await duplicates.delete_expired(unit, unit.ago(hours=24))
