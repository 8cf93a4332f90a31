"""The commands for noise that was found before: `apply`, `remove` and `inspect`."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from unlearnable.cli.app import (
    GO_ON,
    Format,
    Json,
    KeepLocation,
    Quality,
    Resume,
    SkipUnreadable,
    StripMetadata,
    app,
    list_left_out,
    progress,
    writing_of,
)
from unlearnable.telling import print_applied, print_key

Key = Annotated[Path, typer.Argument(help="A .private folder, or a noise file.")]
Chosen = Annotated[
    str | None,
    typer.Option(
        "--class", help="The class of all photos.", show_default="by the name of their folder"
    ),
]

HALF_DONE = "stopped: the photos that are done are kept."


@app.command()
def apply(
    key: Key,
    new: Annotated[list[Path], typer.Argument(help="Photos, or folders of photos.")],
    out: Annotated[Path, typer.Option(help="A folder that is not there yet.")],
    chosen: Chosen = None,
    file_format: Format = "png",
    quality: Quality = None,
    strip_metadata: StripMetadata = False,
    keep_location: KeepLocation = False,
    skip_unreadable: SkipUnreadable = False,
    resume: Resume = False,
    as_json: Json = False,
) -> None:
    """Protect new photos with noise that was found before, in seconds."""
    from unlearnable.applying import apply as run
    from unlearnable.data.folder import private_beside

    writing = writing_of(file_format, quality, strip_metadata, keep_location)
    with progress(GO_ON) as tell:
        done = run(
            key,
            new,
            out,
            chosen=chosen,
            writing=writing,
            skip_unreadable=skip_unreadable,
            resume=resume,
            tell=tell,
        )
    if as_json:
        print(json.dumps({"destination": str(out), "files": [asdict(file) for file in done.files]}))
    else:
        print_applied(done, private_beside(out))
    list_left_out(done.skipped)


@app.command()
def remove(
    key: Key,
    protected: Annotated[list[Path], typer.Argument(help="Protected photos, or folders of them.")],
    out: Annotated[Path, typer.Option(help="A folder that is not there yet.")],
    chosen: Chosen = None,
    approximate: Annotated[
        bool, typer.Option("--approximate", help="Accept what may differ from the original.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Give the originals of protected photos back to the owner of the key."""
    from unlearnable.applying import remove as run

    with progress(HALF_DONE) as tell:
        done = run(key, protected, out, chosen=chosen, approximate=approximate, tell=tell)
    if as_json:
        print(json.dumps({"destination": str(out), "files": [file.name for file in done.files]}))
    else:
        count = f"{len(done.files)} photo{'s' * (len(done.files) != 1)}"
        print(f"{count} without noise in {out}: keep to yourself.")
    list_left_out(done.skipped)


@app.command()
def inspect(
    key: Key,
    picture: Annotated[
        Path | None, typer.Option(help="A PNG file that is not there yet, to see the noise in.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Say what a key is, and show it."""
    from unlearnable.keys import inspect as run
    from unlearnable.keys import write_picture

    facts = run(key)
    if picture is not None:
        write_picture(key, picture)
    if as_json:
        print(json.dumps(facts))
    else:
        print_key(facts, picture)
