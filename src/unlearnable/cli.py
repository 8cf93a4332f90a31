"""The commands: they parse, call and print. Nothing here loads torch before there is work to do."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from unlearnable import __version__
from unlearnable.errors import SettingError, UnlearnableError
from unlearnable.telling import (
    announce_audit,
    announce_protection,
    note,
    print_audit,
    print_countermeasures,
    print_detection,
    print_methods,
    print_protection,
)

MISTAKE, SKIPPED, INTERRUPTED = 2, 1, 130
GO_ON = "stopped: the same command with --resume goes on from here."
USAGE_ERROR: Any = typer.BadParameter.__base__  # typer gives it no public name
RUN_AGAIN = "stopped: the same command goes on from here; finished cells are kept."
STOPPED = "stopped: nothing is kept."

app = typer.Typer(
    name="unlearnable",
    help="Protect images from being learnt by models that nobody asked about, and prove it.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON, for machines.")]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, …")]
DataDir = Annotated[Path, typer.Option(help="Where torchvision's data sets lie.")]
Download = Annotated[bool, typer.Option("--download", help="Fetch a torchvision data set.")]
Size = Annotated[
    int | None,
    typer.Option(help="Working size in pixels, for images of mixed sizes.", show_default="auto"),
]
Resume = Annotated[bool, typer.Option("--resume", help="Go on with an interrupted run.")]


def main() -> None:
    """Run the command line: a user's mistake is one line on standard error and status 2."""
    try:
        sys.exit(app(prog_name=app.info.name, standalone_mode=False))
    except UnlearnableError as error:
        note(f"error: {error}")
    except USAGE_ERROR as error:
        if len(sys.argv) > 1:  # a bare `unlearnable` has shown its help
            message = error.format_message().rstrip(".")
            note(f"error: {message}: see `{_called(error)} --help`.")
    sys.exit(MISTAKE)


def _called(error: Any) -> str:
    """The command that a usage error is about, as it was typed."""
    return str(error.ctx.command_path if error.ctx else app.info.name)


def _version(wanted: bool) -> None:
    if wanted:
        print(f"unlearnable {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Hold the options that stand before a command."""


@app.command()
def protect(
    source: Annotated[
        str,
        typer.Argument(
            help="A folder with one sub-folder a class, or with train/ and test/; cifar10, "
            "cifar100, svhn, imagenet or shapes; hf:NAME[:SPLIT]; an .npz file."
        ),
    ],
    destination: Annotated[Path, typer.Argument(help="A folder that is not there yet.")],
    method: Annotated[str, typer.Option(help="The noise; see `unlearnable methods`.")] = "em",
    form: Annotated[
        str | None, typer.Option(help="sample-wise or class-wise.", show_default="the method's")
    ] = None,
    epsilon: Annotated[
        float | None,
        typer.Option(help="Budget in levels of 255.", show_default="as published, 8"),
    ] = None,
    surrogate: Annotated[
        str | None,
        typer.Option(help="Model to search against, such as resnet18:16.", show_default="auto"),
    ] = None,
    size: Size = None,
    seed: Annotated[
        int | None, typer.Option(help="Part of the key.", show_default="drawn in secret")
    ] = None,
    device: Device = "auto",
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Any setting of the method; repeatable."),
    ] = None,
    data_dir: DataDir = Path("data"),
    download: Download = False,
    skip_unreadable: Annotated[
        bool, typer.Option("--skip-unreadable", help="Leave out, and list, unreadable images.")
    ] = False,
    resume: Resume = False,
    as_json: Json = False,
) -> None:
    """Give a folder of images back, looking the same, protected."""
    from unlearnable.noise import Budget

    chosen = _settings(settings or [], form=form, surrogate=surrogate)
    budget = None
    if epsilon is not None:
        budget = Budget("linf", int(epsilon) if epsilon.is_integer() else epsilon)
    with _progress(GO_ON) as tell:
        from unlearnable.methods import make_method
        from unlearnable.protecting import protect as run

        done = run(
            source,
            destination,
            method=make_method(method, chosen),
            budget=budget,
            size=size,
            seed=seed,
            device=device,
            data_dir=data_dir,
            download=download,
            skip_unreadable=skip_unreadable,
            resume=resume,
            tell=tell,
            announce=announce_protection,
        )
    if as_json:
        print(json.dumps({"destination": str(done.destination), **done.manifest}))
    else:
        print_protection(done.manifest, done.destination, done.private)
    if done.skipped:
        for line in done.skipped:
            note(f"left out: {line}")
        raise typer.Exit(SKIPPED)


