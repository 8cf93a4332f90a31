"""What the command line says of plans and results. Nothing here loads torch."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from unlearnable.applying import Applied
    from unlearnable.auditing import Audit
    from unlearnable.cells import AuditPlan
    from unlearnable.detecting import Detection
    from unlearnable.experiment import Recipe
    from unlearnable.job import Plan
    from unlearnable.reproducing import Reproduction, ReproductionPlan, Verification


KNOWN = 0.5
"""The share of pictures from which on it is said that a surrogate knows them all the same."""


def announce_protection(plan: Plan) -> None:
    """Say what is about to be protected, and how."""
    height, width = plan.size
    how = "brought to" if plan.resized else "of"
    note(f"{plan.images} images of {plan.classes} classes, {how} {width}×{height} pixels")
    if plan.named:
        note(f"{plan.protected} of them are {plan.named}'s and are protected, the rest looked at")
    elif plan.protected < plan.images:
        note(f"{plan.protected} of them are protected, the others written as they are")
    masked = ", less of it where a picture is even" if plan.budget.masked else ""
    parts = getattr(plan.method, "parts", (plan.method,))
    budgets = getattr(plan.method, "budgets", (plan.budget,))
    for part, budget in zip(parts, budgets, strict=True):
        note(f"noise: {part}, {budget.words}{masked}")
    note(f"on {_machine(plan.hardware)}" + _about(plan.seconds))
    note(f"to {plan.destination}; keep to yourself: {plan.private}")
    if plan.ignored:
        note(f"{plan.ignored} files are no images by their names, and are left aside")
    if plan.skipped:
        note(f"{len(plan.skipped)} images cannot be read, and are left out")


def announce_audit(plan: AuditPlan) -> None:
    """Say what is about to be trained, and what is doubtful before it begins."""
    done = f", {plan.finished} of them finished before" if plan.finished else ""
    note(
        f"{plan.cells} trainings{done}: {plan.train} images, {plan.schedule.epochs} epochs, "
        f"tested on {plan.test} clean images of {plan.classes} classes"
    )
    if len(plan.countermeasures) > 1:
        note(f"countermeasures: {', '.join(plan.countermeasures)}")
    if plan.heldout:
        note(f"{plan.heldout} clean images are held out for trainers who own some")
    for doubt in plan.doubts:
        note(f"doubt: {doubt}")
    note(f"on {_machine(plan.hardware)}" + _about(plan.seconds))


def announce_reproduction(plan: ReproductionPlan) -> None:
    """Say what of a recipe is still to be done, and what it cuts."""
    done = f", {plan.finished} of them finished before" if plan.finished else ""
    noises = f"; {plan.noises} noises to be found first" if plan.noises else ""
    note(f"{plan.trainings} trainings{done}{noises}")
    for cut in plan.cuts:
        note(f"not as published: {cut}")
    note(f"on {_machine(plan.hardware)}" + _about(plan.seconds))


def _machine(hardware: dict[str, object]) -> str:
    return f"{hardware['device']} ({hardware['name']}), {hardware['precision']}"


def _about(seconds: float | None) -> str:
    if not seconds:
        return ""
    return f", about {seconds:.0f} s" if seconds < 90 else f", about {seconds / 60:.0f} min"


def print_protection(manifest: dict[str, Any], destination: Path, private: Path) -> None:
    """Say what was written, and what to do with it."""
    search = manifest["search"]
    if search.get("reached") is False:
        note(
            f"the surrogate's error is still {search['errors'][-1]:.1%} after "
            f"{len(search['errors'])} rounds: the protection may be weak; allow more rounds by "
            "--set rounds=…"
        )
    if search.get("bare", 0) > KNOWN:
        note(
            f"the surrogate knows {search['bare']:.0%} of the pictures without their noise too: "
            "so may a model, and the protection may be weak"
        )
    if search.get("unmoved", 0) > KNOWN:
        note(
            f"the surrogate knows {search['unmoved']:.0%} of the pictures in spite of their noise: "
            "so may a model; allow more of it by --epsilon"
        )
    print(
        f"{len(manifest['files'])} files in {destination}, each read back and compared: largest "
        f"change {manifest['largest_change']} of 255, PSNR {manifest['psnr']} dB, "
        f"SSIM {manifest['ssim']}."
    )
    if manifest["lossy"]:
        print(_lossy(manifest["lossy"], manifest["survived"]))
    print(f"Publish {destination}; never {private}, with which the noise can be taken off.")
    print("Whether it protects is not known before it is measured: unlearnable audit --help")


def print_applied(done: Applied, private: Path) -> None:
    """Say what was written, and what to do with it."""
    if done.files:
        change = max(file.change for file in done.files)
        print(
            f"{len(done.files)} files in {done.destination}, each read back and compared: largest "
            f"change {change} of 255."
        )
        lossy = [file.survived for file in done.files if not file.lossless]
        if lossy:
            print(_lossy(len(lossy), sum(lossy) / len(lossy)))
    print(f"Publish {done.destination}; never {private}, nor the key.")


def _lossy(count: int, survived: float) -> str:
    return (
        f"{count} of them are lossy: the noise kept its budget when it was handed to the encoder, "
        f"which left {survived:.0%} of it and changed pixels of its own beyond the budget."
    )


def print_key(facts: dict[str, Any], picture: Path | None) -> None:
    """Say what a key is, a line for each fact."""
    from unlearnable.noise import Budget

    height, width = facts["size"]
    budget = Budget(**facts["budget"]).words
    print(f"{facts['key']}: {facts['form']} noise, {facts['noises']} of {width}×{height} pixels")
    print(f"budget: {budget}, largest value {facts['largest']} of 255")
    if facts["classes"]:
        print(f"for the classes {', '.join(facts['classes'])}")
    if facts["method"]:
        print(f"found by {facts['method']} with the seed {facts['seed']}")
    if facts["published"]:
        print(f"{facts['published']} files were published with it")
    if picture:
        print(f"see {picture}: ten times as strong")
    print("Keep it to yourself: whoever has it can take the noise off.")


def print_audit(found: Audit) -> None:
    """The table, the verdict in words, and what speaks against it."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    from unlearnable.report.table import HEADINGS, lines

    models = list(dict.fromkeys(row["model"] for row in found.rows))
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    shown = [place for place, name in enumerate(HEADINGS) if name != "model" or len(models) > 1]
    for place in shown:
        table.add_column(HEADINGS[place], no_wrap=True)
    for line in lines(found.rows):
        table.add_row(*(line[place] for place in shown))
    Console().print(table)
    over = sorted({row["interval_over"] for row in found.rows})
    covers = f"; intervals cover {' and '.join(over)}" if over else ""
    about = f"{models[0]}, " if len(models) == 1 else ""
    print(f"{about}chance {100 * found.rows[0]['chance']:.1f} %{covers}\n")
    for sentence in found.verdict.words:
        print(sentence)
    for doubt in found.doubts:
        if not doubt.fatal:
            print(f"But: {doubt.sentence}")


