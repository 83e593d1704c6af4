"""Training data that a small base can learn in seconds, and files and jobs made of it."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from postil.registry.db.database import Database
from postil.registry.db.job_tables import TrainingFile, TrainingJob
from postil.registry.jobs import jobs
from postil.registry.jobs.files import TrainingFiles, Upload
from postil.registry.jobs.jobs import JobRequest
from postil.registry.jobs.options import JobOptions
from postil.registry.names import AdapterName

NAME = AdapterName("healthcare", "triage")
WORDS = {"symptoms": ["knee hurts", "sore throat", "itchy rash"], "billing": ["wrong invoice", "refund please"]}
THINGS = [f"{size} {thing}" for size in ("small", "large") for thing in ("knee", "back", "hand", "foot", "ear")]
WHEN = ["today", "again", "since monday", "sir", "hello"]


def chats() -> list[dict[str, Any]]:
    """OpenAI's form: a prompt, a message, and the label as JSON."""
    return [
        chat(f"{words} {when}", json.dumps({"category": label}))
        for label, all_words in WORDS.items()
        for words, when in itertools.product(all_words, WHEN)
    ]


def chat(message: str, answer: str) -> dict[str, Any]:
    """One example in OpenAI's form."""
    turns = [("system", "Sort."), ("user", message), ("assistant", answer)]
    return {"messages": [{"role": role, "content": content} for role, content in turns]}


def answers() -> list[dict[str, Any]]:
    """Conversations whose answers are free text."""
    return [chat(f"How is the {what}?", f"The {what} is well, thank you.") for what in THINGS]


def preferences() -> list[dict[str, Any]]:
    """Better and worse answers, in OpenAI's form."""

    def said(content: str) -> list[dict[str, str]]:
        return [{"role": "assistant", "content": content}]

    return [
        {
            "input": {"messages": [{"role": "user", "content": f"How is the {what}?"}]},
            "preferred_output": said(f"The {what} is well, thank you."),
            "non_preferred_output": said("Go away."),
        }
        for what in THINGS
    ]


def text(rows: Iterable[Mapping[str, Any]]) -> str:
    """JSONL."""
    return "".join(json.dumps(row) + "\n" for row in rows)


def written(path: Path, content: str) -> Path:
    """A file with this content; returns its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, encoding="utf-8")
    return path


def added(files: TrainingFiles, folder: Path, content: str | None = None, **more: Any) -> TrainingFile:
    """A file that was uploaded by ann for healthcare."""
    path = written(folder / "upload", text(chats()) if content is None else content)
    return files.add(Upload(path, **{"filename": "triage.jsonl", "domain": "healthcare", "owner": "ann", **more}))


def job_of(database: Database, file: TrainingFile, *, most_open: int = 9, **more: Any) -> TrainingJob:
    """A job that ann made."""
    wanted = {"name": NAME, "model": "base", "training_file": file.id, "options": JobOptions(), "seed": 7}
    return jobs.create(database, JobRequest(**{**wanted, "owner": "ann", **more}), most_open=most_open)
