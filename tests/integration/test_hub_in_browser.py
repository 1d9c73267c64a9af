"""The hub's pages in a real browser: every screen, both schemes, by keyboard, and no other site's form."""

import base64
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from edgewise.core.database import migrate
from edgewise.core.database.engine import Database
from edgewise.core.hub import inputs, rollout_calls
from edgewise.core.hub.call import Asked, Hub
from edgewise.core.hub.local import DATABASE_USER
from edgewise.core.hub.rollout_calls import Told
from edgewise.core.hub.users import Role
from edgewise.core.registry import entries
from edgewise.core.registry.entries import MODEL, VERSION
from edgewise.exchange.message import Status
from fakes.hubs import RELEASE, FakeDevice, head, serving

HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)>'\"&"


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Database]:
    """One device of every status, a hostile reason, a case, a model with a report, a rollout."""
    database = migrate.opened(f"sqlite:///{tmp_path / 'hub.db'}")
    now_s = int(time.time())
    for status in (Status.ONLINE, Status.UPDATING, Status.DEGRADED, Status.FAILED, Status.ROLLED_BACK):
        device = FakeDevice()
        device.enrols(database, now_s=now_s)
        reason = "" if status is Status.ONLINE else HOSTILE
        device.says(database, device.report(status, reason=reason, log=(HOSTILE,), labels={"a": HOSTILE}), now_s=now_s)
    picture = b"no picture at all"
    device.says(
        database,
        device.case(
            why=HOSTILE,
            prediction=HOSTILE,
            input=base64.b64encode(picture).decode(),
            input_digest=inputs.digest(picture),
            input_media_type="text/html",
        ),
        now_s=now_s,
    )
    with database.writing() as connection:
        model = entries.create(connection, MODEL, {"name": "meter-reader"}, now_ms=now_s * 1000)
        about = {"name": "7", "registeredModelId": model["id"], "description": HOSTILE}
        entries.create(connection, VERSION, about, now_ms=now_s * 1000)
    told = Told(site="press-line", release=RELEASE, state="running", stages=[5.0, 100.0], stage=0, reason=HOSTILE)
    hub = Hub(database=database, now_s=lambda: int(time.time()))
    rollout_calls.tell(hub, Asked(values={"rollout": "meter-reader-7"}, user=DATABASE_USER, document=told))
    yield database
    database.close()


class Seen:
    """A hub, a signed-in browser, and what it complained about."""

    def __init__(self, browser: Browser, base: str, token: str, **settings: object) -> None:
        self.base = base
        self.context = browser.new_context(**settings)  # type: ignore[arg-type]
        self.page: Page = self.context.new_page()
        self.complaints: list[str] = []
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("dialog", lambda dialog: self.complaints.append(dialog.message))
        self.page.goto(f"{base}/devices")
        self.page.keyboard.type(token)  # the field has the focus
        self.page.keyboard.press("Enter")
        expect(self.page.get_by_role("navigation")).to_be_visible()


def token_of(database: Database, role: Role) -> str:
    return head(database, role)["Authorization"].removeprefix("Bearer ")


def addresses(page: Page, base: str) -> list[str]:
    """Every page, found by following links."""
    found, waiting = [], ["/"]
    while waiting:
        path = waiting.pop(0)
        answer = page.goto(base + path)
        assert answer is not None
        assert answer.status == 200, path
        found.append(path)
        for link in page.locator("main a, nav a").all():
            target = (link.get_attribute("href") or "").partition("?")[0]
            if target.startswith("/") and not target.startswith("/api/") and target not in found + waiting:
                waiting.append(target)
    return found


