"""Pages over HTTP: signing in, forms that no other site can send, and files that never change.

A form counts only with the session's own form token; the cookie is `HttpOnly` and `SameSite=Strict` besides. Answers to
forms are redirects, so that reloading a page repeats nothing.
"""

from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import parse_qs, quote

from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from edgewise.core.hub import enrolment, fleet_calls, inputs, refusals, reviews, rollout_calls, routes, users
from edgewise.core.hub.call import Asked, Hub
from edgewise.core.hub.pages import render
from edgewise.core.hub.pages.views import TABS, VIEWS, View
from edgewise.core.hub.routes import COOKIE
from edgewise.core.hub.users import Role, User
from edgewise.errors import BadInput, EdgewiseError, NotFound, NotPermitted, TokenRefused

FORM_BYTES = 64 << 10
Endpoint = Callable[[Request], Awaitable[Response]]
SHOWN = ("image/png", "image/jpeg", "image/gif", "image/webp")
TYPES = {".css": "text/css", ".js": "text/javascript", ".LICENSE": "text/plain"}


def page_routes(hub: Hub) -> list[Route]:
    """Every page, and what its forms send."""
    return [
        Route("/signin", _page(hub, _sign_in_page), methods=["GET"]),
        Route("/signin", _page(hub, _sign_in, reads_form=True), methods=["POST"]),
        Route("/signout", _page(hub, _sign_out, reads_form=True), methods=["POST"]),
        Route("/static/{name}", _static, methods=["GET"]),
        Route("/review/{case}/input", _page(hub, _input), methods=["GET"]),
        Route("/review/{case}", _page(hub, _answer, reads_form=True), methods=["POST"]),
        Route("/devices/{device}/revoke", _page(hub, _revoke, reads_form=True), methods=["POST"]),
        Route("/rollouts/{rollout}/abort", _page(hub, _abort, reads_form=True), methods=["POST"]),
        *(Route(view.path, _page(hub, _shown(view)), methods=["GET"]) for view in VIEWS),
    ]


Run = Callable[[Hub, Request, dict[str, str]], Response]


def _page(hub: Hub, run: Run, *, reads_form: bool = False) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        try:
            body = await routes.body_of(request, FORM_BYTES) if reads_form else b""
            return await run_in_threadpool(run, hub, request, _form(body))
        except TokenRefused as error:
            if not reads_form and not request.url.path.startswith("/signin"):
                there = request.url.path + (f"?{request.url.query}" if request.url.query else "")
                return RedirectResponse(f"/signin?to={quote(there)}", 303)
            return _refusal(request, error)
        except EdgewiseError as error:
            return _refusal(request, error)
        except ClientDisconnect:
            return Response(status_code=400)

    return endpoint


def _form(body: bytes) -> dict[str, str]:
    try:
        found = parse_qs(body.decode(), keep_blank_values=True, max_num_fields=50)
    except ValueError as error:
        raise BadInput("this is no form") from error
    return {name: values[0] for name, values in found.items()}


def _shown(view: View) -> Run:
    def run(hub: Hub, request: Request, form: dict[str, str]) -> Response:  # noqa: ARG001 - as every page
        user = users.require(routes.who(hub, request), view.role)
        values = {
            one.name: one.value(
                request.path_params.get(one.name) if one.inside == "path" else request.query_params.get(one.name)
            )
            for one in view.parameters
        }
        shown = view.show(hub, Asked(values=values, user=user))
        inside = {name: quote(str(value), safe="") for name, value in values.items()}
        query = f"?{request.url.query}" if request.url.query else ""
        context: dict[str, Any] = {
            "asked": values,
            "json_url": view.json.format(**inside) + query,
            "now_s": hub.now_s(),
        }
        return _html(request, view.template, user=user, tab=view.tab, silence_s=hub.silence_s, **context, **shown)

    return run


def _html(request: Request, template: str, *, user: User | None, status: int = 200, **context: Any) -> Response:
    session = request.cookies.get(COOKIE, "")
    context = {"form_token": users.form_token(session) if session else "", "json_url": "", "tab": "", **context}
    content = render.html(template, user=user, tabs=TABS, here=request.url.path, **context)
    return Response(content, status, {"Cache-Control": "no-store"}, "text/html")


def _refusal(request: Request, error: EdgewiseError) -> Response:
    code = refusals.status(error)
    return _html(request, "refusal.html.j2", user=None, status=code, code=code, message=error.message, hint=error.hint)


