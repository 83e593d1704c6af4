from __future__ import annotations

import json

from postil.registry.policy.digest import digest_of
from postil.registry.policy.policy import parse_policy


def test_a_stored_policy_has_the_digest_of_the_policy() -> None:
    policy = parse_policy("{sampling: {temperature: 0.1, seed: 9007199254740993}, output: {labels: [größe, b]}}")
    stored = json.loads(json.dumps(policy.model_dump(mode="json", exclude_defaults=True)))
    assert digest_of(stored) == policy.digest()
    assert digest_of({**stored, "system_prompt": "x"}) != policy.digest()
