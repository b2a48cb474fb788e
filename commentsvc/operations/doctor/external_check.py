"""Check that the program answers which is asked about new comments. It gets no comment."""

import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Final

from commentsvc.config.settings import Config
from commentsvc.delivery.verdict_answer import NoVerdictError
from commentsvc.delivery.verdict_client import VerdictClient
from commentsvc.domain.deliveries import Channel
from commentsvc.operations.doctor.findings import Finding, fault, ok, warning
from commentsvc.service import Service, private_read
from commentsvc.storage import parcels
from commentsvc.storage.database import PrivateRead

CURE: Final = "Correct COMMENTSVC_VERDICT_URL and COMMENTSVC_VERDICT_SECRET, or start the program that answers there."


async def check_external_check(config: Config) -> AsyncIterator[Finding]:
    """Yield whether the external check can be reached, and knows the secret."""
    if not config.verdict_url:
        return
    client = VerdictClient(config)
    try:
        await client.test(str(uuid.uuid4()), datetime.now(UTC))
    except NoVerdictError as failure:
        yield fault("external check", str(failure), CURE)
        return
    finally:
        await client.close()
    yield ok("external check", f"The external check answers (mode {config.verdict_mode}).")


async def check_latest_question(service: Service) -> AsyncIterator[Finding]:
    """Yield whether the latest question about a comment had an answer that can be used."""
    if service.config.verdict_url and (error := await _find_failure(service)):
        says = f"The latest question failed, so comments stay as they are: {error}"
        yield warning("external check", says, f"commentsvc delivery list --channel {Channel.VERDICT}")


@private_read
async def _find_failure(unit: PrivateRead) -> str | None:
    row = await parcels.get_record(unit, Channel.VERDICT)
    if row is None or row["failed_at"] is None or (row["delivered_at"] or "") >= row["failed_at"]:
        return None
    return str(row["error"])
