import pytest

from unlearnable.demo import demo


@pytest.mark.slow
def test_the_demo_shows_protection_and_that_random_noise_gives_none(tmp_path):
    made = demo(tmp_path / "demo")
    learnability = {row["arm"]: row["learnability"] for row in made.audit.rows}
    accuracy = {row["arm"]: row["accuracy"] for row in made.audit.rows}
    assert accuracy["clean"] > 0.9
    assert learnability["protected"] <= 0.2
    assert learnability["random"] >= 0.8
    assert made.picture.read_bytes().startswith(b"\x89PNG")
