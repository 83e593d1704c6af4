"""What the documentation tells to type can be typed: the pages of a first day are followed to the letter."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import typer

from postil.gateway.cli.main import make_cli
from tests.deploy.parsed import parsed
from tests.fakes.demo_engine import reply, write_demo_base
from tests.fakes.vllm import running_engine
from tests.registry.conftest import create
from tests.registry.conftest import pg_folder as pg_folder
from tests.registry.conftest import postgres as postgres
from tests.support.doc_blocks import Reader, blocks, commands
from tests.support.paths import ROOT

DOCS = ROOT / "deploy" / "docs"
PAGES = sorted([ROOT / "README.md", ROOT / "SECURITY.md", ROOT / "deploy" / "README.md", *DOCS.glob("*.md")])
# Those on one line are read one after the other, at one gateway: to start it takes longest.
FOLLOWED = {
    "start": ["start.md"],
    "gateways": ["how-to-gateways.md"],
    "tls": ["how-to-tls.md"],
    "others": ["sizing.md", "how-to-sign.md", "how-to-release.md", "how-to-review.md"],
}
DATABASE = "postgresql+psycopg://postil:secret@localhost/postil"


@pytest.fixture
def elsewhere(request: pytest.FixtureRequest) -> dict[str, str]:
    """What stands elsewhere than the page says: a database, where it asks for one."""
    if request.node.callspec.params["name"] != "gateways":
        return {}
    return {DATABASE: create(request.getfixturevalue("postgres"))}


@pytest.fixture
async def reader(tmp_path: Path, elsewhere: dict[str, str]) -> AsyncIterator[Reader]:
    """Somebody in a clone, whose engine is a small fake of vLLM."""
    folder = tmp_path / "clone"
    folder.mkdir()
    (folder / "deploy").symlink_to(ROOT / "deploy")
    base = write_demo_base(tmp_path / "SmolLM2-135M-Instruct")
    async with running_engine() as (engine, url):
        engine.reply = reply
        settings = {"POSTIL_ENGINE_URL": url, "POSTIL_BASE_MODEL": str(base), "POSTIL_SHUTDOWN_DELAY_SECONDS": "0"}
        yield Reader(folder, settings, elsewhere)


@pytest.mark.parametrize("name", FOLLOWED)
async def test_pages_are_followed_to_the_letter(reader: Reader, name: str) -> None:
    def follow() -> None:
        with reader.at_work():
            for page in FOLLOWED[name]:
                reader.follow((DOCS / page).read_text(encoding="utf-8"))

    await asyncio.to_thread(follow)


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_command_in_a_block_is_one_with_these_options(path: Path) -> None:
    program = typer.main.get_command(make_cli())
    for block in blocks(path.read_text(encoding="utf-8")):
        for words in commands(block):
            assert words == ["--version"] or parsed(words, program), block.line


def test_what_is_not_run_is_listed_with_its_reason(capsys: pytest.CaptureFixture[str]) -> None:
    marked = [
        f"{path.relative_to(ROOT)}:{block.line}: {block.not_run}"
        for path in PAGES
        for block in blocks(path.read_text(encoding="utf-8"))
        if block.not_run
    ]
    with capsys.disabled():
        print("", "blocks that are marked as not run:", *marked, sep="\n  ")
    assert marked
