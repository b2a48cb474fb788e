"""Delete what has expired."""

from commentsvc.access import sessions
from commentsvc.audit import undoable_changes
from commentsvc.config import OLDEST_SECONDS
from commentsvc.service import Service
from commentsvc.storage import actions, contacts, duplicates, rate_limits, reports, rules, submissions, used_tokens
from commentsvc.storage import sessions as storage_sessions
from commentsvc.storage.database import Transaction


async def tidy(service: Service) -> None:
    """Forget what has outlived its purpose: networks, used forms, old submissions, yesterday's wordings."""
    await service.db.write(_tidy, service)


async def _tidy(tx: Transaction, service: Service) -> None:
    await contacts.forget_networks(tx, service.ago(days=service.config.network_days))
    await reports.forget(tx, service.ago(days=service.config.network_days))
    await rules.forget(tx, service.ago(days=undoable_changes.UNDO_DAYS))
    await actions.forget_states(tx, service.ago(days=undoable_changes.UNDO_DAYS))
    begun, seen = service.ago(days=sessions.LONGEST_DAYS), service.ago(hours=sessions.IDLE_HOURS)
    await storage_sessions.forget(tx, begun_before=begun, seen_before=seen)
    await used_tokens.forget(tx, service.ago(seconds=OLDEST_SECONDS))
    # In the order in which a comment takes them, so that neither waits for the other in vain.
    await submissions.forget(tx, service.ago(days=7))
    await rate_limits.forget(tx, service.now())
    await duplicates.forget(tx, service.ago(hours=24))
