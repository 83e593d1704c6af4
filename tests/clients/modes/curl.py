"""curl: HTTP/1.1, an upgrade to HTTP/2, a compressed body."""

import gzip
import json
import subprocess

from report import KEY, LABELS, OPENAI_URL, TEXT, categorised, run

BODY = json.dumps({"model": LABELS, "messages": [{"role": "user", "content": TEXT}]})
HEADERS = ("-H", f"Authorization: Bearer {KEY}", "-H", "Content-Type: application/json")


def posted(*options: str, body: bytes = BODY.encode()) -> object:
    command = ["curl", "-sS", "--fail-with-body", *HEADERS, *options, "--data-binary", "@-"]
    done = subprocess.run([*command, f"{OPENAI_URL}/chat/completions"], input=body, capture_output=True, check=False)
    assert done.returncode == 0, (done.stdout + done.stderr).decode()
    return categorised(json.loads(json.loads(done.stdout)["choices"][0]["message"]["content"]))


run(
    {
        "chat": posted,
        "HTTP/2 upgrade": lambda: posted("--http2"),
        "gzip": lambda: posted("-H", "Content-Encoding: gzip", body=gzip.compress(BODY.encode())),
    }
)
