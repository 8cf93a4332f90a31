"""The command for researchers: `reproduce`."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from unlearnable.cli.app import (
    RUN_AGAIN,
    DataDir,
    Device,
    Download,
    Json,
    app,
    listed,
    progress,
)
from unlearnable.errors import SettingError
from unlearnable.telling import (
    announce_reproduction,
    print_recipes,
    print_reproduction,
    print_verification,
)

if TYPE_CHECKING:
    from unlearnable.reproducing import Verification

DISAGREES = 1


@app.command()
def reproduce(
    name: Annotated[str, typer.Argument(help="A table or figure of the paper, or list.")],
    scale: Annotated[
        str, typer.Option(help="quick, for two cores, or paper, to the letter.")
    ] = "quick",
    data: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=PATH", help="Where a data set is; repeatable."),
    ] = None,
    only: Annotated[list[str] | None, typer.Option(help="A row of the table; repeatable.")] = None,
    methods: Annotated[
        str | None,
        typer.Option(help="Of the bench: noises, as in em,lsp or em:16.", show_default="its own"),
    ] = None,
    countermeasures: Annotated[
        str | None, typer.Option(help="Of the bench, as in gray,jpeg:10.", show_default="its own")
    ] = None,
    models: Annotated[
        str | None, typer.Option(help="Of the bench: target models.", show_default="resnet18")
    ] = None,
    out: Annotated[
        Path, typer.Option(help="A folder; what is finished there is not run again.")
    ] = Path("reproduced"),
    verify: Annotated[
        bool, typer.Option("--verify", help="Run one finished training again, and compare.")
    ] = False,
    device: Device = "auto",
    jobs: Annotated[
        int | None, typer.Option(help="Trainings at a time.", min=1, show_default="one a GPU")
    ] = None,
    data_dir: DataDir = Path("data"),
    download: Download = False,
    as_json: Json = False,
) -> None:
    """Run an experiment of the paper, or the bench; put its table beside the published one."""
    if name == "list":
        _list_recipes(as_json)
        return
    given: dict[str, Any] = {
        "scale": scale,
        "data": _sources(data or []),
        "only": only or [],
        "out": out,
        "device": device,
        "data_dir": data_dir,
        "download": download,
    }
    with progress(RUN_AGAIN) as tell:
        from unlearnable import reproducing
        from unlearnable.recipes.benchmark import Choice

        choice = Choice(*(tuple(listed(text or "")) for text in (methods, countermeasures, models)))
        if choice != Choice():
            given["choice"] = choice
        if verify:
            _tell_verification(reproducing.verify(name, **given, tell=tell), as_json)
            return
        done = reproducing.reproduce(
            name, **given, jobs=jobs, tell=tell, announce=announce_reproduction
        )
    if as_json:
        figures = [{"row": r, "column": c, **asdict(f)} for (r, c), f in done.figures.items()]
        print(json.dumps({"out": str(out), "figures": figures, "findings": done.findings}))
    else:
        print_reproduction(done)


def _list_recipes(as_json: bool) -> None:
    from unlearnable.recipes import RECIPES
    from unlearnable.recipes.scale import Scale

    table = {name: recipe(Scale()) for name, recipe in RECIPES.items()}
    if as_json:
        print(json.dumps({name: {"title": r.title, "about": r.about} for name, r in table.items()}))
    else:
        print_recipes(table)


def _tell_verification(found: Verification, as_json: bool) -> None:
    """Say what was found, and end with status 1 if it disagrees."""
    if as_json:
        print(json.dumps({**asdict(found), "agrees": found.agrees}))
    else:
        print_verification(found)
    if not found.agrees:
        raise typer.Exit(DISAGREES)


def _sources(texts: list[str]) -> dict[str, str]:
    """Data sets by name, from texts such as `cifar10=PATH`."""
    split = [text.partition("=") for text in texts]
    for (name, equals, path), text in zip(split, texts, strict=True):
        if not (name and equals and path):
            raise SettingError(f"--data {text}: write it as NAME=PATH, as in cifar10=data/cifar10.")
    return {name: path for name, _, path in split}
