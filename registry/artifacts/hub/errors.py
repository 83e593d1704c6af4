"""Turns errors of the hub and its client into one sentence with the remedy."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import httpx2
from huggingface_hub.errors import (
    EntryNotFoundError,
    GatedRepoError,
    HfHubHTTPError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from postil.registry.artifacts.hub.ref import HubRef
from postil.registry.errors import HubError, RegistryError, SourceError

log = logging.getLogger(__name__)


@contextmanager
def translated(ref: HubRef, endpoint: str, *, place: str = "", alike: bool = False) -> Iterator[None]:
    """Map errors of the hub's client to SourceError (the user can fix it) or HubError (the hub is at fault).

    ``place`` says where the client's settings are, as in ``set HF_TOKEN where the gateway runs``. With ``alike``, the
    error for what is not there is that for what is private: whoever asks need not be who has the token.
    """
    try:
        yield
    except RegistryError:
        raise
    except OfflineModeIsEnabled as error:
        raise SourceError(f"{ref} was not reached, because HF_HUB_OFFLINE is set; unset it{place}") from error
    except HfHubHTTPError as error:
        refusal = _refusal(ref, endpoint, error, place)
        if alike and isinstance(refusal, SourceError):
            log.warning("a publish from a hub was refused: %s", refusal)
            refusal = SourceError(
                f"{ref} cannot be fetched: it is not there, or not for this gateway; check the name, or ask an admin to"
                " allow the source with `postil domains sources`"
            )
        raise refusal from error
    except httpx2.HTTPError as error:
        raise HubError(
            f"{ref} was not reached: {endpoint} does not answer ({_short(error)});"
            f" check HF_ENDPOINT{place}, or try again"
        ) from error
    except RuntimeError as error:  # The client's message for an interrupted upload.
        raise HubError(f"{ref} was not written ({_short(error.__cause__ or error)}); try again") from error
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise HubError(f"{endpoint} does not answer as a hub does; check HF_ENDPOINT{place}") from error


def _refusal(ref: HubRef, endpoint: str, error: HfHubHTTPError, place: str) -> RegistryError:
    status = error.response.status_code
    if isinstance(error, GatedRepoError):
        return SourceError(f"{ref} is gated; ask for access on its page, and set HF_TOKEN to a token of yours{place}")
    if isinstance(error, RevisionNotFoundError):
        return SourceError(f"{ref.repo} has no revision {ref.revision}; give a branch, a tag or a commit of it")
    if isinstance(error, EntryNotFoundError):
        return HubError(f"a file of {ref} was listed and is not there; try again")
    if isinstance(error, RepositoryNotFoundError) or status == 404:
        return SourceError(f"there is no {ref}, or not for this token; check the name, and HF_TOKEN{place}")
    if status == 401:
        return SourceError(f"the hub does not know the token for {ref}; set HF_TOKEN to a valid one{place}")
    if status == 403:
        return SourceError(f"the token has no right to {ref}; set HF_TOKEN to one that has it{place}")
    if status == 429:
        return HubError(f"the hub has had too many requests to give {ref}; try again in some minutes")
    return HubError(f"{endpoint} answered {status} for {ref} ({_short(error)}); try again later")


def _short(error: BaseException) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
