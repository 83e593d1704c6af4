"""What a policy has to fulfil when it is published. Stored ones are served as they are."""

from __future__ import annotations

from collections.abc import Sequence

from postil.plugins.texts import label_answer
from postil.registry.errors import GrammarError, PolicyError
from postil.registry.policy.grammars.choices import check_choices
from postil.registry.policy.grammars.schemas import check_schema, unbounded
from postil.registry.policy.policy import Output, Policy
from postil.registry.policy.sampling import check_sampling
from postil.registry.text import spelling

# No token of any tokenizer stands for more characters of JSON.
_MOST_CHARACTERS_PER_TOKEN = 128


def check_publishable(policy: Policy, window: int | None = None) -> None:
    """Refuse a policy with which every request would fail. ``window`` is the engine's context in tokens.

    Raises PolicyError.
    """
    check_sampling("sampling", policy.sampling, window)
    check_sampling("defaults", policy.defaults, window)
    for use in policy.fallback:
        if isinstance(asked := use.config.get("sampling"), dict):
            check_sampling(f"fallback.{use.name}.config.sampling", asked, window)
    if policy.output is None:
        return
    _check_spellings(policy.output)
    try:
        if policy.output.json_schema is not None:
            check_schema(policy.output.json_schema)
        else:
            check_choices(policy.output.constraint()["choice"])
    except GrammarError as error:
        raise PolicyError(f"policy: output: {error}") from error
    _check_lengths(policy)


def _check_spellings(output: Output) -> None:
    """Refuse labels that look alike: a client that compares texts takes one for the other."""
    seen: dict[str, str] = {}
    for label in _all_labels(output):
        other = seen.setdefault(spelling(label), label)
        if other != label:
            raise PolicyError(
                f"policy: output.labels has {other!a} and {label!a}, which look alike: they differ in blanks"
                " or in how their letters are encoded; keep one"
            )


def _all_labels(output: Output) -> list[str]:
    return [*(output.labels or ()), *([] if output.reject is None else [output.reject])]


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
    if policy.output is None:
        return []
    if policy.output.json_schema is None:
        return _alike(_all_labels(policy.output))
    named = unbounded(policy.output.json_schema)
    if not named:
        return []
    return [
        f"output.json_schema has {' and '.join(named)}: an answer may run to its last token and then not be JSON;"
        " bound them"
    ]


def _alike(labels: Sequence[str]) -> list[str]:
    """Say which labels differ only in case, which people and clients often pass over."""
    seen: dict[str, str] = {}
    pairs = [(seen.setdefault(spelling(label).casefold(), label), label) for label in labels]
    return [f"output.labels {one!r} and {other!r} differ only in case" for one, other in pairs if one != other]
