"""What the registry refuses, each as one sentence with the remedy.

RegistryError
├── NameInvalidError      a domain, adapter or release name that cannot be one
├── TextError             a note, a reason or a name of a person that cannot be kept
├── WeightError           a share of the traffic that cannot be
├── StepsError            steps of a canary that do not rise
├── KeyRefusedError       a key that cannot be: its owner, domains or time
├── PagingError           a cursor that is none of ours, or a page of a size that cannot be
├── LimitError            a limit of a tenant that cannot be
├── WebhookError          a webhook that cannot be: its URL, domains or time
├── QuotaError            as much is kept as may be
├── RightError            a right of a tenant that there is not, or that is both given and taken
├── JobError              a training file or a fine-tuning job that cannot be
├── NotFoundError         no such adapter, release, tenant or key
├── ConflictError         somebody else was faster, or there is nothing to do it to
├── GrammarError          a schema or pattern that vLLM could not compile, or not in time
├── PolicyError           a policy that cannot be in force
├── ArtifactError         files that cannot be an adapter, or no longer are what was published
│   ├── PreflightError    an adapter that this base cannot serve
│   ├── SignatureError    an adapter without the signature that its domain asks for, or a key that is none
│   └── SourceError       a place on a hub that holds no adapter, or none for us
├── HubError              the hub does not answer, or not as it should
├── UnavailableError      the database does not answer now, or takes nothing
├── DatasetError          training data that cannot be learned from
└── BaseModelError        the base model cannot be found or read
"""

from __future__ import annotations


class RegistryError(Exception):
    """Base of every refusal of the registry; its text may be shown to whoever asked."""


class NameInvalidError(RegistryError):
    """A name that is not of the form ``domain/adapter`` or ``domain/adapter@number``."""


class TextError(RegistryError):
    """Text that a database could not give back unchanged."""


class WeightError(RegistryError):
    """A share of the traffic that is not within 0 and 100 per cent."""


class StepsError(RegistryError):
    """Steps of a canary of which one is not above the one before."""


class KeyRefusedError(RegistryError):
    """A key with an owner, domains or a time that it cannot have."""


class LimitError(RegistryError):
    """A limit that is no whole number from 1 on."""


class WebhookError(RegistryError):
    """A webhook with a URL, domains or a time that it cannot have."""


class RightError(RegistryError):
    """A right that no tenant can have, or that is both added and removed."""


class JobError(RegistryError):
    """A training file or a fine-tuning job that cannot be; ``param`` is the value that is at fault, if it is one."""

    def __init__(self, message: str, param: str | None = None) -> None:
        super().__init__(message)
        self.param = param


class QuotaError(RegistryError):
    """A tenant or a domain that keeps as much as it may."""


class PagingError(RegistryError):
    """A cursor that no list gave away, or a page of a size that it cannot have."""


class NotFoundError(RegistryError):
    """Nothing is called that."""


class ConflictError(RegistryError):
    """The state is not the one that the act supposes."""


class GrammarError(RegistryError):
    """A constraint of answers that is not possible, not supported, or would take too long to compile."""


class PolicyError(RegistryError):
    """A policy with a wrong key, a wrong value or an unknown plugin."""


class ArtifactError(RegistryError):
    """Files that are not an adapter, or that changed since they were published."""


class PreflightError(ArtifactError):
    """An adapter that the base model of this gateway cannot serve."""


class SignatureError(ArtifactError):
    """A signature that is missing, false or of another key, or a key that cannot be used."""


class SourceError(ArtifactError):
    """A repository on a hub that is not there, that we may not see, or that holds no adapter."""


class HubError(RegistryError):
    """A hub that cannot be reached in time, or whose answers cannot be used."""


class UnavailableError(RegistryError):
    """A database that is gone, locked, full or read-only; what it held is as it was."""


class DatasetError(RegistryError):
    """Training or validation data that cannot be used."""


class BaseModelError(RegistryError):
    """The base model is missing, incomplete or of a kind that is not understood."""
