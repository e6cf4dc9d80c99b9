"""What every figure promises as inline SVG."""

import re
import subprocess
import sys
import xml.dom.minidom

import matplotlib.pyplot
import pytest

from tripos import plotting

from .gallery import gallery

GALLERY = gallery()
every_figure = pytest.mark.parametrize("name", GALLERY)


@pytest.fixture(scope="module")
def pictures():
    return {name: plotting.svg(figure, *args, **kwargs) for name, (figure, args, kwargs) in GALLERY.items()}


def test_the_gallery_shows_every_public_figure():
    shown = {figure.__name__ for figure, _, _ in GALLERY.values()}
    assert shown == set(plotting.__all__) - {"svg", "use"}


@every_figure
def test_svg_is_well_formed_and_named_for_a_screen_reader(pictures, name):
    root = xml.dom.minidom.parseString(pictures[name]).documentElement
    assert root.tagName == "svg"
    assert root.getAttribute("aria-label")


@every_figure
def test_svg_stays_small_however_many_rows_there_are(pictures, name):
    assert len(pictures[name]) < 60_000


@every_figure
def test_svg_is_the_same_every_time(pictures, name):
    figure, args, kwargs = GALLERY[name]
    assert plotting.svg(figure, *args, **kwargs) == pictures[name]


@every_figure
def test_svg_asks_nothing_of_the_network(pictures, name):
    linked = set(re.findall(r'(?:href|src)="([^"]*)"', pictures[name])) | set(
        re.findall(r"url\(([^)]*)\)", pictures[name])
    )
    assert {link for link in linked if not link.startswith(("#", "data:image/png;base64"))} == set()


@every_figure
def test_svg_paints_no_background_and_no_fixed_ink(pictures, name):
    colours = {colour.lower() for colour in re.findall(r"(?:fill|stroke): (#[0-9a-fA-F]{6})", pictures[name])}
    assert colours <= {colour.lower() for colour in plotting.theme.PALETTE}


@every_figure
def test_svg_refers_only_to_ids_it_defines(pictures, name):
    text = pictures[name]
    used = set(re.findall(r'(?:url\(#|href="#)([^)"]+)', text))
    assert used == set(re.findall(r' id="([^"]+)"', text))


def test_ids_of_two_pictures_on_one_page_do_not_meet(pictures):
    ids = [found for text in pictures.values() for found in re.findall(r' id="([^"]+)"', text)]
    assert len(ids) == len(set(ids))


def test_svg_keeps_text_as_text_and_escapes_it():
    text = plotting.svg(plotting.class_balance, ["<b>&", "cost $5 or $6"], [3, 1])
    assert "&lt;b&gt;&amp;" in text
    assert "cost $5 or $6" in text


def test_svg_leaves_no_figure_open():
    before = matplotlib.pyplot.get_fignums()
    plotting.svg(plotting.histogram, [1.0, 2.0])
    assert matplotlib.pyplot.get_fignums() == before


def test_importing_plotting_imports_no_matplotlib():
    code = "import sys, tripos.plotting; from tripos.plotting import roc_curve; print('matplotlib' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_the_static_and_the_lazy_names_agree():
    source = open(plotting.__file__, encoding="utf-8").read()
    assert set(re.findall(r"import (\w+) as \w+", source)) == set(plotting.__all__)
