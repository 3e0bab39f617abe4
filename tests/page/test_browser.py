"""The page in a browser: what it shows, and that it can be used by keyboard and by everybody."""

import json
import re

import pytest

from composer.serve.app import create_app
from composer.serve.lifecycle import Lifecycle, Stage
from composer.serve.settings import Settings

pytestmark = pytest.mark.slow

ANSWERED = ".turn.in-focus .answer[aria-busy=false]"
TABS = ("how", "members", "graph", "time")
LATEST = 90_000  # milliseconds until a model of the zoo is loaded and has answered


def _choose(page, model):
    page.wait_for_selector(".model option", state="attached")
    page.select_option(".model select", model)


def _ask(page, question=None):
    """Ask a question, or the example, and wait for the answer."""
    if question is None:
        page.click("button.example")
    else:
        page.fill("#question", question)
        page.press("#question", "Enter")
    page.wait_for_selector(".ask button.primary", timeout=LATEST)
    page.wait_for_selector(ANSWERED, timeout=LATEST)


def _answer(page):
    """Return the text of the answer in view, without the mark of its end."""
    tokens = page.locator(".turn.in-focus .token:not(.end):not(.cut)").all_text_contents()
    return "".join(tokens)


def _wide(page):
    """Return how much wider than the window the page is."""
    return page.evaluate("document.documentElement.scrollWidth - window.innerWidth")


def _violations(page):
    axe = pytest.importorskip(
        "axe_playwright_python.sync_playwright", reason="axe is not installed"
    )
    found = axe.Axe().run(page).response["violations"]
    return [
        f"{each['id']}: {node['html'][:120]}"
        for each in found
        if each["impact"] in {"serious", "critical"}
        for node in each["nodes"]
    ]


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("kind", ["route", "fuse", "vote", "cascade"])
def test_every_kind_is_shown_whole_and_is_open_to_everybody(visit, pictures, kind, width, theme):
    page = visit(width=width, theme=theme)
    _choose(page, kind)
    page.wait_for_selector(".graph .box")
    assert _violations(page) == []
    _ask(page)
    for tab in TABS:
        page.click(f"#tab-{tab}")
        page.wait_for_timeout(100)
        page.screenshot(path=pictures / f"{kind}-{width}-{theme}-{tab}.png", full_page=width < 600)
        assert _wide(page) <= 0, tab
        assert _violations(page) == [], tab
    page.locator(".token").nth(1).click()
    page.wait_for_selector("#token-panel")
    page.screenshot(path=pictures / f"{kind}-{width}-{theme}-token.png")
    assert _wide(page) <= 0
    assert _violations(page) == []
    box = page.locator("#token-panel").bounding_box()
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= width
    assert box["y"] + box["height"] <= page.viewport_size["height"] + 1


def test_a_token_tells_what_every_member_would_have_written(visit):
    page = visit()
    _choose(page, "fuse")
    _ask(page)
    page.locator(".token").nth(1).hover()
    panel = page.wait_for_selector("#token-panel")
    headings = page.locator("#token-panel .column h4 .sample").all_text_contents()
    assert headings == ["Fused", "general", "general_2", "maths"]
    assert page.locator("#token-panel .column ol").first.locator("li").count() == 8
    assert "weight 50.0%" in panel.inner_text()
    page.mouse.move(5, 5)
    page.wait_for_selector("#token-panel", state="detached")


def test_another_token_goes_on_from_there_and_the_first_answer_stays(visit):
    page = visit()
    _choose(page, "fuse")
    _ask(page)
    first = _answer(page)
    page.locator(".token").nth(1).click()
    other = page.locator("#token-panel button.likely").first
    text = other.locator("code").inner_text().replace("␣", " ")
    other.click()
    page.wait_for_selector(".token.chosen")
    page.wait_for_selector(ANSWERED, timeout=LATEST)
    second = _answer(page)
    start = page.locator(".token").first.inner_text()
    assert second.startswith(start + text)
    assert second != first
    assert page.locator(".branches .numbers").inner_text() == "2 / 2"
    page.click("[aria-label='Version before']")
    assert _answer(page) == first
    page.reload()
    page.wait_for_selector(ANSWERED)
    assert _answer(page) == first


