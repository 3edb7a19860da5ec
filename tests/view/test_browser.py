"""The page in Chromium: with the keyboard, on a telephone, two runs, the clipboard.

Driven by Playwright with Debian's browser; `install` of its own is not needed.
"""

import re
import shutil

import pytest

from invariscope.report.kit.words import with_interval
from invariscope.report.run.page import command_of
from invariscope.report.run.readings import Readings

sync_api = pytest.importorskip("playwright.sync_api")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
DONE = "main[aria-busy=false]"

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium: apt-get install chromium"),
]


@pytest.fixture(scope="module")
def chromium():
    with sync_api.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM)
        yield browser
        browser.close()


@pytest.fixture
def opened_page(chromium, view):
    """Opens the view with runs chosen; what its console says is an error of the test."""
    contexts, said = [], []

    def run(*names, width=1280, **more):
        context = chromium.new_context(viewport={"width": width, "height": 844}, **more)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("request", lambda one: view.host in one.url or said.append(one.url))
        page.goto(f"{view.address}#runs={view.keys(*names)}")
        page.wait_for_selector(DONE)
        return page

    yield run
    for context in contexts:
        context.close()
    assert not said


def choose(page, *names):
    """Chooses exactly these runs, in this order."""
    rows = page.locator("#run-rows tr")
    for row in rows.all():
        if not any(name in row.inner_text() for name in names):
            row.locator("input").uncheck()
    for name in names:
        rows.filter(has_text=name).locator("input").check()
    page.wait_for_selector(DONE)


def slider(page, words="rotation"):
    return page.get_by_role("slider", name=f"Level of {words}")


def card(page, name="rotate"):
    return page.locator(f".card[data-name={name}]")


def test_without_the_token_there_is_no_page(chromium, view):
    page = chromium.new_page()
    assert page.goto(view.address.partition("?")[0]).status == 403
    assert page.goto(view.address).status == 200
    page.wait_for_selector(DONE)
    assert view.token not in page.url  # the script takes it out of the address
    assert page.evaluate("document.cookie") == ""
    assert page.reload().status == 200
    page.context.close()


def test_the_slider_moves_photograph_numbers_and_marks_by_keyboard(opened_page, results):
    page = opened_page("first")
    result, own = results[0], card(page)
    frame = result.frame
    rows = frame[(frame["metric"] == "relative_invariance") & (frame["layer"] == "embedding")
                 & (frame["transformation"] == "rotate") & frame["class"].isna()]  # fmt: skip
    flips = result.flips()
    flips = flips[flips["transformation"] == "rotate"]
    slider(page).focus()
    page.keyboard.press("Home")
    seen = []
    for row in rows.sort_values("level").to_dict("records"):
        value = with_interval(row["value"], row["ci_low"], row["ci_high"])
        assert own.locator(".now strong:visible").inner_text() == value
        assert own.locator("output").inner_text() == f"{row['magnitude']:.0f}°"
        assert slider(page).get_attribute("aria-valuetext") == f"{row['magnitude']:.0f}°"
        count = (flips["level"] <= row["level"]).sum()
        assert f"{count} of 16 answers" in own.locator(".stop:visible").inner_text()
        shown = sum(
            one.level <= row["level"] for one in result.flip_pictures
            if one.transformation == "rotate"
        )  # fmt: skip
        assert own.locator(".one:visible").count() == shown
        mark = own.locator("svg.wide .dot")
        seen.append((
            own.locator(".stop:visible img").get_attribute("src"),
            own.locator("svg.wide .marker").get_attribute("x1"),
            mark.get_attribute("cy"),
        ))  # fmt: skip
        if row["level"]:
            assert own.locator(".said").inner_text() == f"{row['magnitude']:.0f}°: {value}"
        page.keyboard.press("ArrowRight")
    assert [len(set(column)) for column in zip(*seen, strict=True)] == [4, 4, 4]


def test_filters_leave_what_is_looked_for(opened_page):
    page = opened_page("first")
    page.get_by_label("Show runs that contain").fill("SECOND")
    assert page.locator("#run-rows tr:visible").count() == 1
    assert page.locator("#run-status").inner_text() == "1 of 2 runs."
    assert page.locator(".card").count() == 3
    page.get_by_label("Find a transformation").fill("dark")
    assert page.locator("#transformation-names label:visible").count() == 1
    page.get_by_role("checkbox", name="darkening").uncheck()
    page.wait_for_selector(DONE)
    assert [one.get_attribute("data-name") for one in page.locator(".card").all()] == [
        "rotate",
        "C4",
    ]
    page.get_by_label("Find a layer").fill("logi")
    assert page.locator("#layer-names label:visible").count() == 1
    page.reload()
    page.wait_for_selector(DONE)
    assert page.locator(".card").count() == 2  # the address keeps what is chosen


