"""The palette and the ink read on every paper, for every eye."""

import itertools

import matplotlib.figure
import numpy as np
import pytest
from matplotlib.colors import to_rgb

from tripos import plotting
from tripos.plotting import theme

# Machado, Oliveira & Fernandes (2009), severity 1.0: what each kind of colour blindness makes of linear RGB.
BLINDNESS = {
    "none": np.eye(3),
    "protanopia": [[0.152, 1.053, -0.205], [0.115, 0.786, 0.099], [-0.004, -0.048, 1.052]],
    "deuteranopia": [[0.367, 0.861, -0.228], [0.280, 0.673, 0.047], [-0.012, 0.043, 0.969]],
    "tritanopia": [[1.256, -0.077, -0.179], [-0.078, 0.931, 0.148], [0.005, 0.691, 0.304]],
}


def linear(colour):
    rgb = np.array(to_rgb(colour))
    return np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)


def contrast(a, b):
    """WCAG 2.2 contrast ratio."""
    low, high = sorted(linear(colour) @ [0.2126, 0.7152, 0.0722] for colour in (a, b))
    return (high + 0.05) / (low + 0.05)


def oklab(rgb):
    to_cone = [[0.4122, 0.5363, 0.0514], [0.2119, 0.6807, 0.1074], [0.0883, 0.2817, 0.6300]]
    to_lab = [[0.2105, 0.7936, -0.0041], [1.9780, -2.4286, 0.4506], [0.0259, 0.7828, -0.8087]]
    return np.array(to_lab) @ np.cbrt(np.array(to_cone) @ np.clip(rgb, 0, 1))


@pytest.mark.parametrize("paper", [theme.LIGHT, theme.DARK], ids=lambda paper: paper.name)
def test_every_colour_of_the_palette_has_a_contrast_of_three_on_either_paper(paper):
    assert min(contrast(colour, paper.paper) for colour in theme.PALETTE) >= 3.0


@pytest.mark.parametrize("paper", [theme.LIGHT, theme.DARK], ids=lambda paper: paper.name)
def test_ink_reads_on_the_fullest_tint_of_a_confusion_matrix(paper):
    blue, ground = np.array(to_rgb(theme.PALETTE[0])), np.array(to_rgb(paper.paper))
    tinted = theme.MAX_TINT * blue + (1 - theme.MAX_TINT) * ground
    assert contrast(paper.ink, tuple(tinted)) >= 4.5


@pytest.mark.parametrize("kind", BLINDNESS)
def test_no_two_colours_merge_for_a_colour_blind_reader(kind):
    seen = [oklab(np.array(BLINDNESS[kind]) @ linear(colour)) for colour in theme.PALETTE]
    assert min(np.linalg.norm(a - b) for a, b in itertools.combinations(seen, 2)) > 0.04


def test_series_beyond_the_palette_differ_by_dash():
    styles = [(theme.colour(i), theme.dash(i)) for i in range(15)]
    assert len(set(styles)) == 15


def test_ink_follows_the_axes_a_caller_made():
    figure = matplotlib.figure.Figure(facecolor="black")
    ax = plotting.histogram([1.0, 2.0, 3.0], ax=figure.add_subplot(facecolor="black"))
    assert ax.xaxis.label.get_color() == theme.DARK.ink


def test_an_unknown_theme_is_named_with_those_that_exist():
    with (
        pytest.raises(ValueError, match=r"one of \['adaptive', 'dark', 'light'\], got 'sepia'"),
        plotting.use("sepia"),
    ):
        pass


def test_theme_ends_with_its_context():
    with plotting.use("dark"):
        pass
    with plotting.use("adaptive"):
        assert plotting.histogram([1.0]).figure.get_facecolor()[3] == 0


def test_a_long_name_keeps_both_ends():
    assert theme.shorten("annual_income_of_the_household_before_taxes_usd", 21) == "annual_inc…_taxes_usd"
