"""How large a request may be: by what it says of itself, and by what comes."""

from collections.abc import Mapping

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from vedette.central.api.problems import problem_of_http, reply


class BodyLimit:
    """Refuses a larger body than `most` bytes with 413 before it is all in memory; `larger` by path."""

    def __init__(self, app: ASGIApp, *, most: int, larger: Mapping[str, int]) -> None:
        self._app, self._most, self._larger = app, most, larger

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        said = Headers(scope=scope).get("Content-Length", "") if scope["type"] == "http" else ""
        most = self._larger.get(scope.get("path", ""), self._most)
        if said.isdecimal() and int(said) > most:
            await reply(problem_of_http(_refusal(most)))(scope, receive, send)
            return
        came = 0

        async def counting() -> Message:
            nonlocal came
            message = await receive()
            came += len(message.get("body", b""))
            if came > most:
                raise _refusal(most)
            return message

        await self._app(scope, counting, send)


def _refusal(most: int) -> HTTPException:
    """Give the one kind of error that FastAPI lets out of its reading of a body."""
    return HTTPException(413, f"a request has at most {most:,} bytes")