def test_a_trace_has_an_address_that_opens_it_again(visit, site):
    page = visit()
    _choose(page, "cascade")
    _ask(page)
    assert page.title().startswith("What is 17 plus 25?")
    address, shown = page.url, page.locator(".card").all_inner_texts()
    assert re.fullmatch(rf"{site}/trace/[0-9a-f]{{32}}", address)
    page.get_by_role("button", name="Copy link").click()
    assert page.evaluate("navigator.clipboard.readText()") == address
    with page.expect_download() as download:
        page.get_by_role("button", name="Save JSON").click()
    saved = json.loads(download.value.path().read_text(encoding="utf-8"))
    assert saved["events"][0]["type"] == "begin"
    other = visit(address.removeprefix(site))
    other.wait_for_selector(ANSWERED)
    assert other.locator(".card").all_inner_texts() == shown
    assert other.locator(".question h2").inner_text() == page.locator(".question h2").inner_text()


def test_a_trace_that_is_gone_is_said_to_be_gone(visit):
    page = visit("/trace/00000000")
    page.wait_for_selector(".trouble h2")
    assert page.locator(".trouble h2").inner_text() == "This trace is gone"
    assert "remembers the last" in page.locator(".trouble").inner_text()
    page.get_by_role("button", name="Begin a new conversation").click()
    page.wait_for_selector(".welcome")


def test_text_is_text_whatever_it_says(visit, pictures):
    page = visit()
    _choose(page, "odd")
    question = "<img src=x onerror=alert(2)> שלום 你好 👩‍👩‍👧"
    _ask(page, question)
    assert page.locator(".question h2").inner_text() == question
    page.click("#tab-members")
    texts = page.locator(".member .text").all_inner_texts()
    assert texts[0] == "<script>alert(1)</script> <b>bold</b> & 'quotes'"
    assert "🎉👩‍👩‍👧 日本語のテキスト" in texts[1]
    assert texts[2] == "مرحبا بالعالم (1 + 2) שלום עולם"
    assert page.locator(".page b, .page img, .page script").count() == 0
    page.screenshot(path=pictures / "odd.png")
    arabic = page.locator(".member .text").nth(2)
    assert arabic.evaluate("each => getComputedStyle(each).direction") == "rtl"


def test_the_keyboard_alone_reaches_everything(visit):
    page = visit()
    _choose(page, "fuse")
    page.keyboard.press("/")
    page.keyboard.type("What is the plural of fox?")
    page.keyboard.press("Enter")
    page.wait_for_selector(ANSWERED, timeout=LATEST)
    page.locator("body").click(position={"x": 2, "y": 2})

    page.keyboard.press("t")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    page.get_by_text("Token 2, won by").wait_for()
    page.keyboard.press("Enter")
    assert page.locator("#token-panel button:focus").count() == 1
    page.keyboard.press("Escape")
    page.wait_for_selector("#token-panel", state="detached")
    assert page.locator(".tokens:focus").count() == 1

    reached = _walk(page)
    assert {"Edit", "Copy link", "Save JSON", "New", "Keyboard shortcuts", "How"} <= reached
    assert {"Question", "Options"} <= reached
    page.locator("#tab-how").focus()
    for name in ("members", "graph"):
        page.keyboard.press("ArrowRight")
        page.wait_for_selector(f"#tab-{name}:focus[aria-selected=true]")
    page.keyboard.press("Tab")
    while page.locator(".box:focus").count() == 0:
        page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.wait_for_selector(".tab-panel .card h3")

    page.keyboard.press("?")
    page.wait_for_selector("dialog[open]")
    page.keyboard.press("Escape")
    page.wait_for_selector("dialog", state="detached")
    page.keyboard.press("n")
    page.wait_for_selector(".welcome")
    assert page.locator("#question:focus").count() == 1


NAME = """() => {
    const each = document.activeElement;
    const label = each.getAttribute("aria-label") ?? each.labels?.[0]?.innerText;
    const style = getComputedStyle(each);
    const box = each.closest(".ask-box");
    const isRinged = style.outlineStyle !== "none";
    const isSeen = isRinged || (box && getComputedStyle(box).boxShadow !== "none");
    return [(label ?? each.innerText).trim(), isSeen, each === document.body];
}"""


def _walk(page):
    """Press Tab once around the page; return the names of what had the focus, all visibly."""
    names, ends = [], 0
    for _ in range(120):
        page.keyboard.press("Tab")
        name, is_seen, is_end = page.evaluate(NAME)
        ends += is_end
        if ends == 2:
            break
        assert is_seen or is_end, f"nobody sees that {name!r} has the focus"
        names.append(name)
    assert ends == 2
    return set(names)


