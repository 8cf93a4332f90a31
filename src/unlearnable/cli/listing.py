"""The commands that list what there is: `methods` and `countermeasures`."""

from __future__ import annotations

import json
from dataclasses import asdict

from unlearnable.cli.app import Json, app
from unlearnable.telling import print_countermeasures, print_methods


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
    """List the noise methods: form, norm, surrogate, cost, source and settings."""
    if not as_json:
        print_methods()
        return
    from unlearnable.methods import METHODS
    from unlearnable.methods.about import about
    from unlearnable.settings import described

    table = {
        name: {**asdict(about(cls)), "settings": described(cls)} for name, cls in METHODS.items()
    }
    print(json.dumps(table))
