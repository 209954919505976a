"""The page in a real browser: what it shows, how it is used, and that it asks nobody."""

import importlib.util
import json
import os
import shutil
import time
from pathlib import Path

import pytest
from made import Made, guard, mm_vet_rows

from harness.report.folders import asked_for
from harness.report.make import make_report

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "chrome"))), None)
DRIVER = shutil.which("chromedriver")
THERE = CHROMIUM and DRIVER and importlib.util.find_spec("selenium")
AXE_PACKAGE = importlib.util.find_spec("axe_core_python")
HOSTILE = (
    "</script><script>window.hit = 1</script><img src=x onerror='window.hit = 1'> "
    "javascript:window.hit=1 \u202e turned \x00\x1b[31m \u0627\u0644 " + "long " * 20_000
)
WIDTHS = (390, 1280, 1920)

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(
        not THERE,
        reason="no Chromium, chromedriver or selenium: "
        "apt-get install chromium chromium-driver && pip install 'selenium>=4'",
    ),
]


@pytest.fixture(scope="module")
def chromium():
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for word in ("headless=new", "no-sandbox", "disable-gpu", "disable-dev-shm-usage"):
        options.add_argument(f"--{word}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    yield driver
    driver.quit()


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    made = Made(folder, questions=60)
    guard(made.base(rows=mm_vet_rows(0.0, count=60)), 0.5)
    hostile = mm_vet_rows(1.0, count=60)
    hostile[3].update(question=HOSTILE[:300], response=HOSTILE, replies=[HOSTILE])
    for run in (
        made.run("dpo", rows=hostile, hallucinated=()),
        made.run("dpo", seed=1, rows=mm_vet_rows(0.5, count=60)),
        made.run("dama", rows=mm_vet_rows(0.5, count=60)),
    ):
        made.margins(run, growth=3.0)
        guard(run, 0.4)
    return written(made, folder)


def written(made, folder):
    file = folder / "report.html"
    make_report(asked_for([], made.out), file)
    return file.as_uri()


@pytest.fixture
def page(chromium, report):
    return opened(chromium, report)


def opened(driver, address):
    driver.get("about:blank")
    for kind in ("browser", "performance"):
        driver.get_log(kind)
    driver.get(address)
    return driver


def found(page, selector):
    return page.execute_script("return [...document.querySelectorAll(arguments[0])]", selector)


def texts(page, selector):
    return [one.text for one in found(page, selector)]


def choose(page, field, value):
    page.execute_script(
        "const f = document.getElementById(arguments[0]); f.value = arguments[1];"
        "f.dispatchEvent(new Event(arguments[0] === 'search' ? 'input' : 'change'))",
        field,
        value,
    )


def press(page, *keys):
    from selenium.webdriver.common.action_chains import ActionChains

    for key in keys:
        ActionChains(page).send_keys(key).perform()
    time.sleep(0.2)


def count(page):
    return texts(page, "#count")[0].split(" of ")[0]


def test_it_shows_its_parts_and_no_error_and_asks_nobody(page, report):
    assert texts(page, "h1") == ["Report, size tiny"]
    assert count(page) == "61"
    assert len(found(page, "#list li")) == 50
    assert page.get_log("browser") == []
    sent = [json.loads(one["message"])["message"] for one in page.get_log("performance")]
    asked = {
        one["params"]["request"]["url"]
        for one in sent
        if one["method"] == "Network.requestWillBeSent"
    }
    assert {address for address in asked if not address.startswith("data:")} <= {report}


def test_filters_leave_what_passes(page):
    choose(page, "benchmark", "object_halbench")
    assert count(page) == "1"
    choose(page, "benchmark", "")
    choose(page, "change", "fixed:1")
    assert count(page) == "61"
    choose(page, "change", "broken:1")
    assert "No question passes" in texts(page, "#count")[0]
    choose(page, "change", "")
    choose(page, "search", "what is it, 17?")
    assert count(page) == "1"
    found(page, "button[type=reset]")[0].click()
    time.sleep(0.2)
    assert count(page) == "61"


def test_a_link_opens_its_item_on_its_page_of_the_list(chromium, report):
    page = opened(chromium, f"{report}#item/mm_vet/v1_55")
    assert texts(page, "#question") == ["What is it, 55?"]
    assert "What is it, 55?" in texts(page, "#list [aria-current]")[0]
    assert [one.split()[0] for one in texts(page, ".model h4")] == ["base", "dpo", "dama"]
    opened(page, f"{report}#item/mm_vet/none")
    assert "There is no question mm_vet/none here." in texts(page, "#item")[0]


def test_it_is_used_by_keys(page):
    from selenium.webdriver.common.keys import Keys

    press(page, Keys.ARROW_RIGHT, Keys.ARROW_RIGHT)
    assert page.current_url.endswith("#item/mm_vet/v1_0")
    press(page, Keys.ARROW_LEFT)
    assert page.current_url.endswith("#item/object_halbench/7")
    press(page, "/")
    assert page.switch_to.active_element.get_attribute("id") == "search"
    press(page, "7")
    assert count(page) == "7"  # 7, 17 ... 57 and object_halbench/7
    assert page.current_url.endswith("#item/object_halbench/7")


def test_hostile_answers_are_text(chromium, report):
    page = opened(chromium, f"{report}#item/mm_vet/v1_3")
    said = page.execute_script("return document.querySelectorAll('.answer')[1].textContent")
    assert said.startswith("</script><script>window.hit = 1</script><img src=x")
    assert "[U+202E]" in said
    assert "\x00" not in said
    assert len(said) > 100_000
    assert page.execute_script("return window.hit === undefined")
    assert len(found(page, "script")) == 2
    assert page.get_log("browser") == []


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_is_wider_than_the_window(chromium, report, width, dark):
    page = sized(chromium, width, dark)
    opened(page, f"{report}#item/mm_vet/v1_3")
    assert page.execute_script("return document.documentElement.scrollWidth") <= width
    charts = "return [...document.querySelectorAll('figure .scroll')].every(s => "
    assert page.execute_script(f"{charts} s.scrollWidth <= s.clientWidth)")
    inside = "a => a.getBoundingClientRect().bottom >= a.lastElementChild.getBoundingClientRect()"
    badges = f"return [...document.querySelectorAll('#list a')].every({inside}.bottom)"
    assert page.execute_script(badges)


def sized(driver, width, dark):
    driver.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False},
    )
    scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})
    return driver


