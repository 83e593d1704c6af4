"""Sessions of the console, in the memory of the process that serves it: a restart ends them all.

A session keeps by what its key is found again, never the key. Its id is known to the browser alone; here is its hash.
"""

from __future__ import annotations

import hashlib
import secrets
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass

# Sessions at a time, of all keys and of one: further ones end the oldest.
_MOST, _MOST_OF_A_KEY = 1000, 20
# Attempts of one party in so many seconds; parties that are remembered.
_ATTEMPTS, _WINDOW_SECONDS, _PARTIES = 10, 60.0, 4096


@dataclass(slots=True)
class Session:
    """A person that is signed in. ``handle`` names the key, ``person`` is who uses the key file, as they say.

    ``said`` is a page's address and what it has to say the next time, ``decided`` the review that was decided last.
    """

    handle: str
    person: str
    made: float
    seen: float
    said: tuple[str, str] = ("", "")
    decided: str = ""


class Sessions:
    """The sessions of one gateway. ``clock`` returns seconds."""

    def __init__(
        self, idle_seconds: float, absolute_seconds: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._idle_seconds = idle_seconds
        self._absolute_seconds = absolute_seconds
        self._clock = clock
        # By the hash of the id, the oldest first.
        self._sessions: OrderedDict[bytes, Session] = OrderedDict()

    def open(self, handle: str, person: str = "") -> str:
        """Begin a session; returns its id."""
        identity, now = secrets.token_urlsafe(32), self._clock()
        self._drop_ended(now)
        same = [key for key, session in self._sessions.items() if session.handle == handle]
        for key in same[: max(0, len(same) + 1 - _MOST_OF_A_KEY)]:
            del self._sessions[key]
        while len(self._sessions) >= _MOST:
            self._sessions.popitem(last=False)
        self._sessions[_hash(identity)] = Session(handle, person, now, now)
        return identity

    def find(self, identity: str) -> Session | None:
        """Return the session with this id, and note that it is in use; None if there is none, or it has ended."""
        key, now = _hash(identity), self._clock()
        session = self._sessions.get(key)
        if session is None:
            return None
        if self._ended(session, now):
            del self._sessions[key]
            return None
        session.seen = now
        return session

    def close(self, identity: str) -> None:
        """End a session."""
        self._sessions.pop(_hash(identity), None)

    def _ended(self, session: Session, now: float) -> bool:
        return now - session.seen >= self._idle_seconds or now - session.made >= self._absolute_seconds

    def _drop_ended(self, now: float) -> None:
        for key in [key for key, session in self._sessions.items() if self._ended(session, now)]:
            del self._sessions[key]


class Attempts:
    """Counts the attempts of each party: failed logins of an address, questions of a key. ``clock`` returns seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._attempts: OrderedDict[str, deque[float]] = OrderedDict()

    def wait(self, party: str) -> int:
        """Return for how many seconds a party has to wait after its last attempts; 0 if it need not."""
        attempts = self._attempts.get(party)
        if attempts is None or len(attempts) < _ATTEMPTS:
            return 0
        left = attempts[0] + _WINDOW_SECONDS - self._clock()
        return max(0, int(left) + 1) if left > 0 else 0

    def note(self, party: str) -> None:
        """Note an attempt."""
        self._attempts.setdefault(party, deque(maxlen=_ATTEMPTS)).append(self._clock())
        self._attempts.move_to_end(party)
        if len(self._attempts) > _PARTIES:
            self._attempts.popitem(last=False)


def _hash(identity: str) -> bytes:
    return hashlib.sha256(identity.encode("utf-8", "surrogatepass")).digest()
