"""Answer public questions before the router, with whole answers that are kept in memory.

An approval is answered after its commit. So a later request finds another number of changes on SQLite, and then reads
the state of the answer's basis; on PostgreSQL each request reads it, with one indexed statement. Either way no answer
is older than a change that any process acknowledged before the request.
"""

import asyncio
from collections.abc import Callable, Coroutine
from functools import partial
from http import HTTPStatus
from time import perf_counter
from typing import Any, Final

from aiohttp import web

from commentsvc.domain.errors import Unavailable
from commentsvc.domain.meter import METER, Meter, meter_steps
from commentsvc.domain.metric_memory import Recorder, ThreadCounter, ThreadHistogram
from commentsvc.domain.metrics import ANSWER_BYTES, ANSWER_NUMBER, REQUESTS
from commentsvc.domain.metrics import ANSWERS as ANSWERED
from commentsvc.service import Service
from commentsvc.storage.patience import begin_request
from commentsvc.storage.public_state import state_of
from commentsvc.web.pages.blanks import fill_blanks, split_at_blanks
from commentsvc.web.server.admission import ADMISSION
from commentsvc.web.server.answer_cache import Answer, AnswerCache, KeptResponse
from commentsvc.web.server.body import RECEIVED
from commentsvc.web.server.middleware import DRAINING, finish_response
from commentsvc.web.server.questions import Question, Questions
from commentsvc.web.server.routing import BASIS, SERVICE, UNFILLED, WHOLE

Handle = Callable[[web.Request], Coroutine[Any, Any, web.StreamResponse]]

QUESTIONS: Final = web.AppKey("questions", Questions)
ANSWERS: Final = web.AppKey("answers", AnswerCache)
# A request waits so often for an answer that others ask for as well. Under constant changes it then makes its own.
TURNS: Final = 3
CLASSES: Final = ("", "1xx", "2xx", "3xx", "4xx", "5xx")
METHODS: Final = frozenset({"GET", "HEAD", "POST", "PATCH", "DELETE", "OPTIONS"})
MISS: Final = ("miss",)


class Answering:
    """Answers requests from memory, and all others with the application."""

    def __init__(self, app: web.Application, handle: Handle) -> None:
        self._service = app[SERVICE]
        self._questions = app[QUESTIONS]
        self._answers = app[ANSWERS]
        self._draining = app[DRAINING]
        self._handle_unmetered = handle
        self._admission, self._received = app[ADMISSION], app[RECEIVED]
        self._in_work: dict[Question, asyncio.Future[bool]] = {}
        self._number: int | None = None  # of changes, as the present turn of the event loop has read it
        recorder = self._recorder = self._service.parts.get(Recorder)
        self._requests = ThreadHistogram(recorder, REQUESTS) if recorder else None
        self._hits = ThreadCounter(recorder, ANSWERED, ("hit",)) if recorder else None

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        """Return the response to a request."""
        if self._requests is None:
            return await self._answer(request)
        started = perf_counter()
        response = await self._answer(request)
        self._requests.observe(_labels_of(request, response), perf_counter() - started)
        return response

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        question = None if self._draining.process else self._questions.read(request)
        answer = None if question is None else self._answers.get(question)
        if answer is not None and self._is_unchanged(answer):  # almost every request: without a coroutine or a deadline
            return self._respond(answer, request)
        patience = begin_request()
        if question is None:
            return await self._handle(request)
        for _ in range(TURNS):
            answer = self._answers.get(question)
            if answer is not None and await self._is_current(answer):
                return self._respond(answer, request)
            in_work = self._in_work.get(question)
            if in_work is None:
                return await self._make(question, request)
            # Another request makes this answer now. It may have read the database before this one arrived: look again.
            patience.begin()  # if the other one gets no answer in time, neither does this one
            if not await asyncio.shield(in_work):
                break
            patience.end()
        return await self._handle(request)

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        """Answer in the ordinary way, and charge the client's network for the work."""
        meter = Meter()
        METER.set(meter)  # of the task of this request
        try:
            return await meter_steps(self._handle_unmetered(request), meter)
        except web.HTTPException as error:
            # aiohttp refuses an unknown Expect header before the middleware.
            return await finish_response(request, partial(_raise, error))
        finally:
            self._admission.charge(request, meter.seconds)
            self._received.release(request)

    def _respond(self, answer: Answer, request: web.Request) -> web.StreamResponse:
        if self._hits is not None:
            self._hits.count()
        return answer.respond(request)

    def _count_changes(self) -> int | None:
        """Return the number of changes, which requests of one turn of the event loop share.

        Each request of a turn was ready when the turn began, so it had arrived before the number was read.
        """
        if self._number is None:
            self._number = self._service.db.count_changes()
            if self._number is not None:
                asyncio.get_running_loop().call_soon(self._forget_number)
        return self._number

    def _forget_number(self) -> None:
        self._number = None

    def _is_in_time(self, answer: Answer) -> bool:
        basis = answer.basis
        return not (basis.until or basis.since) or basis.is_of(self._service.now())

    def _is_unchanged(self, answer: Answer) -> bool:
        """Return whether nothing was committed since the answer was read."""
        number = self._count_changes()
        return number is not None and number == answer.number and self._is_in_time(answer)

    async def _is_current(self, answer: Answer) -> bool:
        if self._is_unchanged(answer):
            return True
        if not self._is_in_time(answer):
            return False
        number, check = self._count_changes(), answer.basis.check
        try:
            state = state_of(await self._service.db.read_rows(check.sql, check.values, late=True))
        except Unavailable:
            return False  # the ordinary way tells why
        if state != answer.basis.state:
            return False
        answer.number = number
        return True

    def _note_sizes(self) -> None:
        if self._recorder is not None:
            self._recorder.set(ANSWER_BYTES, self._answers.size())
            self._recorder.set(ANSWER_NUMBER, len(self._answers))

    async def _make(self, question: Question, request: web.Request) -> web.StreamResponse:
        """Answer in the ordinary way, and keep the answer."""
        if self._recorder is not None:
            self._recorder.count(ANSWERED, MISS)
        done = self._in_work[question] = asyncio.get_running_loop().create_future()
        kept: Answer | None = None
        try:
            number = self._count_changes()  # before the answer is read
            request[WHOLE] = True
            response = await self._handle(request)
            kept = _keep(self._service, question, number, request, response)
            if kept is None:
                self._answers.drop(question)
                return response
            self._answers.put(question, kept)
            self._note_sizes()
            return kept.respond(request)
        finally:
            del self._in_work[question]
            done.set_result(kept is not None)


async def _raise(error: web.HTTPException, _request: web.Request) -> web.StreamResponse:
    raise error


def _labels_of(request: web.Request, response: web.StreamResponse) -> tuple[str, str, str]:
    """Return method, route pattern and class of status: no path, which may name a page or a person."""
    if isinstance(response, KeptResponse):
        route = response.path
    else:
        resource = request.match_info.route.resource
        route = resource.canonical if resource else "(unknown)"
    method = request.method if request.method in METHODS else "(other)"
    return method, route, CLASSES[response.status // 100]


def _keep(
    service: Service, question: Question, number: int | None, request: web.Request, response: web.StreamResponse
) -> Answer | None:
    """Return the answer to keep; None if the response is a refusal or for one reader only."""
    basis = request.get(BASIS)
    if basis is None or response.status != HTTPStatus.OK or not isinstance(response, web.Response):
        return None
    unfilled = request.get(UNFILLED)
    fill = None if unfilled is None else partial(fill_blanks, service, split_at_blanks(unfilled))
    return Answer(question.path, response, basis, number, fill)