def _sign_in_page(hub: Hub, request: Request, form: dict[str, str]) -> Response:  # noqa: ARG001 - as every page
    return _html(request, "signin.html.j2", user=None, to=request.query_params.get("to", "/"), refused="")


def _sign_in(hub: Hub, request: Request, form: dict[str, str]) -> Response:
    _same_origin(request)
    to = form.get("to", "/")
    try:
        with hub.database.writing() as connection:
            session = users.sign_in(connection, form.get("token", "").strip(), now_s=hub.now_s())
    except TokenRefused as error:
        return _html(request, "signin.html.j2", user=None, status=401, to=to, refused=error.message)
    safe = to if to.startswith("/") and not to.startswith(("//", "/\\")) and to.isprintable() else "/"
    answer = RedirectResponse(safe, 303)
    secure = request.url.scheme == "https"
    answer.set_cookie(
        COOKIE, session, max_age=users.SESSION_S, httponly=True, samesite="strict", secure=secure, path="/"
    )
    return answer


def _sign_out(hub: Hub, request: Request, form: dict[str, str]) -> Response:
    _by_form(hub, request, form, Role.VIEWER)
    with hub.database.writing() as connection:
        users.sign_out(connection, request.cookies[COOKIE])
    answer = RedirectResponse("/signin", 303)
    answer.delete_cookie(COOKIE, path="/")
    return answer


def _answer(hub: Hub, request: Request, form: dict[str, str]) -> Response:
    user = _by_form(hub, request, form, Role.OPERATOR)
    name = request.path_params["case"]
    with hub.database.writing() as connection:
        reviews.answer(connection, name, form.get("answer", ""), who=user.name, now_s=hub.now_s())
    return RedirectResponse("/review", 303)


def _revoke(hub: Hub, request: Request, form: dict[str, str]) -> Response:
    user = _by_form(hub, request, form, Role.OPERATOR)
    name = request.path_params["device"]
    with hub.database.writing() as connection:
        enrolment.revoke(connection, name, who=user.name, now_s=hub.now_s())
    return RedirectResponse(f"/devices/{name}", 303)


def _abort(hub: Hub, request: Request, form: dict[str, str]) -> Response:
    user = _by_form(hub, request, form, Role.OPERATOR)
    name = request.path_params["rollout"]
    rollout_calls.abort(hub, Asked(values={"rollout": name}, user=user))
    return RedirectResponse(f"/rollouts/{quote(name, safe='')}", 303)


def _by_form(hub: Hub, request: Request, form: dict[str, str], role: Role) -> User:
    """Who has sent a form of ours.

    Raises:
        NotPermitted: the form is not of this session's pages.
    """
    _same_origin(request)
    session = request.cookies.get(COOKIE, "")
    if not session or form.get("form_token", "") != users.form_token(session):
        raise NotPermitted("this form is not of a page of yours", hint="load the page again")
    with hub.database.reading() as connection:
        return users.require(users.by_session(connection, session, now_s=hub.now_s()), role)


def _same_origin(request: Request) -> None:
    origin = request.headers.get("origin", "")
    site = request.headers.get("sec-fetch-site", "same-origin")
    if (origin and origin.partition("://")[2] != request.headers.get("host", "")) or site not in (
        "same-origin",
        "none",
    ):
        raise NotPermitted("this form comes from another site")


def _input(hub: Hub, request: Request, form: dict[str, str]) -> Response:  # noqa: ARG001 - as every page
    user = users.require(routes.who(hub, request), Role.VIEWER)
    case = fleet_calls.case(hub, Asked(values={"case": request.path_params["case"]}, user=user))
    if case.input_media_type not in SHOWN:
        raise NotFound("this input is no picture that is shown here")
    with hub.database.reading() as connection:
        content = inputs.content(connection, case.input_digest)
    heads = {"Content-Security-Policy": "sandbox; default-src 'none'", "Cache-Control": "private, max-age=3600"}
    return Response(content, 200, heads, case.input_media_type)


async def _static(request: Request) -> Response:
    name = request.path_params["name"]
    path = render.STATIC / name
    if name not in {one.name for one in render.STATIC.iterdir()}:
        return Response(status_code=404)
    heads = {"Cache-Control": "public, max-age=3600"}
    return Response(path.read_bytes(), 200, heads, TYPES.get(path.suffix, "application/octet-stream"))
