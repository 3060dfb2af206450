"""A report in a frame, as MLflow shows it."""

import json

import pytest

from search.report.blocks import Page, Section, Table, Text
from search.report.page import write_page
from tests.browser import CHROMIUM, Browser

_FRAME = """<body><script>
const frame = document.createElement("iframe");
Object.assign(frame, {width: 600, height: 400, sandbox: "allow-scripts"});
frame.src = URL.createObjectURL(new Blob([%s], {type: "text/html"}));
document.body.append(frame);
</script>"""


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
def test_contents_lead_to_their_sections_and_files_say_why_they_are_not_saved(tmp_path):
    long = Section("first", "First", (Text(("One line.",) * 200),))
    last = Section("last", "Last", (Table("Numbers", ("a", "b"), (("x", 1),), file="some.csv"),))
    file = write_page(Page("Long", "", (), (long, last)), tmp_path / "report.html")
    shown = json.dumps(file.read_text("utf-8")).replace("</", "<\\/")
    (tmp_path / "frame.html").write_text(_FRAME % shown, "utf-8")
    with Browser(700, 500) as page:
        page.open((tmp_path / "frame.html").as_uri())
        page.enter_frame()
        page.wait("document.querySelector('nav a') !== null")
        assert page.evaluate("scrollY") == 0
        page.evaluate("document.querySelector('nav a[href=\"#last\"]').click()")
        page.wait("scrollY > 1000", 10)
        page.evaluate("document.querySelector('a[download]').click()")
        said = page.evaluate("document.querySelector('.download').innerText")
    assert "download report.html and open it" in said
