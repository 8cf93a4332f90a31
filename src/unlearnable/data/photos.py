"""Photos that are named one by one or by their folders, without classes of their own."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from unlearnable.data.files import Picture
from unlearnable.data.imageset import Origin
from unlearnable.data.tree import images_below
from unlearnable.errors import SourceError
from unlearnable.storage import kind_at


@dataclass(frozen=True, slots=True)
class Photo:
    """One photo of those that were named.

    Attributes:
        file: where it lies.
        name: what is made of it gets: its path below the folder that was named, without a suffix.
        folders: the folders that it lies in, the innermost first.
    """

    file: Path
    name: str
    folders: tuple[str, ...]

    @property
    def origin(self) -> Origin:
        """Where it came from, as of an image in a set."""
        return Origin(self.name, self.file)

    def picture(self) -> Picture:
        """Decode it at its own size.

        Raises:
            SourceError: it cannot be used; the message names it and says why.
        """
        return self.origin.picture()


def photos_in(sources: Iterable[Path | str]) -> list[Photo]:
    """The photos that are named, and those below the folders that are, in the order of their names.

    Raises:
        SourceError: nothing is there, or two would get one name.
    """
    found: dict[str, Photo] = {}
    for source in map(Path, sources):
        path = source.expanduser()
        kind = kind_at(path)
        if kind is None:
            raise SourceError(f"{source} is not there: name photos, or folders of photos.")
        files, base = ([path], path.parent) if kind == "file" else (images_below(path)[0], path)
        if not files:
            raise SourceError(f"{source} holds no images.")
        for file in files:
            name = file.relative_to(base).with_suffix("").as_posix()
            if name in found:
                raise SourceError(
                    f"{found[name].file} and {file} would both become {name}: rename one, "
                    "or do one after the other."
                )
            folders = [*PurePosixPath(name).parent.parts[::-1], base.resolve().name]
            found[name] = Photo(file, name, tuple(folders))
    return [found[name] for name in sorted(found)]
