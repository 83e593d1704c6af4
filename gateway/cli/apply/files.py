"""What the files of ``postil apply`` may say, read and put together."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Generic, TypeVar

from pydantic import AfterValidator, Field

from postil.gateway.cli.api_client import CommandError
from postil.gateway.cli.yaml_files import Strict, YamlFile, read_yaml
from postil.registry.errors import NameInvalidError
from postil.registry.names import parse_adapter, parse_domain

Count = Annotated[int, Field(ge=1)]
Percent = Annotated[float, Field(ge=0, le=100, strict=False)]
T = TypeVar("T")


def _checked(parse: Callable[[str], object]) -> AfterValidator:
    """Let a name through that ``parse`` takes."""

    def check(name: str) -> str:
        try:
            parse(name)
        except NameInvalidError as error:
            raise ValueError(str(error)) from error
        return name

    return AfterValidator(check)


Name = Annotated[str, _checked(parse_domain)]
AdapterText = Annotated[str, _checked(parse_adapter)]


class Quotas(Strict):
    """How much a domain may keep; what is left out stays, and null takes the gateway's figure."""

    releases: Count | None = None
    artifact_mib: Count | None = None
    review_days: Count | None = None
    open_reviews: Count | None = None


class DomainFile(Strict):
    """A domain; what is left out stays as it is."""

    default: str | None = None
    sources: list[str] | None = None
    quotas: Quotas | None = None
    signing_keys: list[str] | None = None


class Limits(Strict):
    """A tenant's limits; what is left out stays, and null removes a limit."""

    requests_per_minute: Count | None = None
    tokens_per_minute: Count | None = None
    tokens_per_day: Count | None = None
    concurrent: Count | None = None
    connections: Count | None = None
    sequences: Count | None = None
    output_tokens: Count | None = None
    schema_kib: Count | None = None


class TenantFile(Strict):
    """A tenant; ``rights`` and ``limits`` that are left out stay as they are."""

    domains: Annotated[list[str], Field(min_length=1)]
    default_domain: str | None = None
    rights: list[str] | None = None
    limits: Limits | None = None


class WebhookFile(Strict):
    """A webhook, which policies of its domains may name."""

    url: str
    domains: Annotated[list[str], Field(min_length=1)]
    allow_private: bool = False


class CanaryFile(Strict):
    """A release and the percentage of the requests that it answers."""

    release: Count
    weight: Percent = 10.0


class ShadowFile(Strict):
    """A release and the percentage of the requests that are copied to it."""

    release: Count
    weight: Percent = 100.0


class ChannelsFile(Strict):
    """What of an adapter is live and tried; what is left out stays, and null ends a canary or a shadow."""

    live: Count | None = None
    canary: CanaryFile | None = None
    shadow: ShadowFile | None = None


class File(Strict):
    """One file: any of the four kinds, by name."""

    domains: dict[Name, DomainFile] = Field(default_factory=dict)
    tenants: dict[Name, TenantFile] = Field(default_factory=dict)
    webhooks: dict[Name, WebhookFile] = Field(default_factory=dict)
    channels: dict[AdapterText, ChannelsFile] = Field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Entry(Generic[T]):
    """One thing that a file declares, and where: ``file:line``, and the folder that its paths start from."""

    name: str
    content: T
    at: str
    folder: Path


@dataclass(frozen=True, slots=True)
class Declared:
    """All that the files declare, by kind."""

    domains: Mapping[str, Entry[DomainFile]]
    tenants: Mapping[str, Entry[TenantFile]]
    webhooks: Mapping[str, Entry[WebhookFile]]
    channels: Mapping[str, Entry[ChannelsFile]]


def read_folder(folder: Path) -> Declared:
    """Read every ``*.yaml`` and ``*.yml`` of a folder, and of folders in it. Raises CommandError."""
    if not folder.is_dir():
        raise CommandError(f"{folder} is not a folder; name one with YAML files")
    paths = sorted(path for path in folder.rglob("*") if path.suffix in (".yaml", ".yml") and path.is_file())
    if not paths:
        raise CommandError(f"{folder} has no YAML files; write one, such as tenants.yaml")
    files = [read_yaml(path, File) for path in paths]
    return Declared(
        _joined("domains", ((file, file.content.domains) for file in files)),
        _joined("tenants", ((file, file.content.tenants) for file in files)),
        _joined("webhooks", ((file, file.content.webhooks) for file in files)),
        _joined("channels", ((file, file.content.channels) for file in files)),
    )


def _joined(kind: str, files: Iterator[tuple[YamlFile[File], Mapping[str, T]]]) -> Mapping[str, Entry[T]]:
    """Return the entries of all files by name. Raises CommandError where two files have the same."""
    found: dict[str, Entry[T]] = {}
    for file, named in files:
        for name, content in named.items():
            at = file.at(kind, name)
            if name in found:
                raise CommandError(f"{at}: {kind}.{name} stands in {found[name].at} too; leave one out")
            found[name] = Entry(name, content, at, file.path.parent)
    return found


def values(model: Strict) -> dict[str, object]:
    """Return what a file says of a part: the keys that it names."""
    return {name: getattr(model, name) for name in sorted(model.model_fields_set)}
