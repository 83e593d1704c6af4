"""Training files and jobs as OpenAI's clients read them, and what a body asks of training."""

from __future__ import annotations

from datetime import datetime

import msgspec

from postil.gateway.api.openai.training_schemas import (
    DPO,
    SUPERVISED,
    CheckpointMetrics,
    FileObject,
    FineTuningCheckpoint,
    FineTuningCheckpointList,
    FineTuningEvent,
    FineTuningJob,
    FineTuningJobBody,
    Hyperparameters,
    JobFailure,
    Method,
    PostilBody,
    PostilOfJob,
    PreferenceHyperparameters,
    Preferences,
    Supervised,
)
from postil.registry.db.job_tables import TrainingEvent, TrainingFile, TrainingJob
from postil.registry.jobs.methods import PREFERENCES
from postil.registry.jobs.options import AUTO, JobOptions
from postil.registry.jobs.states import JobStatus

EVENT_MARK = "ftevent-"


def show_file(file: TrainingFile) -> FileObject:
    """A file as OpenAI's clients read it."""
    return FileObject(
        id=file.id,
        bytes=file.bytes,
        created_at=_second(file.created_at),
        expires_at=_second_or_none(file.expires_at),
        filename=file.filename,
        purpose=file.purpose,
        domain=file.domain,
        digest=file.digest,
        rows=file.rows,
    )


def show_job(job: TrainingJob) -> FineTuningJob:
    """A job as OpenAI's clients read it."""
    asked = JobOptions.model_validate(job.options)
    told = Hyperparameters(
        n_epochs=asked.n_epochs,
        batch_size=asked.batch_size,
        learning_rate_multiplier=asked.learning_rate_multiplier,
    )
    return FineTuningJob(
        id=job.id,
        created_at=_second(job.created_at),
        finished_at=_second_or_none(job.finished_at),
        estimated_finish=_second_or_none(job.estimated_finish),
        model=job.model,
        fine_tuned_model=job.fine_tuned_model,
        organization_id=job.domain,
        status=JobStatus.RUNNING.value if job.status == JobStatus.PUBLISHING else job.status,
        hyperparameters=told,
        method=_method(asked, told),
        training_file=job.training_file,
        validation_file=job.validation_file,
        result_files=[],
        trained_tokens=None,
        error=JobFailure(**job.error) if job.error else None,
        seed=job.seed,
        suffix=f"{job.domain}/{job.adapter}",
        metadata=job.remarks,
        integrations=[],
        postil=PostilOfJob(
            domain=job.domain,
            adapter=job.adapter,
            owner=job.owner,
            reject=asked.reject,
            lora_r=asked.lora_r,
            step=job.step,
            steps=job.steps,
            accuracy=job.metrics.get("accuracy"),
            base_accuracy=job.metrics.get("base_accuracy"),
            loss=job.metrics.get("full_valid_loss"),
        ),
    )


def _method(asked: JobOptions, told: Hyperparameters) -> Method:
    if asked.method != PREFERENCES:
        return Method(type=SUPERVISED, supervised=Supervised(hyperparameters=told))
    own = PreferenceHyperparameters(beta=asked.beta, **msgspec.structs.asdict(told))
    return Method(type=DPO, dpo=Preferences(hyperparameters=own))


def show_event(event: TrainingEvent) -> FineTuningEvent:
    """An event as OpenAI's clients read it."""
    return FineTuningEvent(
        id=f"{EVENT_MARK}{event.id}",
        created_at=_second(event.at),
        level=event.level,
        message=event.message,
        type=event.kind,
        data=event.data,
    )


def show_checkpoints(job: TrainingJob) -> FineTuningCheckpointList:
    """The one state that a job kept, once it is a release."""
    if job.status != JobStatus.SUCCEEDED or job.fine_tuned_model is None or job.finished_at is None:
        return FineTuningCheckpointList(data=[], first_id=None, last_id=None)
    only = FineTuningCheckpoint(
        id=job.id.replace("ftjob-", "ftckpt-"),
        created_at=_second(job.finished_at),
        fine_tuned_model_checkpoint=job.fine_tuned_model,
        fine_tuning_job_id=job.id,
        metrics=CheckpointMetrics(
            step=job.step, full_valid_loss=job.metrics.get("full_valid_loss"), accuracy=job.metrics.get("accuracy")
        ),
        step_number=job.step,
    )
    return FineTuningCheckpointList(data=[only], first_id=only.id, last_id=only.id)


def options_of(body: FineTuningJobBody) -> JobOptions:
    """What a body asks of training; the method's hyperparameters win over the older place for them."""
    own = body.postil or PostilBody()
    chosen = None if body.method is None else body.method.dpo or body.method.supervised
    placed = (body.hyperparameters, None if chosen is None else chosen.hyperparameters)
    by = {"method": PREFERENCES} if body.method is not None and body.method.type == DPO else {}
    asked = {
        name: value
        for one in placed
        if one is not None
        for name, value in msgspec.structs.asdict(one).items()
        if value not in (None, AUTO)
    }
    more = {name: value for name, value in msgspec.structs.asdict(own).items() if value is not None}
    return JobOptions.model_validate(asked | more | by)


def _second(at: datetime) -> int:
    return int(at.timestamp())


def _second_or_none(at: datetime | None) -> int | None:
    return None if at is None else _second(at)
