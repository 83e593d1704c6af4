"""Bodies of ``/v1/files`` and ``/v1/fine_tuning/jobs``, as OpenAI's clients send and read them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

Auto = Literal["auto"]
SUPERVISED: Literal["supervised"] = "supervised"
DPO: Literal["dpo"] = "dpo"


class HyperparametersBody(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """The hyperparameters of a job; ``auto`` is 3 epochs, 8 examples a step, and a learning rate that suits them."""

    n_epochs: Annotated[int, Meta(ge=1, le=50)] | Auto | None = None
    batch_size: Annotated[int, Meta(ge=1, le=256)] | Auto | None = None
    learning_rate_multiplier: Annotated[float, Meta(gt=0, le=1000)] | Auto | None = None


class PreferenceHyperparametersBody(HyperparametersBody, kw_only=True, forbid_unknown_fields=True):
    """Those of preferences; ``beta`` holds the adapter near the base (`auto`: 0.1)."""

    beta: Annotated[float, Meta(gt=0, le=2)] | Auto | None = None


class PreferencesBody(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """The method that learns better answers from worse ones."""

    hyperparameters: PreferenceHyperparametersBody | None = None


class SupervisedBody(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """The supervised method."""

    hyperparameters: HyperparametersBody | None = None


class MethodBody(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """How to train: `supervised` by answers, which are labels in JSON or free text, or `dpo` by preferences."""

    type: str
    supervised: SupervisedBody | None = None
    dpo: PreferencesBody | None = None
    reinforcement: dict[str, Any] | None = None


class PostilBody(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What OpenAI's API has no word for: the reject label, the LoRA's shape, the release's policy (YAML) and note.

    ``method`` says what supervised rows are where postil should not find out: labels (`classify`) or free text (`sft`).
    """

    domain: str | None = None
    method: Literal["classify", "sft"] | None = None
    reject: Annotated[str, Meta(min_length=1, max_length=200)] | None = None
    lora_r: Annotated[int, Meta(ge=1, le=512)] | None = None
    lora_alpha: Annotated[int, Meta(ge=1, le=1_000_000)] | None = None
    targets: Annotated[list[Annotated[str, Meta(max_length=100)]], Meta(max_length=32)] | None = None
    policy: str | None = None
    note: Annotated[str, Meta(max_length=4000)] | None = None


Remarks = Annotated[
    dict[Annotated[str, Meta(max_length=64)], Annotated[str, Meta(max_length=512)]], Meta(max_length=16)
]


class FineTuningJobBody(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A job to make: ``model`` is the base, ``suffix`` the adapter that gets a new release, as `domain/adapter`."""

    model: str
    training_file: str
    suffix: str | None = None
    validation_file: str | None = None
    hyperparameters: HyperparametersBody | None = None
    method: MethodBody | None = None
    seed: Annotated[int, Meta(ge=0, lt=2**32)] | None = None
    metadata: Remarks | None = None
    integrations: list[dict[str, Any]] | None = None
    postil: PostilBody | None = None


class FileObject(msgspec.Struct, kw_only=True):
    """An uploaded file; ``domain``, ``digest`` and ``rows`` are postil's own."""

    id: str
    object: Literal["file"] = "file"
    bytes: int
    created_at: int
    expires_at: int | None
    filename: str
    purpose: str
    status: Literal["processed"] = "processed"
    status_details: str | None = None
    domain: str
    digest: str
    rows: int


class FileList(msgspec.Struct, kw_only=True):
    """Files, the newest first unless told otherwise."""

    object: Literal["list"] = "list"
    data: list[FileObject]
    first_id: str | None
    last_id: str | None
    has_more: bool


class FileDeleted(msgspec.Struct, kw_only=True):
    """A file that is gone."""

    id: str
    object: Literal["file"] = "file"
    deleted: bool = True


class Hyperparameters(msgspec.Struct, kw_only=True):
    """The hyperparameters as they were asked for."""

    n_epochs: int | Auto
    batch_size: int | Auto
    learning_rate_multiplier: float | Auto


class Supervised(msgspec.Struct, kw_only=True):
    """The supervised method."""

    hyperparameters: Hyperparameters


class PreferenceHyperparameters(Hyperparameters, kw_only=True):
    """The hyperparameters of preferences, as they were asked for."""

    beta: float | Auto


class Preferences(msgspec.Struct, kw_only=True):
    """The method that learns better answers from worse ones."""

    hyperparameters: PreferenceHyperparameters


class Method(msgspec.Struct, kw_only=True, omit_defaults=True):
    """The method of a job, with what was asked of it."""

    type: Literal["supervised", "dpo"]
    supervised: Supervised | None = None
    dpo: Preferences | None = None


class JobFailure(msgspec.Struct, kw_only=True):
    """Why a job failed."""

    code: str
    message: str
    param: str | None = None


class PostilOfJob(msgspec.Struct, kw_only=True):
    """What postil tells of a job beyond OpenAI's fields: how far it is, and the figures of its result."""

    domain: str
    adapter: str
    owner: str
    reject: str | None
    lora_r: int
    step: int
    steps: int
    accuracy: float | None
    base_accuracy: float | None
    loss: float | None


class FineTuningJob(msgspec.Struct, kw_only=True):
    """A fine-tuning job; ``fine_tuned_model`` is its release, which is not live until somebody promotes it."""

    id: str
    object: Literal["fine_tuning.job"] = "fine_tuning.job"
    created_at: int
    finished_at: int | None
    estimated_finish: int | None
    model: str
    fine_tuned_model: str | None
    organization_id: str
    status: str
    hyperparameters: Hyperparameters
    method: Method
    training_file: str
    validation_file: str | None
    result_files: list[str]
    trained_tokens: int | None
    error: JobFailure | None
    seed: int
    suffix: str
    metadata: dict[str, str]
    integrations: list[dict[str, Any]]
    postil: PostilOfJob


class FineTuningJobList(msgspec.Struct, kw_only=True):
    """Jobs, the newest first."""

    object: Literal["list"] = "list"
    data: list[FineTuningJob]
    has_more: bool


class FineTuningEvent(msgspec.Struct, kw_only=True):
    """What a job told at one moment."""

    id: str
    object: Literal["fine_tuning.job.event"] = "fine_tuning.job.event"
    created_at: int
    level: str
    message: str
    type: str
    data: dict[str, Any]


class FineTuningEventList(msgspec.Struct, kw_only=True):
    """Events, the newest first."""

    object: Literal["list"] = "list"
    data: list[FineTuningEvent]
    has_more: bool


class CheckpointMetrics(msgspec.Struct, kw_only=True):
    """The figures of a checkpoint; ``accuracy`` is of whole answers."""

    step: int
    full_valid_loss: float | None
    accuracy: float | None


class FineTuningCheckpoint(msgspec.Struct, kw_only=True):
    """A state of the adapter that can be asked: the release."""

    id: str
    object: Literal["fine_tuning.job.checkpoint"] = "fine_tuning.job.checkpoint"
    created_at: int
    fine_tuned_model_checkpoint: str
    fine_tuning_job_id: str
    metrics: CheckpointMetrics
    step_number: int


class FineTuningCheckpointList(msgspec.Struct, kw_only=True):
    """Checkpoints, the newest first: the best state alone is kept, so there is one at most."""

    object: Literal["list"] = "list"
    data: list[FineTuningCheckpoint]
    first_id: str | None
    last_id: str | None
    has_more: bool = False
