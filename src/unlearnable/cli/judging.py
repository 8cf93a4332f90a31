"""The commands that judge images: `audit`, `report` and `detect`."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from unlearnable.cli.app import (
    RUN_AGAIN,
    STOPPED,
    DataDir,
    Device,
    Download,
    Json,
    Size,
    app,
    listed,
    progress,
    whole_numbers,
)
from unlearnable.telling import announce_audit, note, print_audit, print_detection


@app.command()
def audit(
    protected: Annotated[Path, typer.Argument(help="A folder that `protect` wrote.")],
    clean: Annotated[str, typer.Option(help="What it was made from.")],
    test: Annotated[str, typer.Option(help="Clean test images of the same classes.")],
    out: Annotated[Path, typer.Option(help="The run's folder; finished cells are kept in it.")],
    background: Annotated[
        str | None, typer.Option(help="The other classes, for a folder of `protect --as`.")
    ] = None,
    arms: Annotated[
        str, typer.Option(help="What to train on: clean, protected, random, mix:SHARE.")
    ] = "clean,protected,random",
    countermeasures: Annotated[
        str,
        typer.Option(
            help="What a trainer may do, as in none, gray,jpeg:10+gray, standard or all; see "
            "`unlearnable countermeasures`."
        ),
    ] = "quick",
    channels: Annotated[
        str,
        typer.Option(
            help="Ways to the trainer, measured as countermeasures are: web, or such as "
            "jpeg:75,webp:80.",
            show_default="none",
        ),
    ] = "",
    models: Annotated[str, typer.Option(help="Target models.")] = "resnet18:16",
    seeds: Annotated[str, typer.Option(help="A training each.")] = "0",
    scale: Annotated[
        str, typer.Option(help="quick, fast, photos, paper, or a row of the paper: paper:cifar10.")
    ] = "quick",
    heldout: Annotated[
        int | None,
        typer.Option(
            help="Clean images a class, off the test set, for countermeasures that take some.",
            show_default="50 where needed",
            min=1,
        ),
    ] = None,
    size: Size = None,
    device: Device = "auto",
    jobs: Annotated[
        int | None, typer.Option(help="Trainings at a time.", min=1, show_default="one a GPU")
    ] = None,
    data_dir: DataDir = Path("data"),
    download: Download = False,
    as_json: Json = False,
) -> None:
    """Train models on the files as published, and say how much they learnt."""
    with progress(RUN_AGAIN) as tell:
        from unlearnable.auditing import audit as run

        found = run(
            protected,
            clean=clean,
            test=test,
            out=out,
            background=background,
            arms=listed(arms),
            countermeasures=[*listed(countermeasures), *listed(channels)],
            models=listed(models),
            seeds=whole_numbers(seeds),
            scale=scale,
            heldout=heldout,
            size=size,
            device=device,
            jobs=jobs,
            data_dir=data_dir,
            download=download,
            tell=tell,
            announce=announce_audit,
        )
    if as_json:
        print(
            json.dumps(
                {
                    "out": str(found.folder),
                    "verdict": asdict(found.verdict),
                    "doubts": [asdict(doubt) for doubt in found.doubts],
                    "rows": found.rows,
                }
            )
        )
    else:
        print_audit(found)
        print(f"\nThe whole of it, for your eyes only: {found.folder}/report.html")
    if found.elsewhere:
        note(f"{found.elsewhere} cells are being run by another process; the table lacks them.")


@app.command()
def report(
    run: Annotated[Path, typer.Argument(help="The folder of an audit.")],
    public: Annotated[
        bool, typer.Option("--public", help="Without pictures, names and seeds, to be shown.")
    ] = False,
) -> None:
    """Write the report of an audit anew, or one to be shown to others."""
    from unlearnable.report.page import write_report

    print(write_report(run, public=public))


@app.command()
def detect(
    source: Annotated[str, typer.Argument(help="Labelled images, as `protect` takes them.")],
    clean: Annotated[
        str | None, typer.Option(help="The same images without the change, if there are.")
    ] = None,
    size: Size = None,
    seed: Annotated[int, typer.Option(help="Same seed, same result.")] = 0,
    device: Device = "auto",
    data_dir: DataDir = Path("data"),
    download: Download = False,
    as_json: Json = False,
) -> None:
    """Say whether labelled images carry noise that is learnt instead of them."""
    with progress(STOPPED) as tell:
        from unlearnable.detecting import detect as run

        found = run(
            source,
            clean=clean,
            size=size,
            seed=seed,
            device=device,
            data_dir=data_dir,
            download=download,
            tell=tell,
        )
    if as_json:
        print(json.dumps(found.as_dict()))
    else:
        print_detection(found)
