"""Read YAML as text only, so that the names Yes, Null and 0xFF stay names.

Values are built from the events of the parser: no tag is obeyed, and an alias, which can make a small file huge, is
refused. PyYAML is in the extra ``archives``.
"""

from collections.abc import Iterator
from typing import Any, BinaryIO, Final

from commentsvc.archives.errors import UnreadableArchive
from commentsvc.archives.text_stream import TextStream

MAX_DEPTH: Final = 32  # replies may be nested
MAX_NODES: Final = 20_000  # of one element


def read_documents(file: BinaryIO, name: str, most_nodes: int = MAX_NODES) -> Iterator[tuple[Any, bool]]:
    """Yield each value at the top of a YAML file, and whether forbidden characters were dropped.

    The elements of a list at the top are yielded one by one, so that memory does not depend on the size of the file.

    Raises:
        UnreadableArchive: the file is no YAML, or nested too deeply, or PyYAML is missing.
    """
    stream = TextStream(file)
    for value in _top_values(_Events(stream, name), most_nodes):
        yield value, stream.dropped
        stream.dropped = False


class _Events:
    """The events of a parser, one after the other."""

    def __init__(self, stream: TextStream, name: str) -> None:
        try:
            import yaml  # noqa: PLC0415 -- optional
        except ImportError:
            raise UnreadableArchive(
                "YAML needs an extra package. Install it: pip install 'commentsvc[archives]'"
            ) from None
        self.yaml = yaml
        loader = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
        self._events = yaml.parse(stream, Loader=loader)
        self._name = name

    def next(self) -> Any:
        """Return the next event, or None at the end."""
        try:
            event = next(self._events, None)
        except (self.yaml.YAMLError, RecursionError, ValueError) as error:
            raise UnreadableArchive(f"{self._name} is no valid YAML: {' '.join(str(error).split())[:200]}.") from error
        if isinstance(event, self.yaml.AliasEvent):
            raise UnreadableArchive(f"{self._name} has YAML aliases. Data files of comments need none.")
        return event


def _top_values(events: _Events, most_nodes: int) -> Iterator[Any]:
    kinds = events.yaml
    depth = 0
    while (event := events.next()) is not None:
        if isinstance(event, kinds.SequenceStartEvent) and depth == 0:
            depth = 1
        elif isinstance(event, kinds.SequenceEndEvent):
            depth = 0
        elif isinstance(event, kinds.ScalarEvent | kinds.CollectionStartEvent):
            yield _value(events, event, 0, [most_nodes])


def _value(events: _Events, event: Any, depth: int, left: list[int]) -> Any:
    left[0] -= 1
    if depth > MAX_DEPTH or left[0] < 0:
        raise UnreadableArchive("The YAML has more nested or more numerous values than a comment needs.")
    if isinstance(event, events.yaml.ScalarEvent):
        return event.value
    values = []
    while not isinstance(one := events.next(), events.yaml.CollectionEndEvent):
        values.append(_value(events, one, depth + 1, left))
    if isinstance(event, events.yaml.SequenceStartEvent):
        return values
    return {key: value for key, value in zip(values[::2], values[1::2], strict=False) if isinstance(key, str)}
