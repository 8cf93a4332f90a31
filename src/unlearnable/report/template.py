"""The pages' templates: every text is escaped, and a name that is not given is a mistake."""

from __future__ import annotations

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from unlearnable.report.table import percent


def template(name: str) -> Template:
    """A template of `templates/`."""
    house = Environment(
        loader=PackageLoader("unlearnable.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    house.filters["percent"] = percent
    return house.get_template(name)
