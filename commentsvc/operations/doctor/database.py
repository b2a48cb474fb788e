"""Check the database, through the service that is opened on it. Every check only reads."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Final

from commentsvc.audit import verification
from commentsvc.domain.errors import ConfigurationError
from commentsvc.operations import integrity, key_check, servers
from commentsvc.operations.backlog import measure_backlog
from commentsvc.operations.doctor.external_check import check_latest_question
from commentsvc.operations.doctor.findings import Finding, fault, from_error, ok, warning
from commentsvc.service import Service, private_read
from commentsvc.storage import backups, schema
from commentsvc.storage.database import PrivateRead

CLOCK_SECONDS: Final = 2.0
LATE_SECONDS: Final = 3600
NAMED_ROWS: Final = 3
OLD_SECONDS: Final = 7 * 86_400  # of a comment that waits for a moderator


async def check_schema(service: Service) -> AsyncIterator[Finding]:
    """Yield whether the schema is whole. Another version of it was refused when the database was opened."""
    if missing := await integrity.find_missing_parts(service):
        yield fault(
            "schema",
            f"The schema is not whole: {'; '.join(missing[:NAMED_ROWS])}. Faults: {len(missing):,}.",
            "Stop the service, and use a new database: commentsvc copy --to sqlite:///NEW.db",
        )
        return
    yield ok("schema", f"The database has the schema of this version ({await schema.read_number(service.db)}).")


async def check_integrity(service: Service) -> AsyncIterator[Finding]:
    """Yield whether the file of the database is damaged, and whether each row is what the service wrote."""
    cure = "Stop the service, and restore a backup: commentsvc restore FILE"
    if damage := await service.db.find_damage():
        yield fault("integrity", f"The database file is damaged ({damage}).", cure)
        return
    if lost := await integrity.find_lost_references(service):
        yield fault("integrity", f"Rows are missing: {'; '.join(lost[:NAMED_ROWS])}.", cure)
        return
    checked = await integrity.check_rows(service)
    if not checked.damaged:
        yield ok("integrity", f"The database is not damaged: {checked.rows:,} rows match their digests.")
        return
    places = ", ".join(map(str, checked.damaged[:NAMED_ROWS]))
    more = f" and {len(checked.damaged) - NAMED_ROWS:,} more" if len(checked.damaged) > NAMED_ROWS else ""
    yield fault("integrity", f"Rows are not as the service wrote them: {places}{more}.", cure)


async def check_last_backup(service: Service) -> AsyncIterator[Finding]:
    """Yield whether the last backup failed."""
    last = await _get_last_backup(service)
    if last.failed_at:
        yield fault("backups", f"The backup at {last.failed_at} failed: {last.failure}", "commentsvc backup FOLDER")


@private_read
async def _get_last_backup(unit: PrivateRead) -> backups.LastBackup:
    return await backups.get_last(unit)


async def check_secret_key(service: Service) -> AsyncIterator[Finding]:
    """Yield whether all keys are there that encrypt something."""
    try:
        await key_check.check_keys(service)
    except ConfigurationError as error:
        yield from_error("secret key", error)
        return
    yield ok("secret key", f"The key {service.keyring.fingerprints[0]} belongs to this database.")


async def check_clock(service: Service) -> AsyncIterator[Finding]:
    """Yield whether this computer's clock agrees with that of the database."""
    theirs = await service.db.read_clock()
    if theirs is None:
        return
    off = abs((datetime.now(UTC) - theirs).total_seconds())
    if off > CLOCK_SECONDS:
        yield warning(
            "clock",
            f"This computer's clock differs by {off:,.0f} seconds from the database's.",
            "timedatectl set-ntp true",
        )
    else:
        yield ok("clock", "This computer's clock agrees with that of the database.")


async def check_reader_role(service: Service) -> AsyncIterator[Finding]:
    """Yield whether public reads are restricted to public columns."""
    problem = await service.db.find_reader_problem()
    if problem:
        yield fault(
            "reader role",
            f"Public reads could see private columns: {problem}",
            "COMMENTSVC_READER_DATABASE_URL=postgresql://reader:password@host/database (see docs/operating.md)",
        )
    else:
        yield ok("reader role", "Public reads cannot see private columns.")


async def check_replica(service: Service) -> AsyncIterator[Finding]:
    """Yield whether the replica is current."""
    lag = await service.db.measure_replica_lag()
    if lag is None:
        return
    if lag > service.config.read_lag_ms / 1000:
        yield warning(
            "replica",
            "The replica is not current, so the primary answers public reads.",
            "Look at pg_stat_replication on the primary, and at the log of the replica.",
        )
    else:
        yield ok("replica", f"The replica has everything that the primary had {lag:.1f} seconds ago.")


async def check_servers(service: Service) -> AsyncIterator[Finding]:
    """Yield which servers run, and whether they know the same secret keys."""
    running = await servers.list_running(service)
    if not running:
        yield warning("servers", "No server runs on this database.", "commentsvc serve")
        return
    newest = service.keyring.fingerprints[0]
    lacking = [one for one in running if newest not in one.secret_keys]
    if lacking:
        yield fault(
            "servers", f"{len(lacking)} of {len(running)} servers lack the newest secret key.", "Restart these servers."
        )
    else:
        yield ok("servers", f"{len(running)} {'server runs' if len(running) == 1 else 'servers run'}.")


async def check_outbox(service: Service) -> AsyncIterator[Finding]:
    """Yield whether mails and webhook requests leave, and whether comments wait for long."""
    backlog = await measure_backlog(service)
    is_well = True
    for channel, state in backlog.channels.items():
        if state.late_seconds > LATE_SECONDS:
            is_well = False
            yield fault(
                "outbox",
                f"{state.waiting:,} deliveries ({channel}) wait, the oldest {state.late_seconds / 3600:.1f} hours.",
                "commentsvc work" if service.config.delivery == "off" else "Restart the service, and read its log.",
            )
        if state.dead:
            is_well = False
            yield warning(
                "outbox",
                f"{state.dead:,} deliveries ({channel}) were given up.",
                f"commentsvc delivery list --channel {channel} --state dead",
            )
    if is_well:
        yield ok("outbox", "No delivery is late or was given up.")
    if backlog.oldest_pending_seconds > OLD_SECONDS:
        days = backlog.oldest_pending_seconds / 86_400
        yield warning("queue", f"A comment has waited for a moderator for {days:.0f} days.", "commentsvc moderate")


async def check_audit_log(service: Service) -> AsyncIterator[Finding]:
    """Yield whether somebody has changed the audit log."""
    try:
        found = await verification.verify_log(service)
    except verification.AuditLogBroken as error:
        yield fault("audit log", f"The audit log is broken: {error}", "Restore a backup from before the change.")
        return
    yield ok("audit log", f"The chain is unbroken. Entries: {found.entries:,}.")


DATABASE_CHECKS: Final = {
    "schema": check_schema,
    "integrity": check_integrity,
    "secret key": check_secret_key,
    "clock": check_clock,
    "reader role": check_reader_role,
    "replica": check_replica,
    "servers": check_servers,
    "outbox": check_outbox,
    "external check": check_latest_question,
    "audit log": check_audit_log,
    "backups": check_last_backup,
}
