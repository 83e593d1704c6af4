"""Every error that a caller can meet, with its HTTP status.

GatewayError
├── BadRequestError        400  the body cannot be understood, or asks for what the release forbids
│   └── ContextLengthError 400  the prompt cannot fit the engine's context
├── AuthenticationError    401  no key, or one that nobody has
├── ForbiddenError         403  what is asked is not for this caller
│   ├── KeyForbiddenError  403  the key is good for other things than this
│   ├── DemoOnlyError      403  the demo, whose keys are well known, is asked from elsewhere
│   └── TenantRefusedError 403  an admin has every request of the tenant refused, in an incident
├── UnknownModelError      404  no such model, adapter or release, or none of it is live
├── RefusedError           422  a publish, promote or rollback that cannot be done
├── StateConflictError     409  the registry is not in the state that the act supposes
├── TooLargeError          413  the body is over the limit
├── RequestsLimitedError   429  the tenant has used up its requests, or has too many at a time
├── TokensLimitedError     429  the tenant has used up its tokens
├── UploadsLimitedError    429  as many publishes of this actor are running as may
├── QueueFullError         429  as many requests wait for the engine as may
├── DeadlinePassedError    504  the request waited until its time was over, and was not sent to the engine
├── SourceUnavailableError 502  the hub that a release was to come from does not answer
├── CrossSiteError         403  a browser asks for a page of another site
├── NotJsonError           415  the admin API takes JSON
├── UnvalidatedError       502  the answer failed validation and the policy has no fallback for it
├── ConnectionsLimitedError 429  as many requests of one key run as may
├── TooManyConnectionsError 503  as many connections are open as may be
├── InsufficientStorageError 507  the disk has no room for it
├── BusyError              503  as much slow work of this kind is under way as may
├── RegistryUnavailableError 503  the registry, or the disk under it, takes nothing now; what is live is served on
├── EngineRefusedError     any  what the engine said of the request, passed on
└── EngineUnavailableError 503  the engine, or the gateway itself, is not ready; nothing was answered
    ├── EngineKeyRefusedError  503  the engine does not take the key that the gateway sends it
    └── PolicyRefusedError     502  the engine refuses what a release's policy asks, whatever the client sent

SettingsError                   a setting that cannot be: the gateway does not start
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, ClassVar


class SettingsError(Exception):
    """A setting that cannot be; its text names it and says what would be right."""


class GatewayError(Exception):
    """Base of what a caller is told. The text may be shown to anybody: no path, no secret, no other tenant."""

    status: ClassVar[int] = 500
    type: ClassVar[str] = "internal_error"
    code: ClassVar[str | None] = None

    def __init__(self, message: str, *, param: str | None = None, retry_after: int | None = None) -> None:
        super().__init__(message)
        self.param = param
        self.retry_after = retry_after
        # What goes out beside it.
        self.headers: Mapping[str, str] = {}

    def openai(self) -> dict[str, Any]:
        """The error in OpenAI's shape."""
        return {"error": {"message": str(self), "type": self.type, "param": self.param, "code": self.code}}


class BadRequestError(GatewayError):
    status = 400
    type = "invalid_request_error"


class ContextLengthError(BadRequestError):
    code = "context_length_exceeded"


class AuthenticationError(GatewayError):
    status = 401
    type = "authentication_error"
    code = "invalid_api_key"

    # Whose key it was, where it is known but expired or revoked: for the record of denied attempts, not for the client.
    owner: str | None = None
    key: str | None = None


class ForbiddenError(GatewayError):
    status = 403
    type = "permission_error"
    code = "model_forbidden"


class KeyForbiddenError(ForbiddenError):
    code = "key_forbidden"

    # Whose key it was: for the record of denied attempts, not for the client.
    owner: str | None = None
    key: str | None = None


class DemoOnlyError(ForbiddenError):
    code = "demo_local_only"


class TenantRefusedError(ForbiddenError):
    code = "tenant_refused"

    def __init__(self) -> None:
        super().__init__("requests of this tenant are refused for now; ask whoever runs the gateway")


class UnknownModelError(GatewayError):
    status = 404
    type = "invalid_request_error"
    code = "model_not_found"


class NotFoundError(GatewayError):
    status = 404
    type = "not_found"


class RefusedError(GatewayError):
    status = 422
    type = "refused"


class StateConflictError(GatewayError):
    status = 409
    type = "conflict"


class TooLargeError(GatewayError):
    status = 413
    type = "invalid_request_error"
    code = "body_too_large"


class RequestsLimitedError(GatewayError):
    status = 429
    type = "requests"
    code = "rate_limit_exceeded"


class TokensLimitedError(GatewayError):
    status = 429
    type = "tokens"
    code = "rate_limit_exceeded"


class ConnectionsLimitedError(GatewayError):
    status = 429
    type = "requests"
    code = "too_many_connections"


class QueueFullError(GatewayError):
    status = 429
    type = "rate_limit_error"
    code = "queue_full"


class DeadlinePassedError(GatewayError):
    status = 504
    type = "timeout_error"
    code = "deadline_passed"


class CrossSiteError(GatewayError):
    status = 403
    type = "cross_site"


class NotJsonError(GatewayError):
    status = 415
    type = "unsupported_media_type"


class SourceUnavailableError(GatewayError):
    status = 502
    type = "source_unavailable"


class UnvalidatedError(GatewayError):
    status = 502
    type = "validation_error"
    code = "answer_not_validated"


class EngineUnavailableError(GatewayError):
    status = 503
    type = "service_unavailable"
    code = "engine_unavailable"

    def __init__(self, message: str) -> None:
        super().__init__(message, retry_after=5)


class EngineKeyRefusedError(EngineUnavailableError):
    code = "engine_key_refused"

    def __init__(self) -> None:
        super().__init__("the engine refuses the gateway's key; set POSTIL_ENGINE_API_KEY to one that it takes")


class PolicyRefusedError(EngineUnavailableError):
    status = 502
    code = "policy_refused"

    def __init__(self, release: str) -> None:
        super().__init__(f"the engine refuses what the policy of {release} asks of it; ask its publisher to correct it")
        self.retry_after = None


class TooManyConnectionsError(GatewayError):
    status = 503
    type = "service_unavailable"
    code = "too_many_connections"

    def __init__(self, message: str) -> None:
        super().__init__(message, retry_after=5)


class BusyError(GatewayError):
    status = 503
    type = "service_unavailable"
    code = "busy"

    def __init__(self, message: str) -> None:
        super().__init__(message, retry_after=5)


class RegistryUnavailableError(GatewayError):
    status = 503
    type = "service_unavailable"
    code = "registry_unavailable"

    def __init__(self, message: str) -> None:
        super().__init__(message, retry_after=5)


class InsufficientStorageError(GatewayError):
    status = 507
    type = "insufficient_storage"


class UploadsLimitedError(GatewayError):
    status = 429
    type = "uploads"
    code = "too_many_uploads"


class EngineRefusedError(Exception):
    """The engine answered with an error: its status and its body, which has OpenAI's shape already."""

    def __init__(self, status: int, body: bytes) -> None:
        super().__init__(f"the engine answered {status}")
        self.status = status
        self.body = body

    @property
    def message(self) -> str:
        """The engine's sentence, in one line."""
        try:
            said = json.loads(self.body)["error"]["message"]
        except (ValueError, TypeError, KeyError):
            return str(self)
        return " ".join(str(said).split())[:300]
