"""A key that a policy does not know is refused, with the one that may have been meant."""

from __future__ import annotations

import pytest

from postil.plugins.manager import PluginManager
from postil.registry.errors import PolicyError
from postil.registry.policy.policy import build, parse_policy, policy_from


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("sytem_prompt: x", "policy: there is no key 'sytem_prompt'; did you mean system_prompt?"),
        ("zzz: 1", "policy: there is no key 'zzz'; known are defaults, fallback, input, output, pinned, reviews, "),
        ("output: {lables: [a, b]}", "policy: output has no key 'lables'; did you mean labels?"),
        (
            "validators: [{name: labels, on_fial: stop}]",
            "policy: validators.0 has no key 'on_fial'; did you mean on_fail?",
        ),
        ("input: [{name: pii, dead_line: 1}]", "policy: input.0 has no key 'dead_line'; did you mean deadline_ms?"),
        ("fallback: [{name: error, wen: []}]", "policy: fallback.0 has no key 'wen'; did you mean when?"),
        ("reviews: {asign_to: ann}", "policy: reviews has no key 'asign_to'; did you mean assign_to?"),
        (f"{'x' * 200}: 1", f"policy: there is no key '{'x' * 80}'; known are "),
    ],
)
def test_a_misspelt_key_is_refused_with_the_one_that_is_near(text: str, says: str) -> None:
    with pytest.raises(PolicyError) as caught:
        parse_policy(text)
    assert str(caught.value).startswith(says)


@pytest.mark.parametrize(
    ("policy", "says"),
    [
        ({"validators": [{"name": "lables"}]}, "no validator is called 'lables'; did you mean labels? installed: "),
        (
            {"validators": [{"name": "confidence", "config": {"minimun": 1}}]},
            "policy: confidence: there is no option minimun; did you mean minimum?",
        ),
    ],
)
def test_a_misspelt_plugin_or_option_is_refused_with_the_one_that_is_near(
    plugins: PluginManager, policy: dict[str, object], says: str
) -> None:
    with pytest.raises(PolicyError) as caught:
        build(policy_from(policy), plugins)
    assert says in str(caught.value)
