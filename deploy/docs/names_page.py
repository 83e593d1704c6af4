"""The frozen page of names: everything that somebody outside may have written down."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from litestar import Litestar

from deploy.docs.cli_page import commands, options
from deploy.docs.event_actions import event_actions
from deploy.docs.hooks_page import built_in, hooks, methods
from deploy.docs.http_page import operations, schemas
from deploy.docs.markdown import Schema, page
from deploy.docs.policy_page import policy_fields
from deploy.docs.settings_page import OTHERS, variable
from postil import gateway, plugins
from postil.gateway.settings import Settings
from postil.gateway.telemetry import conventions
from postil.gateway.telemetry.metric_table import METRICS
from postil.plugins.collect import KINDS
from postil.plugins.contract import Component
from postil.registry.accounts import usage
from postil.registry.accounts.keys import Role

# In the code each stands in quotes, as text or as bytes.
_HEADER = re.compile(r'"(x-postil-[a-z-]+)"')
_LEAD = (
    "These names are promises: configurations, scripts, clients, plugins and stored rows of other people hold them."
    " Changing or removing one breaks somebody; adding one is free. A test fails when this page and the code differ,"
    " so that a change is seen: run `make docs`, look at what it took away, and say in CHANGELOG.md how to go on."
)


def names_page(app: Litestar, described: Schema) -> str:
    """``names.md``."""
    sections: dict[str, Iterable[str]] = {
        "Settings": (variable(name) for name in Settings.model_fields),
        "Variables that are read elsewhere": OTHERS,
        "HTTP routes": (f"{one.method} {one.path}" for one in operations(app, described)),
        "HTTP headers of postil's own": headers(),
        "JSON keys of HTTP bodies": _keys(described),
        "Commands": _commands(),
        "Metrics": (f"{metric.name} {{{', '.join(metric.labels)}}}" for metric in METRICS.values()),
        "Spans, their attributes and events": spans(),
        "Roles": (role.value for role in Role),
        "Usage kinds": usage_kinds(),
        "Usage groups": usage.GROUPS,
        "Event actions": event_actions(),
        "Policy fields": policy_fields(),
        "Hooks": hooks(),
        "Kinds of plugins": _kinds(),
        "Plugins that come with postil": (f"{kind}: {one.name} {_config(one)}".rstrip() for kind, one in built_in()),
    }
    return page("Names", _LEAD, *(f"## {title}\n\n{_listed(names)}" for title, names in sections.items()))


def headers() -> list[str]:
    """The headers that are postil's own, wherever the code names one."""
    roots = [Path(str(floor.__file__)).parent for floor in (gateway, plugins)]
    # What workers tell the primary is between them.
    paths = [path for root in roots for path in root.rglob("*.py") if "workers" not in path.parts]
    return sorted({name for path in paths for name in _HEADER.findall(path.read_text(encoding="utf-8"))})


def usage_kinds() -> list[str]:
    """The kinds that a row of usage can be of: the constants of its module."""
    return [value for name, value in vars(usage).items() if name.isupper() and name[0] != "_" and type(value) is str]


def spans() -> list[str]:
    """What traces name of postil's own and of models: the constants of their module."""
    values = [value for name, value in vars(conventions).items() if name.isupper() and isinstance(value, str)]
    return [value for value in values if value.startswith(("postil.", "gen_ai."))]


def _commands() -> Iterable[str]:
    for name, one in commands():
        yield " ".join([name, *(_names(each) for each in options(one))])


def _names(option: object) -> str:
    opts: list[str] = [*getattr(option, "opts", ()), *getattr(option, "secondary_opts", ())]
    return "/".join(opts) if opts[0].startswith("-") else opts[0].upper()


def _keys(described: Schema) -> Iterable[str]:
    for name, one in schemas(described).items():
        yield f"{one.get('title', name)}: " + ", ".join(one["properties"])


def _kinds() -> Iterable[str]:
    for word, kind in KINDS.items():
        yield f"{word}: {kind.__name__}.{', '.join(methods(kind))}"


def _config(component: type[Component]) -> str:
    fields = component.config_fields()
    return f"({', '.join(fields)})" if fields else ""


def _listed(names: Iterable[str]) -> str:
    return "\n".join(f"- `{name}`" for name in names)
