"""The base model, and the vLLM that serves it."""

from __future__ import annotations

from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings


class EngineSettings(BaseSettings):
    """The base model, and the vLLM that serves it."""

    base_model: str | None = Field(
        default=None, description="The base model: `org/name` or `org/name@revision` on Hugging Face, or a folder."
    )
    engine_url: str | None = Field(
        default=None, description="URL of a vLLM of your own; unset, the gateway starts vLLM as a child process."
    )
    engine_api_key: SecretStr | None = Field(
        default=None,
        description="Sent to that vLLM as `Authorization: Bearer` with every request; shown nowhere."
        " `POSTIL_ENGINE_API_KEY_FILE` names a file with it.",
    )
    engine_args: str = Field(default="", repr=False, description="More arguments for the child vLLM's command line.")
    engine_start_seconds: float = Field(
        default=600.0, gt=0, description="How long vLLM may take to start before it is started again."
    )
    engine_timeout_seconds: float = Field(
        default=300.0, gt=0, description="How long the gateway waits for the next bytes of vLLM's answer."
    )
    engine_stall_seconds: float = Field(
        default=30.0,
        ge=0,
        description="After so long without a token, vLLM is probed, and restarted if it hangs; 0: never.",
    )
    dtype: str | None = Field(default=None, description="vLLM's `--dtype`; unset, `float32` on CPUs, else `auto`.")
    max_model_len: int = Field(
        default=2048,
        ge=16,
        description="vLLM's `--max-model-len`: tokens of prompt and answer; say it of a vLLM of your own, too.",
    )
    max_lora_rank: int = Field(
        default=16, ge=1, le=512, description="The largest rank of an adapter; a larger one is refused at publish."
    )
    max_loras: int = Field(default=8, ge=1, description="How many adapters one batch can mix; vLLM's `--max-loras`.")
    max_cpu_loras: int = Field(
        default=64, ge=1, description="How many adapters vLLM holds in memory; the least recently used one is unloaded."
    )
    max_concurrent_requests: int = Field(
        default=256, ge=1, description="Sequences at vLLM at a time; its `--max-num-seqs`."
    )

    max_step_tokens: int | None = Field(
        default=None,
        ge=16,
        description="vLLM's `--max-num-batched-tokens`: what one step computes, and everybody waits for. Unset, 512 on"
        " CPUs (or as many as there are sequences), else vLLM's own. Fewer: long prompts delay others less.",
    )
    engine_prompt_logprobs: bool = Field(
        default=False,
        description="Whether a vLLM of your own may be asked for the probabilities of a prompt's tokens (`echo`,"
        " `prompt_logprobs`): beside other requests that ends one without postil's plugin. The child's has it.",
    )

    @field_validator("engine_url")
    @classmethod
    def _check_engine_url(cls, url: str | None) -> str | None:
        if url is None or url.startswith("unix:/"):
            return url
        if "@" in url:
            raise ValueError("a URL with a name or a password ends in logs; set POSTIL_ENGINE_API_KEY instead")
        try:
            parts = urlsplit(url)
            good = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
        except ValueError:
            good = False
        if not good:
            raise ValueError("it has to be http://host:port or https://host")
        return url

    @field_validator("engine_api_key")
    @classmethod
    def _check_engine_api_key(cls, key: SecretStr | None) -> SecretStr | None:
        if key is not None and not (key and all("!" <= letter <= "~" for letter in key.get_secret_value())):
            raise ValueError("it has to be one word of printable ASCII, as it goes into a header")
        return key

    @property
    def prompt_logprobs(self) -> bool:
        """Whether the engine may be asked for the probabilities of a prompt's tokens."""
        return self.engine_url is None or self.engine_prompt_logprobs

    @property
    def window(self) -> int | None:
        """The engine's context in tokens, None where it is somebody else's and the setting does not say."""
        known = self.engine_url is None or "max_model_len" in self.model_fields_set
        return self.max_model_len if known else None

    @property
    def engine_key(self) -> str | None:
        """The key for an engine of your own; the child process gets one by chance (``InsideKeys``)."""
        return self.engine_api_key.get_secret_value() if self.engine_api_key and self.engine_url else None
