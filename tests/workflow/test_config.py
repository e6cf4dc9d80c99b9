"""The configuration of a run survives the way through TOML, whatever its strings hold."""

from __future__ import annotations

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tripos.errors import RunError
from tripos.workflow.config import RunConfig, read_config, toml_value

names = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30)


@given(
    table=names,
    target=names,
    kinds=st.dictionaries(names, names, max_size=3),
    keep=st.lists(names, max_size=3),
)
def test_any_names_come_back_from_toml(tmp_path_factory, table, target, kinds, keep):
    config = RunConfig(table=table, target=target, kinds=kinds, keep=tuple(keep), time=1.5, trials=3)
    path = tmp_path_factory.mktemp("config") / "config.toml"
    path.write_text(config.to_toml({"fingerprint": "ab"}), encoding="utf-8", newline="")
    assert read_config(path) == (config, {"fingerprint": "ab"})


@given(
    st.recursive(
        st.booleans() | st.integers(-(2**62), 2**62) | st.floats(allow_nan=False) | names,
        st.lists,
        max_leaves=5,
    )
)
def test_every_value_a_configuration_holds_is_valid_toml(value):
    assert tomllib.loads(f"x = {toml_value(value)}")["x"] == value


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"test": 0.0}, "test must lie between 0 and 1"),
        ({"time": -1}, "time must be a positive number"),
        ({"task": "guessing"}, "task must be one of"),
        ({"folds": 1}, "folds must be at least 2"),
        ({"group": "g", "time_column": "t"}, "group and time_column"),
        ({"target": ""}, "target must be the name of a column"),
    ],
)
def test_a_setting_that_makes_no_sense_is_named(setting, message):
    with pytest.raises(RunError, match=message):
        RunConfig(**{"table": "t.csv", "target": "y", **setting})


def test_an_unknown_setting_in_a_file_is_named(tmp_path):
    path = tmp_path / "config.toml"
    path.write_text('[run]\ntable = "t.csv"\ntarget = "y"\ntrails = 3\n')
    with pytest.raises(RunError, match="trails"):
        read_config(path)


def test_differences_name_what_decides_the_result_and_not_the_clock():
    one = RunConfig(table="t.csv", target="y", time=60, seed=0)
    other = RunConfig(table="t.csv", target="y", time=10, seed=1)
    assert one.differences(other) == ["seed is 0 now and was 1 then"]
