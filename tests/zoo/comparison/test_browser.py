"""The page in a real browser, where one is installed: chromium and chromium-driver (or chrome and chromedriver), and selenium."""

import shutil

import pytest

from tests.toy_comparison import write_page

CHROMIUM = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None
)
DRIVER = shutil.which("chromedriver")
webdriver = pytest.importorskip("selenium.webdriver", reason="pip install '.[browser]' for the tests in a browser")
pytestmark = pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="no chromium with its driver is installed")

PHONE = {"width": 375, "height": 740, "deviceScaleFactor": 2, "mobile": True}


@pytest.fixture(scope="module")
def browser():
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for argument in (
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--window-size=1200,900",
    ):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    yield driver
    driver.quit()


@pytest.fixture
def page(browser, tmp_path):
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    browser.get(write_page(tmp_path).as_uri())
    return browser


def column(page, table, number):
    return page.execute_script(
        "return [...arguments[0].tBodies[0].rows].map(row => row.cells[arguments[1]].dataset.value)", table, number
    )


def test_the_console_is_empty_and_there_is_no_request_to_the_network(page):
    assert page.get_log("browser") == []
    messages = [entry["message"] for entry in page.get_log("performance")]
    requests = [message for message in messages if '"Network.requestWillBeSent"' in message]
    assert requests and not any('"url":"http' in request for request in requests)


def test_players_load(page):
    page.set_script_timeout(20)
    seconds = page.execute_async_script("""
        const done = arguments[0], players = [...document.querySelectorAll("audio")];
        const loaded = player => player.readyState >= 1 ? Promise.resolve() : new Promise((yes, no) => { player.onloadedmetadata = yes; player.onerror = () => no(player.error); });
        Promise.all(players.map(loaded)).then(() => done(players.map(player => player.duration)), error => done(String(error)));""")
    assert seconds == pytest.approx([1.0, 1.0, 1.0], abs=0.01)


def test_a_click_sorts_a_table_by_number_and_sets_aria_sort(page):
    table = page.find_element("css selector", "h2 + .scroll > table.sortable:not(#claims)")
    head = table.find_elements("css selector", "th")[1]
    assert head.get_attribute("aria-sort") == "none" and column(page, table, 1) == ["11.0", "130.0", ""]
    head.find_element("css selector", "button").click()
    assert head.get_attribute("aria-sort") == "ascending" and column(page, table, 1) == ["11.0", "130.0", ""]
    head.find_element("css selector", "button").click()
    assert head.get_attribute("aria-sort") == "descending"
    assert column(page, table, 1) == ["130.0", "11.0", ""]  # a row without a value stays last
    other = table.find_elements("css selector", "th")[0]
    other.find_element("css selector", "button").click()
    assert head.get_attribute("aria-sort") == "none" and other.get_attribute("aria-sort") == "ascending"
    assert column(page, table, 1) == ["130.0", "", "11.0"]  # by the alphabet: bits, entropy, tokens


def test_tables_and_players_are_reached_and_operated_by_the_keyboard(page):
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.keys import Keys

    reached = set()
    for _ in range(80):
        ActionChains(page).send_keys(Keys.TAB).perform()
        focused = page.switch_to.active_element
        if focused.tag_name == "button" and "button" not in reached:
            ActionChains(page).send_keys(Keys.ENTER).perform()
            assert focused.find_element("xpath", "..").get_attribute("aria-sort") == "ascending"
        reached.add(focused.tag_name)
    assert {"button", "audio", "summary"} <= reached


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_is_readable_at_the_width_of_a_phone(page, scheme):
    page.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", PHONE)
    page.execute_cdp_cmd(
        "Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    )
    # Nothing has to be scrolled sideways.
    assert page.execute_script("return document.documentElement.scrollWidth") <= PHONE["width"]
    sizes = page.execute_script(
        "return [...document.querySelectorAll('td, p, li, h1, h2')].map(one => parseFloat(getComputedStyle(one).fontSize))"
    )
    assert min(sizes) >= 12
    head = page.find_element("css selector", "#claims th button")
    head.click()  # is there to be touched
    assert head.find_element("xpath", "..").get_attribute("aria-sort") == "ascending"
    out = page.execute_script("""return [...document.querySelectorAll("table.cards td")].filter(cell => {
        const box = cell.getBoundingClientRect(); return box.right > innerWidth + 1 || box.left < -1 || cell.scrollWidth > cell.clientWidth + 1; }).length""")
    assert out == 0
    ground, ink = page.execute_script(
        "const style = getComputedStyle(document.body); return [style.backgroundColor, style.color]"
    )
    darker, lighter = (ink, ground) if scheme == "light" else (ground, ink)
    assert brightness(darker) < 300 and brightness(lighter) > 600
    assert scheme == "light" or brightness(ground) < 150


def brightness(color):
    """Sum of red, green and blue of a CSS color such as ``rgb(255, 255, 255)``."""
    return sum(int(part) for part in color[4:-1].split(",")[:3])
