"""The page in a real browser: it runs without errors, sorts, and can be read on a phone."""

import html
import json
import re
import shutil
import subprocess

import pytest

from reports.__main__ import main

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
PHONE, DESK = 420, 1280
OPTIONS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--disable-dev-shm-usage", "--virtual-time-budget=10000", "--dump-dom",
)  # fmt: skip
LISTEN = """<script>
const errors = [];
addEventListener("error", (event) => errors.push(event.message));
</script>"""
LOOK = """<script>
const width = document.documentElement.clientWidth, found = { errors };
function column(table, index) {
  return [...table.tBodies[0].rows].map((row) => row.cells[index].innerText);
}
function visibleNumbers(table) {
  const cells = [...table.tBodies[0].rows[0].cells], name = cells[0].getBoundingClientRect();
  return cells.slice(1).filter((cell) => {
    const box = cell.getBoundingClientRect();
    return /\\d/.test(cell.innerText) && box.left >= name.right - 1 && box.right <= width;
  }).length;
}
function look() {
  found.overflow = document.documentElement.scrollWidth - width;
  found.wide = [...document.querySelectorAll("body *")]
    .filter((x) => !x.closest(".wide, pre, canvas") && x.getBoundingClientRect().right > width + 1)
    .map((x) => x.outerHTML);
  const tables = [...document.querySelectorAll("section > .wide > table")];
  found.visible = tables.map(visibleNumbers);
  const headings = [...tables[0].tHead.rows[0].cells];
  const base = headings.findIndex((cell) => cell.innerText === "Base");
  found.orders = [column(tables[0], base)];
  headings[base].click();
  found.orders.push(column(tables[0], base));
  headings[base].dispatchEvent(new KeyboardEvent("keydown", { key: "Enter" }));
  found.orders.push(column(tables[0], base));
  headings[0].click();
  found.names = column(tables[0], 0);
  found.sort = headings.map((cell) => cell.getAttribute("aria-sort"));
  const run = document.querySelector("#runs a");
  found.run = [run.innerText, run.getBoundingClientRect().right <= width];
  run.click();
}
addEventListener("load", () => setTimeout(() => {
  look();
  setTimeout(() => {  // the details of the run have opened, and their matrix is drawn
    const open = document.querySelector("details[open]");
    found.opened = [open?.id, open?.querySelector("canvas").width];
    parent.postMessage(found, "*");
  }, 500);
}, 200));
</script>"""
# A window has at least 500 pixels: the phone is a frame in it.
HARNESS = """<!doctype html><body>{frames}<pre id="found"></pre><script>
const found = {{}};
addEventListener("message", (event) => {{
  const frame = [...document.querySelectorAll("iframe")].find(
    (x) => x.contentWindow === event.source);
  found[frame.width] = event.data;
  document.getElementById("found").textContent = JSON.stringify(found);
}});
</script>"""


def _is_browser(path: str | None) -> bool:
    """Some distributions have a stand-in of the name that only says how to install one."""
    return bool(path) and subprocess.run([path, "--version"], capture_output=True).returncode == 0


BROWSER = next(filter(_is_browser, map(shutil.which, BROWSERS)), None)


@pytest.fixture
def results(tmp_path, write_pair, write_result):
    """Pages of many rows: long names, long settings, several protocols, logs and confusions."""
    counts = [
        {"label": i, "name": f"class {i} " + 20 * "x", "total": 9, "correct": 5} for i in (0, 1)
    ]
    fields = {"per_class": counts, "confused": [[0, 1, 4], [1, 0, 4]]}
    long = "Trainer" + 40 * "x"
    for seed in (1, 2):
        for number, name in enumerate(("ZeroshotCLIP2", "CoOp", "E2MIM", long)):
            for alpha in (0.5, 1.5):
                config = {"TRAINER": {"CTX_INIT": 9 * "a photo ", "ALPHA": alpha}}
                write_pair(
                    f"{name}/{alpha}/{seed}", 9.5 + 7 * number % 4 + alpha, 60,
                    trainer=name, seed=seed, dataset="images_" + 50 * "y", config=config, **fields,
                )  # fmt: skip
        trained = {"dataset": "D", "subset": "all"}
        write_result(f"f/{seed}", seed=seed, subset="all", dataset="D", trained_on=trained)
    log = tmp_path / "runs/CoOp/0.5/1/base/log.txt"
    log.write_text("epoch [1/1] mean loss 1.0\n" + 300 * "z" + "\n")
    (tmp_path / "runs/bad").mkdir()
    (tmp_path / "runs/bad/result.json").write_text("{")
    return tmp_path / "runs"


@pytest.fixture
def found(results, tmp_path):
    """What the harness finds in frames of both widths."""
    assert main(["html", "--output", str(results)]) == 0
    page = (results / "report.html").read_text(encoding="utf-8")
    page = page.replace("<head>", f"<head>{LISTEN}").replace("</body>", f"{LOOK}</body>")
    (tmp_path / "page.html").write_text(page, encoding="utf-8")
    frames = "".join(
        f'<iframe src="page.html" width="{width}" height="800" style="border: 0"></iframe>'
        for width in (PHONE, DESK)
    )
    harness = tmp_path / "harness.html"
    harness.write_text(HARNESS.format(frames=frames), encoding="utf-8")
    command = [BROWSER, *OPTIONS, f"--user-data-dir={tmp_path / 'profile'}", harness.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    content = re.search(r'<pre id="found">(.+?)</pre>', done.stdout, re.S)
    assert content, done.stderr[-2000:]
    return {int(width): seen for width, seen in json.loads(html.unescape(content[1])).items()}


@pytest.mark.skipif(
    BROWSER is None,
    reason=f"no browser: none of {', '.join(BROWSERS)} (Debian: apt-get install chromium)",
)
def test_the_page_in_a_browser(found):
    assert set(found) == {PHONE, DESK}
    for width, seen in found.items():
        assert seen["errors"] == [], width
        # On a phone wide tables and figures scroll in their own boxes, and the page does not.
        assert seen["overflow"] <= 0 and seen["wide"] == [], width
        assert len(seen["visible"]) >= 4 and min(seen["visible"]) >= 1, width
        before, down, up = ([float(cell.split()[0]) for cell in x] for x in seen["orders"])
        assert sorted(before) == up == down[::-1] and before != up, width
        assert seen["sort"] == ["ascending", *6 * [None]]
        assert seen["names"] == sorted(seen["names"], key=str.lower)
        assert seen["run"] == ["CoOp", True] and seen["opened"] == ["run0", 480], width
