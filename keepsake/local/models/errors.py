"""Why a request gets no answer. Refusals have the shape that every OpenAI client understands."""

from starlette.responses import JSONResponse


class RequestRefused(Exception):
    """The request cannot be answered as it is.

    Args:
        message: what is wrong with it, without quoting what it holds.
        param: the field at fault.
        code: OpenAI's name for the kind of error, if it has one.
        status: HTTP status.
    """

    def __init__(
        self, message: str, *, param: str | None = None, code: str | None = None, status: int = 400
    ) -> None:
        super().__init__(message)
        self.message, self.param, self.code, self.status = message, param, code, status

    def response(self) -> JSONResponse:
        """The answer that says so."""
        kind = "invalid_request_error" if self.status < 500 else "server_error"
        error = {"message": self.message, "type": kind, "param": self.param, "code": self.code}
        return JSONResponse({"error": error}, self.status)


class Abandoned(Exception):
    """The client has gone before its answer was complete: its work is stopped."""
