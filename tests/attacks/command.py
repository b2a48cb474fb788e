"""The command line that all attacks share."""

import argparse
import asyncio
import sys
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

Figures = Mapping[str, object]


def run(
    attack: Callable[[int], Coroutine[Any, Any, Figures]], *, number: int, is_broken: Callable[[Figures], bool]
) -> None:
    """Run an attack of ``--number`` rounds, and print its figures. Exit 1 if a promise was broken."""
    parser = argparse.ArgumentParser(description=sys.modules[attack.__module__].__doc__)
    parser.add_argument("--number", type=int, default=number, help=f"rounds (default: {number})")
    figures = asyncio.run(attack(parser.parse_args().number))
    width = max(map(len, figures))
    for name, figure in figures.items():
        print(f"{name:{width}}  {figure}")  # noqa: T201 -- the result of the command
    if is_broken(figures):
        sys.exit("A promise was broken.")