def print_recipes(recipes: dict[str, Recipe]) -> None:
    """The recipes, with what each shows and how much there is to train at quick scale."""
    for name, recipe in recipes.items():
        trainings = len(list(recipe.trials()))
        print(f"{name}: {recipe.title}, {trainings} trainings at quick scale")
        print(f"    {recipe.about}\n")


def print_reproduction(done: Reproduction) -> None:
    """The table, published and ours, and whether the findings hold."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    from unlearnable.report.recipe import HEADINGS, lines

    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    for heading in HEADINGS:
        table.add_column(heading)
    for line in lines(done.recipe, done.figures):
        table.add_row(*line)
    Console().print(table)
    for says, verdict in done.findings:
        print(f"{verdict}: {says}")
    print(f"\nThe whole of it: {done.page}, {done.table} and {done.picture}")


def print_verification(found: Verification) -> None:
    """Then, now, and whether they agree."""
    agrees = "agrees" if found.agrees else "DISAGREES"
    print(
        f"{found.entry.row}, {found.entry.column} ({found.trial.about}): {100 * found.then:.1f} % "
        f"then, {100 * found.now:.1f} % now: {agrees} within three standard deviations of "
        f"{100 * found.deviation:.1f} points."
    )


def note(text: str) -> None:
    """One line on standard error."""
    print(_plain(text), file=sys.stderr)


def _plain(text: str) -> str:
    """One printable line: file names may hold line breaks, and bytes that are no text."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


_SURROGATE = {True: "searched against a surrogate", False: "needs no surrogate"}


def print_methods() -> None:
    """The noise methods with what they are, need and cost, and their settings."""
    from unlearnable.methods import METHODS
    from unlearnable.methods.about import about
    from unlearnable.settings import meanings

    for name, cls in METHODS.items():
        known = about(cls)
        print(f"{name}: {known.title}")
        print(
            f"    {', '.join(known.forms)}; {known.published.words}; {_SURROGATE[known.surrogate]}"
        )
        print(f"    cost: {known.cost}")
        for key, meaning, default in meanings(cls):
            print(f"    --set {key}={default}".ljust(34) + meaning)
        print()
    print("Several at once, each within its own budget: as in --method ops+em")


def print_countermeasures() -> None:
    """The countermeasures with their settings, sources and costs, and the names for several."""
    from unlearnable.countermeasures import COUNTERMEASURES, SETS
    from unlearnable.settings import meanings

    for name, cls in COUNTERMEASURES.items():
        print(f"{name}: {_first_line(cls)}")
        print(f"    {cls.source}; about {cls().cost:.1f} times a plain training")
        for place, (key, meaning, default) in enumerate(meanings(cls)):
            spelt = f"{name}:{default}" if place == 0 else f"…:{key}={default}"
            print(f"    {spelt}".ljust(34) + f"{key}: {meaning}")
        print()
    for name, members in SETS.items():
        print(f"{name}: {','.join(members)}")


def print_detection(found: Detection) -> None:
    """The verdict, what it rests on, and the classes with the highest scores."""
    low, high = found.thresholds
    print(
        f"{found.verdict}: score {found.score:.3f} (clean up to {low}, poisoned from {high} on)\n"
    )
    for sentence in found.words:
        print(sentence)
    ranked = sorted(zip(found.per_class, found.classes, strict=True), reverse=True)
    shown = ", ".join(f"{name} {score:.2f}" for score, name in ranked[:10])
    print(f"\nBy class, highest first: {shown}")


def _first_line(cls: type) -> str:
    return (cls.__doc__ or "").splitlines()[0]