@app.command()
def audit(
    protected: Annotated[Path, typer.Argument(help="A folder that `protect` wrote.")],
    clean: Annotated[str, typer.Option(help="What it was made from.")],
    test: Annotated[str, typer.Option(help="Clean test images of the same classes.")],
    out: Annotated[Path, typer.Option(help="The run's folder; finished cells are kept in it.")],
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
    models: Annotated[str, typer.Option(help="Target models.")] = "resnet18:16",
    seeds: Annotated[str, typer.Option(help="A training each.")] = "0",
    scale: Annotated[
        str, typer.Option(help="quick, fast, paper, or a row of the paper: paper:cifar10.")
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
    with _progress(RUN_AGAIN) as tell:
        from unlearnable.auditing import audit as run

        found = run(
            protected,
            clean=clean,
            test=test,
            out=out,
            arms=_list(arms),
            countermeasures=_list(countermeasures),
            models=_list(models),
            seeds=_whole_numbers(seeds),
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
    with _progress(STOPPED) as tell:
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


@app.command()
def countermeasures(as_json: Json = False) -> None:
    """List what a trainer may do to learn anyway, with settings, cost and source."""
    if not as_json:
        print_countermeasures()
        return
    from unlearnable.countermeasures import COUNTERMEASURES, SETS
    from unlearnable.settings import described

    table = {
        name: {
            "source": cls.source,
            "cost": cls().cost,
            "hooks": sorted(cls().hooks),
            "settings": described(cls),
        }
        for name, cls in COUNTERMEASURES.items()
    }
    print(json.dumps({"countermeasures": table, "sets": SETS}))


@app.command()
def methods(as_json: Json = False) -> None:
    """List the noise methods with their settings."""
    if not as_json:
        print_methods()
        return
    from unlearnable.methods import METHODS
    from unlearnable.settings import described

    table = {
        name: {
            "source": cls.source,
            "published": asdict(cls.published),
            "settings": described(cls),
        }
        for name, cls in METHODS.items()
    }
    print(json.dumps(table))


@app.command()
def demo(
    out: Annotated[Path, typer.Option(help="A folder for what it makes.")] = Path(
        "unlearnable-demo"
    ),
    seed: Annotated[int, typer.Option(help="Decides every draw.")] = 0,
    device: Device = "auto",
    resume: Resume = False,
    as_json: Json = False,
) -> None:
    """Protect a built-in set of images and audit it, in about three minutes."""
    with _progress(GO_ON) as tell:
        from unlearnable.demo import demo as run

        def announce(plan: Any) -> None:
            (announce_protection if hasattr(plan, "private") else announce_audit)(plan)

        made = run(out, seed=seed, device=device, resume=resume, tell=tell, announce=announce)
    if as_json:
        print(json.dumps({"rows": made.audit.rows, "picture": str(made.picture)}))
        return
    print_audit(made.audit)
    print(
        f"\nSee {made.picture}: clean, noise 10 times, protected."
        "\nThis is the friendly case, trained without random crops, with which models learn this"
        "\nplain set in spite of the noise. Greyscale, JPEG and adversarial training undo much of"
        "\nsuch noise anywhere, and it does nothing against models or copies that exist already."
        "\nNext: unlearnable protect YOUR-PHOTOS/ PROTECTED/"
    )


@contextmanager
def _progress(stopped: str) -> Iterator[Any]:
    """One live line on a terminal, a plain line every few seconds otherwise."""
    from unlearnable.progress import Progress

    progress = Progress(sys.stderr)
    try:
        yield progress
    except KeyboardInterrupt:
        progress.close()
        note(stopped)
        raise typer.Exit(INTERRUPTED) from None
    finally:
        progress.close()


def _settings(texts: list[str], **named: str | None) -> dict[str, str]:
    """The settings given by `--set` and by options of their own, which must not disagree."""
    from unlearnable.settings import pairs

    chosen = pairs(texts)
    for key, value in named.items():
        if value is not None and chosen.setdefault(key, value) != value:
            raise SettingError(f"--{key} {value} and --set {key}={chosen[key]} disagree: give one.")
    return chosen


def _list(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _whole_numbers(text: str) -> list[int]:
    try:
        return [int(part) for part in _list(text)]
    except ValueError:
        raise SettingError(
            f"--seeds {text}: write whole numbers with commas, as in 0,1,2."
        ) from None