@pytest.mark.parametrize(("width", "scheme"), [(390, "dark"), (1280, "light")])
def test_every_page_fits_and_runs_nothing_of_what_devices_say(
    chromium: Browser, fleet: Database, width: int, scheme: str
) -> None:
    with serving(fleet, per_s=1e6) as client:
        base = str(client.base_url).rstrip("/")
        size = {"width": width, "height": 800}
        seen = Seen(chromium, base, token_of(fleet, Role.OPERATOR), viewport=size, color_scheme=scheme)
        paths = addresses(seen.page, base)
        assert len(paths) >= 12
        for path in paths if width < 1000 else ["/", "/devices", "/review"]:
            seen.page.goto(base + path)
            assert seen.page.evaluate("document.documentElement.scrollWidth") <= width, path
            json_url = seen.page.locator("footer a").first.get_attribute("href")
            assert seen.context.request.get(base + str(json_url)).status == 200
        assert seen.complaints == []
        seen.context.close()


def test_a_case_is_answered_and_a_rollout_stopped_by_keyboard(chromium: Browser, fleet: Database) -> None:
    with serving(fleet) as client:
        base = str(client.base_url).rstrip("/")
        seen = Seen(chromium, base, token_of(fleet, Role.OPERATOR))
        page = seen.page
        page.goto(f"{base}/review")
        page.locator("tbody a").first.press("Enter")
        expect(page.get_by_role("button", name="Answer")).to_be_visible()
        page.get_by_label("What is right").fill("7")
        page.keyboard.press("Enter")
        expect(page.get_by_text("Nothing waits for an answer.")).to_be_visible()
        page.goto(f"{base}/rollouts/meter-reader-7")
        page.get_by_role("button", name="Abort this rollout").press("Enter")
        expect(page.get_by_text("the operator wants this rollout stopped.")).to_be_visible()
        page.get_by_role("button", name="Sign out").press("Enter")
        expect(page.get_by_role("button", name="Sign in")).to_be_visible()
        page.goto(base)
        expect(page.get_by_role("button", name="Sign in")).to_be_visible()
        assert seen.complaints == []
        seen.context.close()


def test_the_list_is_filtered_and_its_address_can_be_shared(chromium: Browser, fleet: Database) -> None:
    with serving(fleet) as client:
        base = str(client.base_url).rstrip("/")
        seen = Seen(chromium, base, token_of(fleet, Role.VIEWER))
        page = seen.page
        page.get_by_label("Status").select_option("RolledBack")
        page.get_by_role("button", name="Show").click()
        expect(page.locator("tbody tr")).to_have_count(1)
        assert "not up to date" in page.locator("tbody tr").inner_text()
        shared = page.url
        page.goto(base)
        page.goto(shared)
        expect(page.locator("tbody tr")).to_have_count(1)
        page.locator("tbody th a").click()
        expect(page.get_by_text("Refuses")).to_be_visible()
        expect(page.get_by_role("button", name="Revoke this device")).to_have_count(0)
        seen.context.close()


def test_forms_count_only_with_the_session_s_own_token(fleet: Database) -> None:
    with serving(fleet) as client:
        token = token_of(fleet, Role.OPERATOR)
        signed_in = client.post("/signin", data={"token": token, "to": "//elsewhere.example"})
        assert (signed_in.status_code, signed_in.headers["location"]) == (303, "/")
        cookie = signed_in.headers["set-cookie"]
        assert "HttpOnly" in cookie
        assert "samesite=strict" in cookie.lower()
        device = client.get("/api/v1/devices").json()["devices"][0]["id"]
        path = f"/devices/{device}/revoke"
        assert client.post(path).status_code == 403
        assert client.post(path, data={"form_token": "0" * 64}).status_code == 403
        page = client.get(f"/devices/{device}").text
        mine = page.partition('name="form_token" value="')[2].partition('"')[0]
        away = {"Origin": "https://elsewhere.example"}
        assert client.post(path, data={"form_token": mine}, headers=away).status_code == 403
        assert client.post(path, data={"form_token": mine}).status_code == 303
        assert client.post("/signin", data={"token": "ewu_wrong"}).status_code == 401
