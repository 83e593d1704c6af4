"""What the registry refuses, as a status."""

from __future__ import annotations

from postil.gateway.api.error_responses import translated
from postil.registry.errors import PagingError


def test_a_cursor_that_is_none_of_ours_has_the_form_of_one_and_means_nothing() -> None:
    error = translated(PagingError("cursor 'x' is not one of ours; leave it out to begin at the start"))
    assert (error.status, str(error)) == (422, "cursor 'x' is not one of ours; leave it out to begin at the start")