def test_a_question_can_be_edited_and_the_conversation_goes_on(visit):
    page = visit()
    _choose(page, "fuse")
    page.click(".options summary")
    page.get_by_label("System message").fill("Be brief.")
    page.get_by_label("Seed").fill("11")
    _ask(page, "What is the plural of fox?")
    _ask(page, "What is the plural of cat?")
    assert page.locator(".turn").count() == 2
    trace = page.evaluate("async (url) => (await fetch(url)).json()", _trace_of(page))
    begin = trace["events"][0]
    assert [each["role"] for each in begin["messages"]] == ["system", "user", "assistant", "user"]
    assert (begin["messages"][0]["content"], begin["seed"]) == ("Be brief.", 11)
    page.locator(".turn").first.get_by_role("button", name="Edit").click()
    page.get_by_label("Edit the question").fill("What is the plural of dog?")
    page.keyboard.press("Enter")
    page.wait_for_selector(ANSWERED, timeout=LATEST)
    assert page.locator(".turn").count() == 1
    assert page.locator(".branches .numbers").inner_text() == "2 / 2"
    page.click("[aria-label='Version before']")
    assert page.locator(".turn").count() == 2


def _trace_of(page):
    return page.url.replace("/trace/", "/api/traces/")


def test_an_answer_can_be_stopped(visit):
    page = visit()
    _choose(page, "slow")
    page.fill("#question", "Wait.")
    page.press("#question", "Enter")
    page.wait_for_selector(".member, .waiting")
    page.get_by_role("button", name="Stop").click()
    page.wait_for_selector(ANSWERED)
    assert "Stopped." in page.locator(".answer").inner_text()


def test_the_theme_can_be_chosen_and_is_kept(visit):
    page = visit(theme="light")
    page.wait_for_selector(".bar")
    paper = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(paper)
    page.get_by_label("Theme").select_option("dark")
    dark = page.evaluate(paper)
    assert light != dark
    page.reload()
    page.wait_for_selector(".bar")
    assert page.evaluate(paper) == dark


def test_nothing_moves_where_motion_is_not_wanted(visit):
    page = visit(reduced_motion="reduce")
    _choose(page, "slow")
    page.fill("#question", "Wait.")
    page.press("#question", "Enter")
    page.click("#tab-graph")
    page.wait_for_selector(".box.running")
    assert page.evaluate("document.getAnimations().length") == 0
    page.keyboard.press("Escape")


def test_a_server_with_a_key_is_asked_with_it(visit, registry, serving):
    settings = Settings(key="open sesame")
    with serving(create_app(registry, settings, Lifecycle(Stage.READY))) as address:
        page = visit(address=address)
        page.get_by_role("textbox", name="Key").fill("wrong")
        page.get_by_role("button", name="Go on").click()
        page.get_by_role("textbox", name="Key").fill("open sesame")
        page.get_by_role("button", name="Go on").click()
        _choose(page, "average")
        _ask(page)
        assert page.evaluate("Object.values(localStorage)") == []
        page.reload()
        page.wait_for_selector(ANSWERED)


def test_an_error_of_a_member_is_shown_with_its_code(visit):
    page = visit()
    _choose(page, "failing")
    page.fill("#question", "2 + 2?")
    page.press("#question", "Enter")
    page.wait_for_selector(".answer .trouble")
    assert "E7" in page.locator(".answer .trouble").inner_text()


FRAMES = """() => {
    window.gaps = [];
    let last = performance.now();
    const frame = () => {
        const now = performance.now();
        window.gaps.push(now - last);
        last = now;
        requestAnimationFrame(frame);
    };
    requestAnimationFrame(frame);
}"""

USUAL, LONGEST = 100, 1000
"""Milliseconds between two frames: for 99% of them, and for the rest, when others use the cores."""


def test_two_thousand_tokens_are_written_and_scrolled_without_a_stall(visit, long_site, pictures):
    page = visit(address=long_site)
    page.wait_for_selector("button.example")
    page.evaluate(FRAMES)
    page.click("button.example")
    page.wait_for_selector(ANSWERED, timeout=250_000)
    assert page.locator(".token").count() >= 2000
    while_written = page.evaluate("window.gaps.splice(0)")
    room = page.locator(".turns").bounding_box()
    page.mouse.move(room["x"] + 100, room["y"] + 100)
    for step in range(40):
        page.mouse.wheel(0, -900 if step < 30 else 700)
        page.wait_for_timeout(25)
    while_scrolled = page.evaluate("window.gaps.splice(0)")
    pauses = {"written": _pauses(while_written), "scrolled": _pauses(while_scrolled)}
    (pictures / "pauses.json").write_text(json.dumps(pauses), encoding="utf-8")
    for usual, longest in pauses.values():
        assert usual < USUAL, pauses
        assert longest < LONGEST, pauses


def _pauses(gaps):
    """Return below what 99% of the milliseconds between frames are, and the most of them."""
    ordered = sorted(gaps)
    return ordered[int(0.99 * len(ordered))], ordered[-1]
