"""The report is one page that asks for nothing, shows what was measured, and takes no value for markup."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import polars as pl
import pytest

from tripos.workflow.report import SECTIONS, render, write_report
from tripos.workflow.run import run
from tripos.workflow.store import read_json

VOID = {"meta", "link", "br", "hr", "img", "input", "line", "rect", "use", "path"}
NAMESPACES = {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}


class Page(HTMLParser):
    """The elements of a page, and whether each is closed in its place."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict]] = []
        self.open: list[str] = []
        self.problems: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        if tag in VOID:
            return
        if not self.open or self.open[-1] != tag:
            self.problems.append(f"</{tag}> closes {self.open[-3:]}")
        else:
            self.open.pop()

    def all(self, tag: str) -> list[dict]:
        return [attrs for name, attrs in self.elements if name == tag]


@pytest.fixture(scope="module")
def text(sms_run) -> str:
    return sms_run.report.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def page(text) -> Page:
    return Page(text)


def test_the_page_is_well_formed(page):
    assert page.problems == []
    assert page.open == []


def test_the_page_asks_the_network_for_nothing(text, page):
    assert set(re.findall(r"https?://[^\"'\s<)]+", text)) <= NAMESPACES
    addresses = [a.get(k, "") for _, a in page.elements for k in ("src", "href", "xlink:href") if a.get(k)]
    assert all(address.startswith(("#", "data:image/png")) for address in addresses)
    policy = next(
        meta["content"] for meta in page.all("meta") if meta.get("http-equiv") == "Content-Security-Policy"
    )
    assert policy.startswith("default-src 'none'")


def test_every_section_is_there_and_linked(page):
    assert [section["id"] for section in page.all("section")] == list(SECTIONS)
    assert {link["href"] for link in page.all("a")} >= {f"#{name}" for name in SECTIONS}


def test_every_id_is_there_once_and_every_reference_has_one(text, page):
    ids = [attrs["id"] for _, attrs in page.elements if "id" in attrs]
    assert len(ids) == len(set(ids))
    assert set(re.findall(r"url\(#([^)]+)\)", text)) <= set(ids)


def test_every_picture_has_a_name_and_every_header_a_scope(page):
    assert all("aria-label" in svg or svg.get("aria-hidden") == "true" for svg in page.all("svg"))
    assert all("scope" in header for header in page.all("th"))
    assert page.all("html")[0]["lang"] == "en"


def test_it_is_made_for_light_for_dark_and_for_paper(text):
    assert "prefers-color-scheme: dark" in text
    assert "@media print" in text


def test_the_numbers_on_it_are_those_of_the_record(sms_run, text):
    record = sms_run.record
    assert record["verdict"]["headline"].split(" ", 1)[0] in text
    assert f"{record['test']['score']:.3f}" in text
    for row in record["leaderboard"]:
        assert row["candidate"] in text
    for row in record["refused"]:
        assert row["reason"] in text


def test_a_report_can_be_made_from_the_folder_alone(sms_run, text):
    write_report(sms_run.path)
    assert sms_run.report.read_text(encoding="utf-8") == text


def test_no_value_is_taken_for_markup(tmp_path):
    nasty = '"><script>alert(1)</script><img src=x onerror=alert(1)>'
    frame = pl.DataFrame(
        {
            nasty: [k % 5 + 0.5 for k in range(80)],
            "{{ 7 * 7 }}": ["</style><b>" if k % 3 else "&amp;" for k in range(80)],
            "y": [f"{nasty}1" if (k * 7) % 11 > k % 5 else "no" for k in range(80)],
        }
    )
    page = Page(run(frame, "y", out=tmp_path, trials=3, verbose=False, name=nasty).report.read_text())
    assert page.problems == []
    assert len(page.all("script")) == 1
    assert not any("onerror" in attrs for _, attrs in page.elements)
    assert page.all("img") == []
    assert page.all("b") == []


@pytest.mark.parametrize("kind", ["regression", "multiclass"])
def test_every_task_has_its_pictures(houses, tmp_path, kind):
    target = "price" if kind == "regression" else "town"
    result = run(houses, target, out=tmp_path, trials=3, verbose=False)
    text = result.report.read_text()
    pictures = {
        "regression": "Predicted against actual",
        "multiclass": "What was predicted for each true class",
    }
    assert pictures[kind] in text
    assert pictures["multiclass" if kind == "regression" else "regression"] not in text


def test_a_record_without_a_curve_or_importances_still_makes_a_page(sms_run):
    record = read_json(sms_run.path / "metrics.json")
    record["learning"] |= {"sizes": [], "train": [], "valid": []}
    record["uses"] = {}
    predictions = pl.read_parquet(sms_run.path / "predictions.parquet")
    assert Page(render(record, predictions, "", "run")).problems == []
