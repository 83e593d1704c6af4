"""Every error that a caller can meet, with its HTTP status; ``deploy/docs/reference/errors.md`` has their tree."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, ClassVar


class SettingsError(Exception):
    """A setting that cannot be; its text names it and says what would be right."""


class GatewayError(Exception):
    """Any of these, or a fault of the gateway's own.

    The text may be shown to anybody: no path, no secret, no other tenant.
    """

    status: ClassVar[int] = 500
    type: ClassVar[str] = "internal_error"
    code: str = ""  # For programs; where a class names none, its type.

    def __init__(
        self, message: str, *, param: str | None = None, retry_after: int | None = None, code: str | None = None
    ) -> None:
        super().__init__(message)
        self.param = param
        self.retry_after = retry_after
        if code is not None:
            self.code = code
        # What goes out beside it.
        self.headers: Mapping[str, str] = {}

    def openai(self) -> dict[str, Any]:
        """The error in OpenAI's shape."""
        return {"error": {"message": str(self), "type": self.type, "param": self.param, "code": self.code or self.type}}


class AuthenticationError(GatewayError):
    """No key, or one that nobody has."""

    status = 401
    type = "authentication_error"
    code = "invalid_api_key"

    # Whose key it was, where it is known but expired or revoked: for the record of denied attempts, not for the client.
    owner: str | None = None
    key: str | None = None

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.headers = {"www-authenticate": "Bearer"}


class BadRequestError(GatewayError):
    """The body cannot be understood, or asks for what the release forbids."""

    status = 400
    type = "invalid_request_error"
    code = "invalid_value"


class ContextLengthError(BadRequestError):
    """The prompt cannot fit the engine's context."""

    code = "context_length_exceeded"


class ConnectionsLimitedError(GatewayError):
    """As many requests of one key or tenant run as may."""

    status = 429
    type = "requests"
    code = "too_many_requests_of_key"


class CrossSiteError(GatewayError):
    """A browser asks for a page of another site."""

    status = 403
    type = "cross_site"


class DeadlinePassedError(GatewayError):
    """The request waited until its time was over, and was not sent to the engine."""

    status = 504
    type = "timeout_error"
    code = "deadline_passed"


class ForbiddenError(GatewayError):
    """What is asked is not for this caller."""

    status = 403
    type = "permission_error"
    code = "model_forbidden"


class DemoOnlyError(ForbiddenError):
    """The demo, whose keys are well known, is asked from elsewhere."""

    code = "demo_local_only"


class KeyForbiddenError(ForbiddenError):
    """The key is good for other things than this."""

    code = "key_forbidden"

    # Whose key it was: for the record of denied attempts, not for the client.
    owner: str | None = None
    key: str | None = None


class TenantRefusedError(ForbiddenError):
    """An admin has every request of the tenant refused, in an incident."""

    code = "tenant_refused"

    def __init__(self) -> None:
        super().__init__("requests of this tenant are refused for now; ask whoever runs the gateway")


class InsufficientStorageError(GatewayError):
    """The disk has no room for it."""

    status = 507
    type = "insufficient_storage"


class NotFoundError(GatewayError):
    """There is no such thing, or this caller may not know of it."""

    status = 404
    type = "not_found"


class UnsupportedMediaError(GatewayError):
    """A body of a kind that the route does not take."""

    status = 415
    type = "unsupported_media_type"


class QueueFullError(GatewayError):
    """As many requests wait for the engine as may."""

    status = 429
    type = "rate_limit_error"
    code = "queue_full"


class RefusedError(GatewayError):
    """A publish, promote or rollback that cannot be done."""

    status = 422
    type = "refused"


class RequestsLimitedError(GatewayError):
    """The tenant has used up its requests, or has too many at a time."""

    status = 429
    type = "requests"
    code = "rate_limit_exceeded"


class ServiceUnavailableError(GatewayError):
    """It cannot be answered now; it can be sent again."""

    status = 503
    type = "service_unavailable"

    def __init__(self, message: str, *, retry_after: int = 5) -> None:
        super().__init__(message, retry_after=retry_after)


class BusyError(ServiceUnavailableError):
    """As much slow work of this kind is under way as may."""

    code = "busy"


class EngineUnavailableError(ServiceUnavailableError):
    """The engine, or the gateway itself, is not ready; nothing was answered."""

    code = "engine_unavailable"


class EngineKeyRefusedError(EngineUnavailableError):
    """The engine does not take the key that the gateway sends it."""

    code = "engine_key_refused"

    def __init__(self) -> None:
        super().__init__("the engine refuses the gateway's key; set POSTIL_ENGINE_API_KEY to one that it takes")


class PolicyRefusedError(EngineUnavailableError):
    """The engine refuses what a release's policy asks, whatever the client sent."""

    status = 502
    code = "policy_refused"

    def __init__(self, release: str) -> None:
        super().__init__(f"the engine refuses what the policy of {release} asks of it; ask its publisher to correct it")
        self.retry_after = None


class RegistryUnavailableError(ServiceUnavailableError):
    """The registry, or the disk under it, takes nothing now; what is live is served on."""

    code = "registry_unavailable"


class TooManyConnectionsError(ServiceUnavailableError):
    """As many connections are open as may be."""

    code = "too_many_connections"


class SourceUnavailableError(GatewayError):
    """The hub that a release was to come from does not answer."""

    status = 502
    type = "source_unavailable"


class StateConflictError(GatewayError):
    """The registry is not in the state that the act supposes."""

    status = 409
    type = "conflict"


class TokensLimitedError(GatewayError):
    """The tenant has used up its tokens."""

    status = 429
    type = "tokens"
    code = "rate_limit_exceeded"


class TooLargeError(GatewayError):
    """The body is over the limit."""

    status = 413
    type = "invalid_request_error"
    code = "body_too_large"


class UnknownModelError(GatewayError):
    """No such model, adapter or release, or none of it is live."""

    status = 404
    type = "invalid_request_error"
    code = "model_not_found"


class UnvalidatedError(GatewayError):
    """The answer failed validation and the policy has no fallback for it."""

    status = 502
    type = "validation_error"
    code = "answer_not_validated"


class UploadsLimitedError(GatewayError):
    """The publisher has as many uploads on their way as it may."""

    status = 429
    type = "uploads"
    code = "too_many_uploads"


class EngineRefusedError(Exception):
    """The engine answered with an error: its status and its body, to a question for ``model``, by its public name."""

    def __init__(self, status: int, body: bytes, model: str = "base") -> None:
        super().__init__(f"the engine answered {status}")
        self.status = status
        self.body = body
        self.model = model

    @property
    def message(self) -> str:
        """The engine's sentence, in one line."""
        try:
            said = json.loads(self.body)["error"]["message"]
        except (ValueError, TypeError, KeyError):
            return str(self)
        return " ".join(str(said).split())[:300]
