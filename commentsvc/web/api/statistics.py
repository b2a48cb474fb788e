"""Handler of the API for statistics."""

from aiohttp import web

from commentsvc.moderation import statistics
from commentsvc.moderation.statistics_schemas import Statistics, StatisticsQuery
from commentsvc.web.server.routing import SERVICE, WHO


async def read_statistics(request: web.Request, query: StatisticsQuery) -> Statistics:
    """Return numbers of comments by day and outcome, the age of the queue, waits, rules and the busiest threads."""
    return await statistics.read_statistics(request.app[SERVICE], request[WHO], query)
