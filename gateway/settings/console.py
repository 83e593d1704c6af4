"""The console: whether it is there, and how long a person stays signed in."""

from __future__ import annotations

from pydantic import Field
from pydantic_settings import BaseSettings


class ConsoleSettings(BaseSettings):
    """The console: whether it is there, and how long a person stays signed in."""

    console: bool = Field(default=True, description="Serve the console under `/console`.")
    console_idle_minutes: int = Field(
        default=60, ge=1, le=480, description="A session of the console ends after so long without a request."
    )
    console_session_hours: int = Field(
        default=12, ge=1, le=24, description="A session of the console ends so long after its login, whatever happens."
    )
    console_claim_minutes: int = Field(
        default=10, ge=1, le=240, description="Who opens a review on the console has it for so long."
    )
