"""How large a request may be: by what it says of itself, and by what comes."""

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from vedette.central.api.problems import problem_of_http, reply


class BodyLimit:
    """Refuses a larger body than `most` bytes with 413 before it is all in memory."""

    def __init__(self, app: ASGIApp, *, most: int) -> None:
        self._app, self._most = app, most

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        said = Headers(scope=scope).get("Content-Length", "") if scope["type"] == "http" else ""
        if said.isdecimal() and int(said) > self._most:
            await reply(problem_of_http(self._refusal()))(scope, receive, send)
            return
        came = 0

        async def counting() -> Message:
            nonlocal came
            message = await receive()
            came += len(message.get("body", b""))
            if came > self._most:
                raise self._refusal()
            return message

        await self._app(scope, counting, send)

    def _refusal(self) -> HTTPException:
        """Give the one kind of error that FastAPI lets out of its reading of a body."""
        return HTTPException(413, f"a request has at most {self._most:,} bytes")
