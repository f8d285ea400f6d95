"""`ediffi keys`: what pictures are signed with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ediffi.core.errors import UserError

if TYPE_CHECKING:
    from ediffi.trust.keys import Keys, Settings

app = typer.Typer(
    name="keys", help="What pictures are signed with (extra `trust`).", no_args_is_help=True
)

Name = Annotated[str, typer.Option(help="The signer, as pictures will show it.")]
Prompts = Annotated[
    bool | None, typer.Option(help="Let the signed part of pictures tell the prompt.")
]
Sign = Annotated[bool | None, typer.Option(help="Sign pictures.")]
Watermark = Annotated[
    bool | None, typer.Option(help="Mark pixels, of pictures from 256 pixels a side.")
]


@app.command()
def create(name: Name, prompts: Prompts = None) -> None:
    """Make a key of your own: a root, and a certificate that it vouches for.

    Without it a key with a random name is made when the first picture is drawn. Examples:

    ediffi keys create --name "Studio Fuchs"

    ediffi keys create --name "Studio Fuchs" --prompts   # signed pictures tell their prompts
    """
    from ediffi.trust.keys import create_keys, keys_folder

    _told(create_keys(_checked(keys_folder()), name), _changed(prompts=prompts))


@app.command("import")
def import_(
    chain: Annotated[Path, typer.Argument(help="PEM: the certificate, then those above it.")],
    key: Annotated[Path, typer.Argument(help="PEM: its private key, not encrypted.")],
    prompts: Prompts = None,
) -> None:
    """Sign with a certificate that you have, e.g. of an authority on the C2PA trust list.

    Example:

    ediffi keys import chain.pem key.pem
    """
    from ediffi.trust.keys import import_keys, keys_folder

    _told(import_keys(_checked(keys_folder()), chain, key), _changed(prompts=prompts))


@app.command()
def sign(
    model: Annotated[Path, typer.Argument(help="Model folder whose weights are signed.")],
) -> None:
    """Sign a model's weights: which model they are of, and what data taught it.

    The files change, and with them the model's hash: sign before you publish. `ediffi info` checks.
    Example:

    ediffi keys sign my-model
    """
    from ediffi.trust.keys import ensure_keys, keys_folder
    from ediffi.trust.weights import sign_model

    digest = sign_model(model, ensure_keys(_checked(keys_folder())))
    typer.echo(f"{model} is signed; its hash is now {digest}")


@app.command()
def change(sign: Sign = None, prompts: Prompts = None, watermark: Watermark = None) -> None:
    """Change what you agreed to.

    Examples:

    ediffi keys change --no-sign      # from now on pictures are not signed

    ediffi keys change --prompts      # the signed part tells the prompt

    ediffi keys change --watermark    # the pixels carry a mark that saving anew leaves there
    """
    typer.echo(_agreed(_changed(sign=sign, prompts=prompts, watermark=watermark)))


@app.command()
def show(
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Show the key that pictures are signed with, and what it proves.

    Example:

    ediffi keys show
    """
    from ediffi.trust.keys import keys_folder, load_keys, load_settings

    folder = _checked(keys_folder())
    keys, settings = load_keys(folder), load_settings(folder)
    if as_json:
        facts = {"folder": str(folder), "key": keys and keys.described(), **settings.model_dump()}
        typer.echo(json.dumps(facts, indent=2, ensure_ascii=False))
    elif keys is None:
        typer.echo(f"no key yet: one is made with the first picture, in {folder}")
        typer.echo(_agreed(settings))
    else:
        _told(keys, settings)


def _checked(folder: Path) -> Path:
    from ediffi.trust.manifest import installed

    if not installed():
        raise UserError("keys need the extra `trust`: pip install 'ediffi[trust]'")
    return folder


def _changed(**asked: bool | None) -> Settings:
    from ediffi.trust.keys import keys_folder, load_settings, save_settings

    folder = keys_folder()
    told = {name: value for name, value in asked.items() if value is not None}
    settings = load_settings(folder).model_copy(update=told)
    if told:
        save_settings(folder, settings)
    return settings


def _told(keys: Keys, settings: Settings) -> None:
    from ediffi.trust.keys import WHAT_IT_PROVES, keys_folder

    facts = keys.described()
    for name in ("name", "issuer", "fingerprint", "algorithm", "valid_until"):
        typer.echo(f"{name.replace('_', ' ')}: {facts[name]}")
    typer.echo(f"folder: {keys_folder()}")
    typer.echo(_agreed(settings))
    if "self-made" in str(facts["issuer"]):
        typer.echo(f"what it proves: {WHAT_IT_PROVES}")


def _agreed(settings: Settings) -> str:
    signed = "pictures are signed" if settings.sign else "pictures are not signed"
    told = "tells the prompt" if settings.prompts else "does not tell the prompt"
    marked = "pixels are marked" if settings.watermark else "pixels are not marked"
    return f"{signed}; the signed part {told}; {marked}"
