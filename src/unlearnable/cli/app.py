"""What all commands share: the application, its options, its progress and its exits."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from unlearnable import __version__
from unlearnable.errors import SettingError, UnlearnableError
from unlearnable.settings import apart
from unlearnable.telling import note

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
SkipUnreadable = Annotated[
    bool, typer.Option("--skip-unreadable", help="Leave out, and list, unreadable images.")
]

Format = Annotated[
    str, typer.Option("--format", help="png, or keep: each file's own format and name.")
]
Quality = Annotated[
    int | None,
    typer.Option(
        help="Of lossy files with --format keep, 1 to 100.", show_default="a JPEG's own, else 90"
    ),
]
StripMetadata = Annotated[bool, typer.Option("--strip-metadata", help="Write no EXIF.")]
KeepLocation = Annotated[
    bool, typer.Option("--keep-location", help="Leave in where a photo was taken.")
]


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


@contextmanager
def progress(stopped: str) -> Iterator[Any]:
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


def list_left_out(skipped: Iterable[str]) -> None:
    """List the images that were left out, if any, and end with a status that says so."""
    lines = [f"left out: {line}" for line in skipped]
    for line in lines:
        note(line)
    if lines:
        raise typer.Exit(SKIPPED)


def listed(text: str) -> list[str]:
    """The parts of a text with commas, of which those inside double quotes are no marks."""
    return [part.strip() for part in apart(text, ",") if part.strip()]


def writing_of(form: str, quality: int | None, strip: bool, location: bool) -> Any:
    """How files are to be written, from the options that say so."""
    from unlearnable.data.encoding import Writing

    return Writing(form, quality, metadata=not strip, location=location)


def whole_numbers(text: str) -> list[int]:
    """The same as numbers."""
    try:
        return [int(part) for part in listed(text)]
    except ValueError:
        raise SettingError(
            f"--seeds {text}: write whole numbers with commas, as in 0,1,2."
        ) from None
