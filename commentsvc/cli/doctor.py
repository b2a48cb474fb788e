"""Run the command that finds what is wrong with a service."""

import argparse
import asyncio
from collections.abc import Mapping
from typing import Final

import msgspec
import uvloop

from commentsvc import app
from commentsvc.cli import DONE, REFUSED, log_format
from commentsvc.cli.escape import escape_line
from commentsvc.cli.terminal import BOLD, YELLOW, Terminal, to_json
from commentsvc.config.environment import read_config
from commentsvc.config.settings import Config
from commentsvc.config.sources import find_sources
from commentsvc.domain.errors import ConfigurationError
from commentsvc.operations.doctor import examination
from commentsvc.operations.doctor.findings import Finding, Level, fault

STYLES: Final = {Level.OK: "", Level.WARNING: YELLOW, Level.FAULT: BOLD}


class Report(msgspec.Struct, frozen=True):
    """All findings, for programs."""

    faults: int
    warnings: int
    findings: list[Finding]


def run_doctor(arguments: argparse.Namespace, environment: Mapping[str, str], terminal: Terminal) -> int:
    """Print what every check found; return 0 if there is no fault."""
    try:
        config = read_config(environment)
    except ConfigurationError as error:
        return _print_findings(list(map(_describe_setting, str(error).splitlines())), arguments, terminal)
    log_format.configure_logging(msgspec.structs.replace(config, log_level="error"))
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return _print_findings(runner.run(_examine(config, arguments, environment)), arguments, terminal)


def _describe_setting(line: str) -> Finding:
    says, _, cure = line.partition(". ")
    return fault("settings", f"{says.rstrip('.')}.", cure or "See docs/settings.md.")


async def _examine(config: Config, arguments: argparse.Namespace, environment: Mapping[str, str]) -> list[Finding]:
    found = await examination.examine_inside(config, find_sources(environment), lambda: app.open_service(config))
    if not arguments.inside:
        found += await examination.examine_outside(config, arguments.url)
    return found


def _print_findings(findings: list[Finding], arguments: argparse.Namespace, terminal: Terminal) -> int:
    levels = [one.level for one in findings]
    report = Report(levels.count(Level.FAULT), levels.count(Level.WARNING), findings)
    if arguments.json:
        terminal.print_line(to_json(report))
        return REFUSED if report.faults else DONE
    for one in findings:
        level = terminal.paint(f"{one.level:<8}", STYLES[one.level])
        terminal.print_line(f"{level} {one.check}: {escape_line(one.says)}")
        if one.cure:
            terminal.print_line(f"{'':8}   {escape_line(one.cure)}")
    terminal.print_line(f"Faults: {report.faults}. Warnings: {report.warnings}. Ok: {levels.count(Level.OK)}.")
    return REFUSED if report.faults else DONE
