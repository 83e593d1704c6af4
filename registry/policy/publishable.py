"""What a policy has to fulfil when it is published. Stored ones are served as they are."""

from __future__ import annotations

from postil.plugins.texts import label_answer
from postil.registry.errors import GrammarError, PolicyError
from postil.registry.policy.grammars.choices import check_choices
from postil.registry.policy.grammars.schemas import check_schema, unbounded
from postil.registry.policy.policy import Policy
from postil.registry.policy.sampling import check_sampling

# No token of any tokenizer stands for more characters of JSON.
_MOST_CHARACTERS_PER_TOKEN = 128


def check_publishable(policy: Policy, window: int | None = None) -> None:
    """Refuse a policy with which every request would fail. ``window`` is the engine's context in tokens.

    Raises PolicyError.
    """
    check_sampling("sampling", policy.sampling, window)
    check_sampling("defaults", policy.defaults, window)
    if policy.output is None:
        return
    try:
        if policy.output.json_schema is not None:
            check_schema(policy.output.json_schema)
        else:
            check_choices(policy.output.constraint()["choice"])
    except GrammarError as error:
        raise PolicyError(f"policy: output: {error}") from error
    _check_lengths(policy)


def _check_lengths(policy: Policy) -> None:
    """Refuse labels that cannot be said in so few tokens; how many each takes is known where the tokenizer is."""
    output, most = policy.output, policy.sampling.get("max_tokens")
    if output is None or output.labels is None or not isinstance(most, int):
        return
    longest = max((label_answer(output.field, label) for label in output.labels), key=len)
    if len(longest) > most * _MOST_CHARACTERS_PER_TOKEN:
        raise PolicyError(f"policy: sampling.max_tokens is {most}, and {longest[:80]} has more tokens; raise it")


def policy_warnings(policy: Policy) -> list[str]:
    """Say what a publisher may not have meant, one sentence each."""
    if policy.output is None or policy.output.json_schema is None:
        return []
    named = unbounded(policy.output.json_schema)
    if not named:
        return []
    return [
        f"output.json_schema has {' and '.join(named)}: an answer may run to its last token and then not be JSON;"
        " bound them"
    ]