def axe():
    """Return axe's script: a newer one that AXE_CORE names, or that of the Python package."""
    if named := os.environ.get("AXE_CORE"):
        return Path(named)
    return Path(AXE_PACKAGE.origin).with_name("axe.min.js")


@pytest.mark.skipif(
    not (AXE_PACKAGE or "AXE_CORE" in os.environ),
    reason="no axe: pip install axe-core-python, or AXE_CORE=.../axe.min.js",
)
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
def test_axe_finds_no_fault(chromium, report, width, dark):
    page = opened(sized(chromium, width, dark), f"{report}#item/mm_vet/v1_5")
    page.execute_script("document.querySelectorAll('details').forEach(one => one.open = true)")
    page.execute_script(axe().read_text("utf-8"))
    faults = page.execute_async_script("axe.run().then(arguments[0])")["violations"]
    assert [(one["id"], one["nodes"][0]["html"]) for one in faults] == []


@pytest.mark.parametrize(("questions", "limit_s"), [(2_000, 2.0), (15_220, 5.0)])
def test_many_items_can_be_used_soon(chromium, tmp_path, questions, limit_s):
    made = Made(tmp_path, questions=1)
    made.base(rows=mm_vet_rows(0.0, count=questions))
    made.run("dpo", rows=mm_vet_rows(1.0, count=questions))
    address = written(made, tmp_path)
    began = time.perf_counter()
    page = opened(chromium, f"{address}#item/mm_vet/v1_{questions - 1}")
    choose(page, "search", f"what is it, {questions - 1}?")
    assert count(page) == "1"
    took = time.perf_counter() - began
    print(f"{questions:,} items: {took:.2f} s")  # noqa: T201
    assert took < limit_s
