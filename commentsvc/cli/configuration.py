"""Run the command that prints the settings."""

import argparse
from collections.abc import Mapping
from typing import Final

from commentsvc.cli import DONE
from commentsvc.cli.tables import Column, Table, format_table
from commentsvc.cli.terminal import Terminal, join_rows, to_json
from commentsvc.config.environment import read_config
from commentsvc.config.sources import Setting, list_settings

COLUMNS: Final[Table[Setting]] = (
    (Column("SETTING"), lambda one: one.name),
    (Column("FROM"), lambda one: one.source.value),
    (Column("VALUE", 10), lambda one: str(one.value)),
)


def print_settings(arguments: argparse.Namespace, environment: Mapping[str, str], terminal: Terminal) -> int:
    """Print every setting and where it came from.

    Raises:
        ConfigurationError: settings are wrong.
    """
    settings = list_settings(environment, read_config(environment))
    terminal.print_line(
        to_json(settings) if arguments.json else join_rows(format_table(COLUMNS, settings, terminal), "")
    )
    return DONE
