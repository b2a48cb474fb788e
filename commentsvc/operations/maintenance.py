"""Delete what has expired."""

from commentsvc.access import sessions
from commentsvc.audit import undoable_changes
from commentsvc.config import OLDEST_SECONDS
from commentsvc.service import Service
from commentsvc.storage import actions, contacts, duplicates, rate_limits, reports, rules, submissions, used_tokens
from commentsvc.storage import sessions as storage_sessions
from commentsvc.storage.database import Transaction


async def delete_expired(service: Service) -> None:
    """Forget what has outlived its purpose: networks, used forms, old submissions, yesterday's wordings."""
    await service.db.write(_delete_expired, service)


async def _delete_expired(tx: Transaction, service: Service) -> None:
    await contacts.erase_networks(tx, service.ago(days=service.config.network_days))
    await reports.delete_expired(tx, service.ago(days=service.config.network_days))
    await rules.delete_removed(tx, service.ago(days=undoable_changes.UNDO_DAYS))
    await actions.clear_states(tx, service.ago(days=undoable_changes.UNDO_DAYS))
    begun, seen = service.ago(days=sessions.MAX_AGE_DAYS), service.ago(hours=sessions.IDLE_HOURS)
    await storage_sessions.delete_expired(tx, begun_before=begun, seen_before=seen)
    await used_tokens.delete_expired(tx, service.ago(seconds=OLDEST_SECONDS))
    # In the order in which a comment takes them, so that neither waits for the other in vain.
    await submissions.delete_expired(tx, service.ago(days=7))
    await rate_limits.delete_expired(tx, service.now())
    await duplicates.delete_expired(tx, service.ago(hours=24))
