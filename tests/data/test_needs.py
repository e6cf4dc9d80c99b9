from dataclasses import asdict

import pytest

from tripos.data.needs import CHOICES, Needs


def test_every_choice_of_every_need_is_accepted():
    for name, choices in CHOICES.items():
        assert [getattr(Needs(**{name: choice}), name) for choice in choices] == list(choices)


@pytest.mark.parametrize("name", CHOICES)
def test_an_unknown_choice_is_refused_with_the_possible_ones(name):
    with pytest.raises(ValueError, match=f"{name} must be one of .*{CHOICES[name][0]}"):
        Needs(**{name: "log"})


def test_needs_are_frozen_and_compare_by_value():
    assert Needs(scale="standard") == Needs(scale="standard") != Needs()
    with pytest.raises(AttributeError):
        Needs().scale = "standard"


def test_choices_and_fields_are_the_same_names():
    assert list(asdict(Needs())) == list(CHOICES)
