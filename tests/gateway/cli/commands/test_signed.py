"""Signing, and asking for signatures, as a user does it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.fakes.adapters import write_adapter
from tests.fakes.signing import KeyPair, key_pair
from tests.gateway.cli.commands.test_commands import postil
from tests.gateway.conftest import FREE_TEXT, House

NAME = "healthcare/triage"
SIGN = ("domains", "require-signature", "healthcare")


@pytest.fixture
def ours(tmp_path: Path) -> KeyPair:
    """The key that the domain accepts."""
    return key_pair(tmp_path, "ours")


async def test_a_folder_is_signed_published_exported_and_published_again(
    house: House, ours: KeyPair, tmp_path: Path
) -> None:
    source, target = write_adapter(tmp_path / "adapter"), tmp_path / "exported"
    status, out, complaints = await postil(house, *SIGN, "--key", str(ours.public), "--reason", "we sign")
    assert status == 0, complaints
    assert out.startswith("healthcare takes and loads only adapters signed with ")
    status, out, complaints = await postil(house, "publish", str(source), "--adapter", NAME)
    assert (status, out) == (1, "")
    assert complaints == (
        "error: healthcare takes signed adapters only, and this one has no signature; sign it with `postil publish"
        " FOLDER --sign KEY`\n"
    )
    status, out, complaints = await postil(
        house, "publish", str(source), "--adapter", NAME, "--sign", str(ours.private), "--promote"
    )
    assert (status, out) == (0, f"published {NAME}@1; it is live\n"), complaints
    assert not (source / "model.sig").exists()
    _, out, complaints = await postil(house, "export", f"{NAME}@1", str(target))
    assert "model.sig" in out, complaints
    _, out, complaints = await postil(house, "publish", str(target), "--adapter", NAME)
    assert "is the same adapter" in out, complaints
    _, out, _ = await postil(house, "publish", str(source), "--adapter", NAME, "--sign", str(ours.private))
    assert out == f"{NAME}@1 is the same adapter with the same policy; only its signature was kept\n"
    _, out, complaints = await postil(house, "publish", str(target), "--adapter", "healthcare/other", "--json")
    assert json.loads(out)["created"] is True, complaints
    weights = target / "adapter_model.safetensors"
    weights.write_bytes((write_adapter(tmp_path / "evil", seed=3) / weights.name).read_bytes())
    status, _, complaints = await postil(house, "publish", str(target), "--adapter", "healthcare/other")
    assert (status, "is one of other files than these" in complaints) == (1, True)


async def test_keys_are_rotated_shown_and_taken_back(house: House, ours: KeyPair, tmp_path: Path) -> None:
    await house.publish(NAME, FREE_TEXT)
    other = key_pair(tmp_path, "other")
    _, out, complaints = await postil(house, *SIGN, "--key", str(ours.public), "--key", str(other.public))
    assert f"cannot be loaded again: {NAME}@1" in out, complaints
    _, out, _ = await postil(house, "domains", "list")
    assert [line.split()[0] for line in out.splitlines()] == ["domain", "healthcare"]
    assert f"{NAME}@1" in out
    made = json.loads((await postil(house, *SIGN, "--key", str(other.public), "--json"))[1])
    assert [key["pem"] for key in made["keys"]] == [other.pem]
    assert (await postil(house, *SIGN, "--none"))[1] == "healthcare takes adapters without a signature\n"
    log = (await postil(house, "log"))[1]
    assert log.count("signature-require") == 3


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((*SIGN,), "give either --key PUBLIC.pem (once or more) or --none"),
        ((*SIGN, "--key", "HERE/ours-public.pem", "--none"), "give either --key PUBLIC.pem (once or more) or --none"),
        ((*SIGN, "--key", "HERE/ours.pem"), "that is a private key"),
        ((*SIGN, "--key", "HERE/none.pem"), "cannot be read"),
        ((*SIGN, "--none"), "healthcare accepts these keys already"),
        (("publish", "HERE/a", "--adapter", NAME, "--sign", "HERE/none.pem"), "cannot be read (No such file"),
        (("publish", "HERE/a", "--adapter", NAME, "--sign", "HERE/ours-public.pem"), "is no private key as a PEM"),
        (
            ("publish", "hf://acme/x", "--adapter", NAME, "--sign", "HERE/ours.pem"),
            "is not a local folder, so it cannot be signed",
        ),
    ],
)
async def test_what_cannot_be_done_is_said_in_one_sentence(
    house: House, ours: KeyPair, tmp_path: Path, arguments: tuple[str, ...], says: str
) -> None:
    write_adapter(tmp_path / "a")
    status, out, complaints = await postil(house, *(one.replace("HERE", str(tmp_path)) for one in arguments))
    assert (status, out) == (1, "")
    assert says in complaints
    assert len(complaints.splitlines()) == 1
