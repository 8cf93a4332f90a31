import stat

import numpy as np
from PIL import Image

from unlearnable.data.files import Picture
from unlearnable.report.contact import SHOWN, ContactSheet, Pair


def test_the_square_that_was_changed_most_is_found(pixels):
    for height, width in ((600, 900), (1500, 1300), (33, 21)):
        clean = pixels(height, width, 3) // 2
        changed = clean.copy()
        row, column = height * 2 // 3, width // 3
        changed[row - 6 : row + 6, column - 6 : column + 6] += 40
        rows, columns = Pair(clean, changed).place
        assert rows.start - 6 <= row < rows.stop + 6 <= height + 6
        assert columns.start - 6 <= column < columns.stop + 6 <= width + 6


def test_a_sheet_shows_photos_of_all_kinds_and_is_private(pixels, tmp_path):
    shapes = [(40, 60, 3), (500, 300, 1), (33, 33, 3)] * 7
    names = [str(number) for number in range(len(shapes))]
    names[0] = "<img src=x onerror=alert(1)>"
    sheet = ContactSheet(names)
    for name, shape in zip(names, shapes, strict=True):
        if name != "20":  # as if it could not be read
            sheet.look(name, Picture(pixels(*shape)), Picture(pixels(*shape, seed=1)))
    sheet.write(tmp_path)
    for name in ("contact.png", "contact.html"):
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600
    page = (tmp_path / "contact.html").read_text()
    assert page.count('<img src="data:image/png') == 4 * (SHOWN - 1)
    assert "<img src=x" not in page and "http:" not in page and "https:" not in page
    assert np.asarray(Image.open(tmp_path / "contact.png")).std() > 10
