"""The command ``llm``, with a model of its own file."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from report import KEY, LABELS, OPENAI_URL, TEXT, categorised, run

MODELS = f"- {{model_id: triage, model_name: {LABELS}, api_base: '{OPENAI_URL}', api_key_name: postil}}\n"


def prompted(*options: str) -> object:
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "extra-openai-models.yaml").write_text(MODELS, encoding="utf-8")
        (Path(folder) / "keys.json").write_text(json.dumps({"postil": KEY}), encoding="utf-8")
        command = [Path(sys.executable).with_name("llm"), "-m", "triage", *options, TEXT]
        environment = {**os.environ, "LLM_USER_PATH": folder}
        done = subprocess.run(command, env=environment, capture_output=True, encoding="utf-8", check=False)
    assert done.returncode == 0, done.stderr
    return categorised(json.loads(done.stdout))


run({"prompt, streamed": prompted, "prompt": lambda: prompted("--no-stream")})
