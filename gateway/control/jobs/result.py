"""Publishes what a job trained: a release that is not live, with the lineage of its data in its report."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from postil.gateway.control.jobs.service import FineTuning
from postil.gateway.control.publish import Origin, PublishService, Source
from postil.gateway.control.registry_handle import RegistryHandle
from postil.gateway.errors import AuthenticationError, ForbiddenError
from postil.gateway.tenancy.callers import Callers
from postil.gateway.tenancy.permissions import Permission
from postil.registry.artifacts.hub.fetch import Patience
from postil.registry.db import queries as store
from postil.registry.db.job_tables import TrainingFile, TrainingJob
from postil.registry.errors import JobError, NotFoundError
from postil.registry.jobs import folder
from postil.registry.jobs.figures import figures
from postil.registry.jobs.first_policy import first_policy
from postil.registry.jobs.options import RESULT, JobOptions
from postil.registry.names import AdapterName
from postil.registry.policy.policy import Policy, parse_policy


class ResultPublisher:
    """Publishes as the owner of the job, if the key that made it may still publish to its domain."""

    def __init__(
        self, registry: RegistryHandle, callers: Callers, tuning: FineTuning, publishing: PublishService
    ) -> None:
        self._registry = registry
        self._callers = callers
        self._tuning = tuning
        self._publishing = publishing

    async def publish(self, job: TrainingJob, place: Path) -> tuple[str, dict[str, float]]:
        """Return the release's name and its figures; twice it is the same release.

        Raises what a publish does, or JobError where the key may no longer publish.
        """
        scope = self._scope(job)
        name, asked = AdapterName(job.domain, job.adapter), JobOptions.model_validate(job.options)
        report = await asyncio.to_thread(self._with_lineage, job, place / RESULT)
        made = await self._publishing.publish(
            _from_folder(place / RESULT),
            name,
            await asyncio.to_thread(self._policy, name, asked, report),
            note=asked.note or f"fine-tuning job {job.id}",
            actor=job.owner,
            scope=scope,
        )
        return str(name.release(made.release.number)), figures(report)

    def _scope(self, job: TrainingJob) -> frozenset[str] | None:
        """The domains of the key that made a job, as they are now."""
        if not job.made_with:
            return None if job.scope is None else frozenset(job.scope)
        try:
            caller = self._callers.current.recall(job.made_with)
        except (AuthenticationError, ForbiddenError) as error:
            raise JobError(f"the key that made this job signs nobody in now: {error}") from error
        if not caller.may(Permission.PUBLISH, job.domain):
            raise JobError(f"the key that made this job may no longer publish to {job.domain}; use one that may")
        return caller.scope

    def _with_lineage(self, job: TrainingJob, made: Path) -> dict[str, Any]:
        files = {
            "training_file": self._told(job.training_file),
            "validation_file": None if job.validation_file is None else self._told(job.validation_file),
        }
        return folder.add_lineage(made, {"id": job.id, "seed": job.seed, **files})

    def _told(self, file_id: str) -> Mapping[str, Any]:
        try:
            file: TrainingFile = self._tuning.files.get(file_id, None)
        except NotFoundError:  # Its time was over meanwhile.
            return {"id": file_id}
        return {"id": file.id, "filename": file.filename, "digest": file.digest, "examples": file.rows}

    def _policy(self, name: AdapterName, asked: JobOptions, report: Mapping[str, Any]) -> Policy | None:
        """The policy that the job names; else that in force, or of a new adapter one that fits its training."""
        if asked.policy is not None:
            return parse_policy(asked.policy)
        with self._registry.database().read() as session:
            known = store.releases(session, name)
        return None if known else first_policy(report)


def _from_folder(made: Path) -> Source:
    def take(target: Path, patience: Patience) -> Origin:
        for path in made.iterdir():
            shutil.copyfile(path, target / path.name)
        return Origin("", ())

    return Source(take, remote=False)
