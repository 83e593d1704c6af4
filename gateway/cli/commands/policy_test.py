"""``postil policy test``: run a domain's cases against a policy, or against a release."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from postil.gateway.cli.api_client import CommandError, connected
from postil.gateway.cli.output import AsJson, console, print_json, print_table

if TYPE_CHECKING:
    from postil.gateway.cli.policy_cases.cases import Case, CasesFile, Seen
    from postil.gateway.cli.yaml_files import YamlFile
    from postil.registry.policy.policy import Policy

_PASSED, _FAILED, _SKIPPED = "passed", "failed", "skipped"


def run_cases(
    file: Annotated[Path, typer.Argument(help="The cases, such as cases.yaml.")],
    policy: Annotated[
        Path | None, typer.Option(help="The policy; default: what the file names, or policy.yaml beside it.")
    ] = None,
    release: Annotated[
        str | None, typer.Option(help="Ask this release of a running gateway: domain/adapter@number.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Run cases against a policy: each is a text and what has to come of it. Exits with 1 if one fails.

    Without --release no gateway and no model are needed: the cases give the model's answers, and the policy's input
    checks, validators and fallbacks run on them. JSON: `{"passed": 2, "failed": 0, "skipped": 0, "cases": [...]}`.
    """
    # Imported here because it is slow, and only this command needs it.
    from postil.gateway.cli.policy_cases.cases import CasesFile
    from postil.gateway.cli.policy_cases.offline import field_of
    from postil.gateway.cli.yaml_files import read_yaml

    cases = read_yaml(file, CasesFile)
    parsed = _policy(policy or file.parent / cases.content.policy)
    seen = _offline(parsed, cases) if release is None else _online(release, cases.content.cases)
    rows = [_row(cases, at, one, field_of(parsed)) for at, one in enumerate(seen)]
    _report(rows, as_json=as_json)


def _policy(path: Path) -> Policy:
    from postil.registry.policy.policy import parse_policy

    try:
        return parse_policy(path.read_bytes())
    except OSError as error:
        raise CommandError(f"the policy {path} cannot be read: {error}") from error


def _offline(policy: Policy, file: YamlFile[CasesFile]) -> Sequence[Seen | None]:
    import asyncio

    from postil.gateway.cli.policy_cases.offline import run_offline
    from postil.gateway.errors import BadRequestError
    from postil.gateway.settings import read_settings
    from postil.plugins.manager import PluginManager

    plugins = PluginManager(folder=read_settings().plugins_dir)
    try:
        return asyncio.run(run_offline(policy, file.content.cases, plugins))
    except BadRequestError as error:
        raise CommandError(f"{file.path}: a case is no request that a gateway takes: {error}") from error


def _online(release: str, cases: Sequence[Case]) -> list[Seen]:
    from postil.gateway.cli.policy_cases.online import run_online
    from postil.registry.names import parse_release

    name = str(parse_release(release))
    with connected() as client:
        return [run_online(client, name, case) for case in cases]


def _row(file: YamlFile[CasesFile], at: int, seen: Seen | None, field: str) -> dict[str, Any]:
    """Return a case as it is shown: its result and what is not as expected."""
    from postil.gateway.cli.policy_cases.cases import problems

    case = file.content.cases[at]
    name = case.name or (case.text or f"case {at + 1}")[:60]
    row: dict[str, Any] = {"case": name, "at": file.at("cases", at)}
    if seen is None:
        says = "it gives no answer of the model; add `answer` or `label`, or run it with --release"
        return {**row, "result": _SKIPPED, "problems": [says]}
    found = problems(case.expect, seen, field)
    return {**row, "result": _FAILED if found else _PASSED, "problems": found, **seen.model_dump(exclude={"complete"})}


def _report(rows: Sequence[dict[str, Any]], *, as_json: bool) -> None:
    """Print the results. Raises CommandError where a case failed, or none was run."""
    counts = {word: sum(row["result"] == word for row in rows) for word in (_PASSED, _FAILED, _SKIPPED)}
    if as_json:
        print_json({**counts, "cases": list(rows)})
    else:
        shown = [(row["result"], row["case"], row["at"], "; ".join(row["problems"])) for row in rows]
        print_table(("result", "case", "at", "problem"), shown, empty="there are no cases")
        console().print(", ".join(f"{count} {word}" for word, count in counts.items() if count))
    if counts[_FAILED]:
        raise CommandError(f"{counts[_FAILED]} of {len(rows)} cases failed")
    if not counts[_PASSED]:
        raise CommandError("no case was run: none gives an answer of the model; run them with --release")
