"""A way out for mails that keeps them: tests read what a worker would send."""

import asyncio

from commentsvc import app
from commentsvc.delivery.outbox import Outlets
from commentsvc.delivery.worker import Worker
from commentsvc.domain.deliveries import Channel, Outcome, ParcelState
from commentsvc.web.mail.renderers import RENDERERS

MAIL = {
    "smtp_url": "smtp://localhost:2525?tls=off",
    "mail_from": "comments@blog.example",
    "public_url": "https://comments.example",
}


class Postbox:
    """Renders mails as the sender does, and keeps them. With ``away``, the mail server does not answer."""

    def __init__(self):
        self.mails, self.away, self.tried = [], False, 0

    async def deliver(self, service, parcel):
        self.tried += 1
        mail = await RENDERERS[parcel.kind](service, parcel)
        if self.away:
            return Outcome(state=ParcelState.WAITING, error="no answer")
        if mail:
            self.mails.append(mail)
        return Outcome(state=ParcelState.DELIVERED)

    async def close(self):
        pass

    async def collect(self, service):
        """Let a worker do everything that is due; return the mails that this brought."""
        before = len(self.mails)
        outlets = Outlets(fan_outs=app.join_outlets(service.config).fan_outs, senders={Channel.MAIL: self})
        worker = Worker(service, outlets)
        while await worker.work_once() or worker._running[Channel.MAIL]:
            await asyncio.gather(*worker._running[Channel.MAIL])
        return self.mails[before:]
