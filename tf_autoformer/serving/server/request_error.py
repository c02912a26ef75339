"""Requests that are answered with an error."""


class RequestError(Exception):
    """A request that cannot be answered.

    Args:
      status: Status of the HTTP response.
      message: Text of its `error`.

    Attributes:
      status: Status of the HTTP response.
    """

    def __init__(self, status: int, message: str):
        super().__init__(message)
        self.status = status
