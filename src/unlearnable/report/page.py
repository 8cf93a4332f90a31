"""write_report(): the folder of an audit as one page that opens from the disk."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from unlearnable.report import sections
from unlearnable.report.material import Material, read_run
from unlearnable.report.public import redacted
from unlearnable.report.table import HEADINGS, csv, lines, markdown, notes, percent
from unlearnable.report.template import template
from unlearnable.report.words import caveats, duration
from unlearnable.storage import write_bytes

MOST_SAMPLES = 10
MOST_CLASSES = 50  # that are listed by name


def write_report(run: Path | str, *, public: bool = False) -> Path:
    """Write the report of an audit, and its table as Markdown and CSV.

    The page needs nothing beside it and no network. The private one shows the noise, which is the
    key, and can be read by its owner only.

    Args:
        run: the folder that `audit` wrote.
        public: leave out all images, the noise and its spectrum, seeds, hashes, and the names of
            files, folders and classes.

    Returns:
        The page: `report.html`, or `report-public.html`.

    Raises:
        DamagedError: the folder holds no audit, or one that is not whole.
        DestinationError: it cannot be written to.
    """
    run = Path(run).expanduser()
    material = read_run(run)
    write_bytes(run / "table.md", markdown(material.rows).encode())
    write_bytes(run / "table.csv", csv(material.rows).encode())
    page = run / ("report-public.html" if public else "report.html")
    html = rendered(redacted(material) if public else material, public=public)
    write_bytes(page, html.encode("utf-8", "replace"), private=not public)
    return page


def rendered(material: Material, *, public: bool) -> str:
    """The page as HTML, every text escaped."""
    audit, samples = material.audit, material.samples
    shown = zip(lines(material.rows), material.rows, strict=True)
    return template("report.html").render(
        public=public,
        audit=audit,
        missing=material.missing,
        verdict=sections.verdict(material),
        visible=sections.visible(material),
        legend=sections.legend(material),
        comparison=sections.comparison(material),
        headings=HEADINGS,
        lines=[(line, _is_worst(row, audit["verdict"])) for line, row in shown],
        notes=notes(material.rows),
        learning=sections.learning(material),
        confusions=sections.confusions(material),
        triptychs=list(islice(sections.triptychs(samples), MOST_SAMPLES)) if samples else [],
        spectrum=sections.spectrum(samples) if samples else None,
        caveats=caveats(audit),
        settings=dict(_settings(material)),
    )


def _is_worst(row: dict[str, Any], verdict: dict[str, Any]) -> bool:
    """Whether the verdict rests on this row."""
    same = all(row[key] == verdict[key] for key in ("model", "countermeasure"))
    return bool(verdict["decided"]) and same and row["arm"] == "protected"


def _settings(material: Material) -> Iterator[tuple[str, dict[str, Any]]]:
    """Tables of settings by their titles."""
    audit = material.audit
    yield "Images", _images(audit)
    method = audit["method"] or {"method": "not known: there is no manifest"}
    yield "Noise", _flat({**method, "budget": audit["budget"], **audit["files"]})
    training = {"scale": audit["scale"], **audit["schedule"]}
    if material.seeds:
        training["seeds"] = list(material.seeds)
    yield "Training", _flat(training)
    yield "Hardware", _flat(audit["hardware"])
    yield "Versions", _flat({"unlearnable": audit["unlearnable"], **audit["versions"]})
    yield "Time", {"made": audit["created"], "all trainings": duration(audit["seconds"])}


def _images(audit: dict[str, Any]) -> dict[str, Any]:
    classes, counts = audit["classes"], audit["images"]
    return {
        "protected images": audit["protected"],
        "originals": audit["clean"],
        "test source": audit["test"],
        "trained on": counts["train"],
        "tested on": counts["test"],
        "held out for countermeasures": counts["heldout"],
        "left out": counts["left_out"],
        "working size": " × ".join(map(str, audit["size"])) + " pixels",
        "classes": ", ".join(classes) if len(classes) <= MOST_CLASSES else len(classes),
        "chance": f"{percent(audit['chance'])} %",
    }


def _flat(settings: dict[str, Any], before: str = "") -> dict[str, Any]:
    """Settings within settings under one name each, in words."""
    flat: dict[str, Any] = {}
    for key, value in settings.items():
        name = f"{before}{key.replace('_', ' ')}"
        if isinstance(value, dict):
            flat |= _flat(value, f"{name} ")
        else:
            shown = ", ".join(map(str, value)) if isinstance(value, list) else value
            flat[name] = "none" if shown in (None, "") else shown
    return flat
