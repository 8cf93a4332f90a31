"""The commands that make something: `protect` and `demo`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from unlearnable.cli.app import (
    GO_ON,
    DataDir,
    Device,
    Download,
    Format,
    Json,
    KeepLocation,
    Quality,
    Resume,
    Size,
    SkipUnreadable,
    StripMetadata,
    app,
    list_left_out,
    listed,
    progress,
    writing_of,
)
from unlearnable.errors import SettingError
from unlearnable.telling import (
    announce_audit,
    announce_protection,
    print_audit,
    print_protection,
)

if TYPE_CHECKING:
    from unlearnable.noise import Budget


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
    method: Annotated[
        str | None,
        typer.Option(help="The noise; see `unlearnable methods`.", show_default="em; --as: tap"),
    ] = None,
    form: Annotated[
        str | None, typer.Option(help="sample-wise or class-wise.", show_default="the method's")
    ] = None,
    norm: Annotated[
        str | None,
        typer.Option(help="Of the budget: linf, l2, l0 or none.", show_default="as published"),
    ] = None,
    epsilon: Annotated[
        float | None,
        typer.Option(help="Budget in levels of 255; of l0 in pixels.", show_default="as published"),
    ] = None,
    surrogate: Annotated[
        str | None,
        typer.Option(help="Model to search against, such as resnet18.", show_default="resnet18:16"),
    ] = None,
    survive: Annotated[
        str,
        typer.Option(
            help="Ways to a trainer that the noise is to survive, of jpeg, resize, crop and gray, "
            "as in jpeg:75,resize:0.5.",
            show_default="none",
        ),
    ] = "",
    masking: Annotated[
        bool,
        typer.Option("--masking", help="Change even parts of a picture, skin and sky, the least."),
    ] = False,
    rate: Annotated[
        float, typer.Option(help="Share of each class to protect; the rest is only copied.")
    ] = 1.0,
    classes: Annotated[
        str | None, typer.Option(help="Classes to protect, as in cat,dog.", show_default="all")
    ] = None,
    named: Annotated[
        str | None,
        typer.Option("--as", help="Take the source as photos of one class, called so: a key."),
    ] = None,
    background: Annotated[
        str | None, typer.Option(help="With --as: the other classes, of the same kind.")
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
    file_format: Format = "png",
    quality: Quality = None,
    strip_metadata: StripMetadata = False,
    keep_location: KeepLocation = False,
    skip_unreadable: SkipUnreadable = False,
    resume: Resume = False,
    as_json: Json = False,
) -> None:
    """Give a folder of images back, looking the same, protected."""
    writing = writing_of(file_format, quality, strip_metadata, keep_location)
    form = form or ("class-wise" if named else None)
    ways = " ".join(listed(survive)) or None
    chosen = _settings(settings or [], form=form, surrogate=surrogate, survive=ways)
    with progress(GO_ON) as tell:
        from unlearnable.methods import make_method, usual_method
        from unlearnable.protecting import protect as run

        made = make_method(method, chosen) if method else usual_method(named is not None, chosen)

        done = run(
            source,
            destination,
            method=made,
            budget=_budget(made.published, norm, epsilon, masking),
            rate=rate,
            classes=listed(classes or ""),
            named=named,
            background=background,
            size=size,
            seed=seed,
            device=device,
            writing=writing,
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
    list_left_out(done.skipped)


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
    with progress(GO_ON) as tell:
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


def _budget(published: Budget, norm: Any, epsilon: float | None, masked: bool) -> Budget:
    """The published budget, but for what is given."""
    from unlearnable.noise import Budget

    if published.norm == "none" and norm is None and epsilon is not None:
        raise SettingError(
            "--epsilon: this noise has no bound, so leave it out; a part of several has one, as in "
            "--set em.epsilon=8."
        )
    size = published.size if epsilon is None else epsilon
    found = Budget(norm or published.norm, size, masked)
    if found.norm not in (published.norm, "none") and epsilon is None:
        raise SettingError(
            f"--norm {norm}: this noise was published with {published.norm}, so say how much by "
            "--epsilon."
        )
    return found


def _settings(texts: list[str], **named: str | None) -> dict[str, str]:
    """The settings given by `--set` and by options of their own, which must not disagree."""
    from unlearnable.settings import pairs

    chosen = pairs(texts)
    for key, value in named.items():
        if value is not None and chosen.setdefault(key, value) != value:
            raise SettingError(f"--{key} {value} and --set {key}={chosen[key]} disagree: give one.")
    return chosen
