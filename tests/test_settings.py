from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from typing import Any, Literal

import pytest

from unlearnable.errors import SettingError
from unlearnable.settings import as_dict, check, meanings, pairs, parse, setting


@dataclass(frozen=True)
class Blur:
    radius: int = setting(3, "in pixels", least=1, most=9)
    strength: float = setting(0.5, "share of the blurred image", above=0, most=1)
    edge: Literal["mirror", "black"] = setting("mirror", "what lies beyond the edge")
    twice: bool = setting(False, "blur again")
    limit: float | None = setting(None, "largest change", above=0)
    note: str = setting("", "for the record")

    def __post_init__(self) -> None:
        check(self)


OTHER = Blur(radius=9, strength=0.25, edge="black", twice=True, limit=1e-3, note="a=b, c")


def test_texts_become_the_types_of_their_fields() -> None:
    given = {
        "radius": "5",
        "strength": "1",
        "edge": "black",
        "twice": "True",
        "limit": "0.5",
        "note": "3",
    }
    assert parse(Blur, given) == Blur(5, 1.0, "black", True, 0.5, "3")


def test_what_is_not_given_keeps_its_default() -> None:
    assert parse(Blur, {}) == Blur()
    assert parse(Blur, {"limit": "None"}).limit is None


@pytest.mark.parametrize("blur", [Blur(), OTHER])
def test_the_texts_of_a_configuration_make_it_again(blur: Blur) -> None:
    texts = pairs(f"{key}={value}" for key, value in asdict(blur).items())
    assert parse(Blur, texts) == blur


def test_a_configuration_is_ready_for_json_under_its_name() -> None:
    read = json.loads(json.dumps(as_dict(OTHER)))
    assert read.pop("name") == "Blur"
    assert Blur(**read) == OTHER


def test_meanings_list_every_field_with_its_default() -> None:
    assert meanings(Blur)[0] == ("radius", "in pixels", 3)
    assert [name for name, _, _ in meanings(Blur)] == list(asdict(Blur()))


@pytest.mark.parametrize(
    ("given", "allowed"),
    [
        ({"radius": 0}, "at least 1 and at most 9"),
        ({"radius": 10}, "at least 1 and at most 9"),
        ({"strength": 0}, "above 0 and at most 1"),
        ({"strength": 1.01}, "above 0 and at most 1"),
        ({"limit": -2.0}, "above 0"),
    ],
)
def test_a_value_out_of_range_is_refused_with_its_bounds(
    given: dict[str, Any], allowed: str
) -> None:
    ((name, value),) = given.items()
    with pytest.raises(SettingError) as refusal:
        Blur(**given)
    assert f"Blur: {name}={value} " in str(refusal.value)
    assert str(refusal.value).endswith(f"must be {allowed}.")


@pytest.mark.parametrize(
    "given", [{"radius": 1}, {"radius": 9}, {"strength": 1}, {"strength": 1e-9}]
)
def test_a_bound_itself_is_allowed(given: dict[str, Any]) -> None:
    assert asdict(Blur(**given)).items() >= given.items()


@pytest.mark.parametrize(
    ("given", "allowed"),
    [
        ({"radius": 2.0}, "a whole number"),
        ({"radius": True}, "a whole number"),
        ({"radius": "2"}, "a whole number"),
        ({"strength": True}, "a number"),
        ({"strength": math.nan}, "a number"),
        ({"strength": math.inf}, "a number"),
        ({"strength": None}, "a number"),
        ({"limit": math.nan}, "a number or none"),
        ({"edge": "white"}, "mirror or black"),
        ({"edge": None}, "mirror or black"),
        ({"twice": 1}, "true or false"),
        ({"note": 1}, "a text"),
    ],
)
def test_a_value_of_another_type_is_refused(given: dict[str, Any], allowed: str) -> None:
    with pytest.raises(SettingError, match=f" is not {allowed}\\.$"):
        Blur(**given)


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("radius", "2.5"),
        ("radius", ""),
        ("strength", "half"),
        ("strength", "nan"),
        ("limit", "inf"),
        ("edge", "Mirror"),
        ("twice", "yes"),
    ],
)
def test_a_text_that_is_no_such_value_is_refused(key: str, text: str) -> None:
    with pytest.raises(SettingError, match=f"Blur: {key}={text} is not "):
        parse(Blur, {key: text})


def test_an_unknown_key_is_refused_with_those_that_are_known() -> None:
    with pytest.raises(SettingError, match="'size': choose one of radius, strength, edge"):
        parse(Blur, {"size": "2"})


def test_pairs_are_split_at_the_first_equals_sign() -> None:
    assert pairs(["step-size = 2", "note=a=b", "empty="]) == {
        "step_size": "2",
        "note": "a=b",
        "empty": "",
    }


def test_a_pair_without_an_equals_sign_is_refused() -> None:
    with pytest.raises(SettingError, match="--set steps: write it as key=value"):
        pairs(["steps"])