def test_a_layer_changes_the_curves_and_opens(opened_page, results):
    page = opened_page("first")
    page.get_by_role("radio", name=re.compile("^logits")).check()
    page.wait_for_selector(DONE)
    slider(page).focus()
    page.keyboard.press("End")
    frame = results[0].frame
    (row,) = frame[(frame["metric"] == "relative_invariance") & (frame["layer"] == "logits")
                   & (frame["transformation"] == "rotate") & (frame["level"] == 3)
                   & frame["class"].isna()].to_dict("records")  # fmt: skip
    value = with_interval(row["value"], row["ci_low"], row["ci_high"])
    assert card(page).locator(".now strong:visible").inner_text() == value
    page.locator(".heat").get_by_role("link", name="logits").click()
    page.wait_for_load_state()
    assert page.locator("h1").inner_text() == "logits"
    assert value in page.locator("#numbers").inner_text()
    page.get_by_role("link", name="The runs").first.click()
    page.wait_for_selector(DONE)
    assert page.get_by_role("checkbox", name="first").is_checked()


def test_two_runs_are_laid_over_each_other(opened_page, results):
    page = opened_page("first")
    choose(page, "first", "second")
    sides = card(page).locator(".side")
    assert [one.locator("h4 .letter").inner_text() for one in sides.all()] == ["A", "B"]
    assert card(page).locator("svg.wide .dot").count() == 2
    slider(page).focus()
    page.keyboard.press("End")
    values = []
    for result, side in zip(results, sides.all(), strict=True):
        frame = result.frame
        rows = frame[(frame["metric"] == "relative_invariance") & (frame["layer"] == "embedding")
                     & (frame["transformation"] == "rotate") & (frame["magnitude"] == 90)
                     & frame["class"].isna()]  # fmt: skip
        (row,) = rows.to_dict("records")
        values.append(with_interval(row["value"], row["ci_low"], row["ci_high"]))
        assert side.locator(".now strong:visible").inner_text() == values[-1]
    assert card(page).locator(".said").inner_text() == f"90°: A {values[0]}; B {values[1]}"
    page.keyboard.press("ArrowLeft")  # 45°, which the second run does not have
    assert "not measured at this level" in sides.nth(1).locator(".now:visible").inner_text()
    assert card(page).locator("svg.wide .dot:visible").count() == 1


def test_the_command_is_copied_as_the_report_has_it(opened_page, results):
    page = opened_page("first", permissions=["clipboard-read", "clipboard-write"])
    page.clock.install(time=0)
    page.clock.pause_at(1)  # "Copied" stands there for a moment, which a slow machine misses
    button = card(page).locator("button[data-copy]")
    label = button.inner_text()
    for _ in range(2):
        page.evaluate("document.querySelector('#busy').textContent = ''")
        button.click()
        page.locator("#busy", has_text="Copied.").wait_for()
        assert button.inner_text() == "Copied"
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied == command_of(Readings(results[0]))
    page.clock.run_for(2000)
    assert button.inner_text() == label


UNNAMED = """() => [...document.querySelectorAll("input, select, button, a, output")]
    .filter((one) => one.checkVisibility() && !(one.ariaLabel || one.textContent.trim()
        || [...(one.labels || [])].some((label) => label.textContent.trim())))
    .map((one) => one.outerHTML)"""


@pytest.mark.parametrize(
    ("width", "names"),
    [(390, ["first"]), (390, ["first", "deep/second"]), (1280, ["deep/second"])],
)
def test_nothing_overflows_and_all_controls_have_names(opened_page, width, names):
    page = opened_page(*names, width=width)
    assert page.evaluate("document.documentElement.scrollWidth") == width
    assert page.evaluate(UNNAMED) == []
    hidden = {1280: "svg.phone", 390: "svg.wide"}[width]
    assert page.locator(".drawn svg:visible").count() > 0
    assert page.locator(f".drawn {hidden}:visible").count() == 0
    assert page.locator("img:visible:not([alt])").count() == 0
    assert page.locator(".stop img:visible").count() > 0
    identifiers = page.evaluate("[...document.querySelectorAll('[id]')].map((one) => one.id)")
    assert len(identifiers) == len(set(identifiers))


def test_tab_reaches_everything_and_shows_where_it_is(opened_page):
    page = opened_page("first")
    page.evaluate("document.activeElement.blur(); scrollTo(0, 0)")
    reached = set()
    for _ in range(80):
        page.keyboard.press("Tab")
        what, outline = page.evaluate(
            "(() => { const one = document.activeElement;"
            " return [one.name || one.id || one.className || one.textContent,"
            " getComputedStyle(one).outlineStyle]; })()"
        )
        if outline != "none":
            reached.add(what)
    wanted = {"run", "find-run", "metric", "layer", "find-layer", "find-transformation"}
    wanted |= {"transformation", "t0-level", "t1-level", "t2-level", "copy", "scroll", "logits"}
    assert wanted <= reached


def test_dark_where_the_system_is(opened_page):
    colours = [
        opened_page("deep/second", color_scheme=scheme).evaluate(
            "getComputedStyle(document.body).backgroundColor"
        )
        for scheme in ("light", "dark")
    ]
    assert colours == ["rgb(255, 255, 255)", "rgb(18, 23, 29)"]
