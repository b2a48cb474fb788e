"""The row of the installation: its secret key, what health checks write, and a lock for names. Also lost keys."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from commentsvc.domain.timestamps import parse_time
from commentsvc.storage.database import PrivateRead, Write, in_list

CLEANUP_GAP: Final = timedelta(days=2)  # between two cleanups, which are hourly: a longer one may be a jump


async def get_fingerprint(unit: PrivateRead) -> str | None:
    """Return the secret key's fingerprint; None on a new database."""
    row = await unit.one("SELECT fingerprint FROM installation WHERE id = 1")
    return row["fingerprint"] if row else None


async def set_fingerprint(unit: Write, text: str, now: str) -> None:
    """Set the secret key's fingerprint."""
    await unit.run(
        """
        INSERT INTO installation (id, fingerprint, created_at) VALUES (1, :text, :now)
        ON CONFLICT (id) DO UPDATE SET fingerprint = excluded.fingerprint
        """,
        text=text,
        now=now,
    )


async def lock_names(unit: Write) -> None:
    """Lock the names of sites, keys and moderators, and the hosts of sites, until this unit of work ends.

    Do this first: what the unit reads afterwards is then current. SQLite has one writer, so this matters on PostgreSQL
    only.
    """
    await unit.run("UPDATE installation SET audited = audited WHERE id = 1")


async def list_lost_keys(unit: PrivateRead) -> frozenset[str]:
    """Return the fingerprints of the secret keys that were declared lost."""
    return frozenset(row["fingerprint"] for row in await unit.all("SELECT fingerprint FROM lost_key"))


async def add_lost_key(unit: Write, fingerprint: str, now: str) -> None:
    """Insert a lost key."""
    await unit.run(
        "INSERT INTO lost_key (fingerprint, lost_at) VALUES (:fingerprint, :now) ON CONFLICT (fingerprint) DO NOTHING",
        fingerprint=fingerprint,
        now=now,
    )


async def remove_found_keys(unit: Write, fingerprints: Sequence[str]) -> None:
    """Delete lost keys that are listed again."""
    found, values = in_list("key", fingerprints)
    await unit.run(f"DELETE FROM lost_key WHERE fingerprint IN {found}", **values)


async def get_cleanup(unit: PrivateRead) -> tuple[str, str]:
    """Return when expired data was last deleted, and since when the clock is in doubt; empty if it never was."""
    row = await unit.one("SELECT cleaned_at AS cleaned, doubted_at AS doubted FROM installation WHERE id = 1")
    return (row["cleaned"], row["doubted"]) if row else ("", "")


async def is_clock_doubtful(unit: PrivateRead) -> bool:
    """Return whether the clock may have jumped: the last cleanup is days away, or has doubted the clock."""
    cleaned, doubted = await get_cleanup(unit)
    return bool(doubted) or (bool(cleaned) and abs(unit.clock() - parse_time(cleaned)) > CLEANUP_GAP)


async def set_cleanup(unit: Write, cleaned_at: str, doubted_at: str) -> None:
    """Set both times of ``get_cleanup``."""
    await unit.run(
        "UPDATE installation SET cleaned_at = :cleaned_at, doubted_at = :doubted_at WHERE id = 1",
        cleaned_at=cleaned_at,
        doubted_at=doubted_at,
    )


async def write_probe(unit: Write, filler: str, now: str) -> None:
    """Write a text that must find room on the disk, then replace it by the time. Nothing public changes."""
    for probe in (now + filler, now):  # SQLite writes no page that stays as it was
        await unit.run("UPDATE installation SET probe = :probe WHERE id = 1", probe=probe)
