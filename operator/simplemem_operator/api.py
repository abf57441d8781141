"""Requests to the Kubernetes API: JSON in and out, its errors as ours. Calls block and are made in threads."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from kubernetes.client import ApiClient
from kubernetes.client.exceptions import ApiException
from pydantic_core import from_json, to_json
from urllib3.exceptions import HTTPError

from simplemem_operator.errors import (
    ApiUnavailableError,
    ConflictError,
    ForbiddenError,
    GoneError,
    NamespaceEndingError,
    NotFoundError,
    OperatorError,
    RefusedError,
)
from simplemem_operator.models.desired import Manifest

CONNECT_SECONDS = 5.0
"""How long a call may take to connect, in seconds."""

ANSWER_SECONDS = 20.0
"""How long a call may take to be answered, in seconds; a hung API server must not hold a worker."""

MESSAGE_CHARACTERS = 512
"""How much of the API server's words an error repeats; a refused right is named at their end."""

NAMESPACE_ENDING = "NamespaceTerminating"
"""Cause that the API server names where it makes nothing since the namespace is being terminated."""

Query = list[tuple[str, str]]
"""Parameters of a request."""

JSON = "application/json"
"""Media type of plain objects."""
METADATA = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
"""Media type by which the server sends an object without its content."""
METADATA_LIST = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
"""The same for lists."""


class Api:
    """The transport. Errors are `OperatorError`s, or `NamespaceEndingError`."""

    def __init__(self, client: ApiClient) -> None:
        self._client = client

    def call(
        self,
        method: str,
        path: str,
        *,
        query: Query | None = None,
        body: Manifest | None = None,
        content_type: str = JSON,
        accept: str = JSON,
    ) -> Manifest:
        """The answer's JSON. Raises for any status from 400 on."""
        status, text = self.send(method, path, query=query, body=body, content_type=content_type, accept=accept)
        if status >= 400:
            raise error_of(method, path, status, text)
        answer: Manifest = from_json(text)
        return answer

    def send(
        self,
        method: str,
        path: str,
        *,
        query: Query | None = None,
        body: Manifest | None = None,
        content_type: str = JSON,
        accept: str = JSON,
        seconds: float = ANSWER_SECONDS,
    ) -> tuple[int, str]:
        """Status and text of the answer."""
        headers = {"Accept": accept, "Content-Type": content_type}
        # JSON is YAML too; what is not plain JSON to the client is sent as it is.
        payload = to_json(body) if body is not None and content_type != JSON else body
        try:
            response = self._request(method, path, query or [], headers, payload, seconds)
            data = response.read() or b""
        except ApiException as error:
            return int(error.status or 0) or 503, str(error.body or error.reason)
        except (HTTPError, OSError) as error:
            raise _silence(method, path, error) from error
        return response.status, data.decode(errors="replace")

    def stream(self, path: str, *, query: Query, accept: str, seconds: float) -> Iterator[Manifest]:
        """The JSON objects of an endless answer, one a line, until the server ends it.

        Raises `ApiUnavailableError` when nothing has come for the given time, so that a connection that died without
        a word is noticed.
        """
        try:
            response = self._request("GET", path, query, {"Accept": accept}, None, seconds)
            if response.status >= 400:
                text = (response.read() or b"").decode(errors="replace")
                raise error_of("GET", path, response.status, text)
            try:
                for line in _lines(response.response.stream(None)):
                    yield from_json(line)
            finally:
                # A watch that is left half-way must not go back to the pool with events in its pipe.
                response.response.close()
        except ApiException as error:
            raise error_of("GET", path, int(error.status or 503), str(error.body or error.reason)) from error
        except (HTTPError, OSError, ValueError) as error:
            raise _silence("GET", path, error) from error

    def _request(  # noqa: PLR0917 - the parts of a request
        self, method: str, path: str, query: Query, headers: dict[str, str], payload: Any, seconds: float
    ) -> Any:
        verb, url, sent, *_ = self._client.param_serialize(
            method, path, query_params=query, header_params=headers, auth_settings=["BearerToken"]
        )
        return self._client.call_api(verb, url, sent, payload, [], (CONNECT_SECONDS, seconds))


def error_of(method: str, path: str, status: int, text: str) -> OperatorError | NamespaceEndingError:
    """The error that stands for an answer."""
    try:
        answer = from_json(text)
        message = answer.get("message", text)
        causes = [cause.get("reason") for cause in (answer.get("details") or {}).get("causes") or ()]
    except (ValueError, AttributeError):
        message, causes = text, []
    words = f"{method} {path}: {status}: {cut(str(message))}"
    if status == 403 and NAMESPACE_ENDING in causes:
        return NamespaceEndingError(words)
    if status == 403:
        # Admission refuses with the same status as authorization; only the latter is a matter of roles, and says so:
        # User "x" cannot patch resource "y".
        return ForbiddenError(words) if " cannot " in str(message) else RefusedError(words)
    classes: dict[int, type[OperatorError]] = {404: NotFoundError, 409: ConflictError, 410: GoneError}
    if status in (400, 405, 413, 415, 422):
        return RefusedError(words)
    return classes.get(status, ApiUnavailableError)(words)


def cut(text: str) -> str:
    """The text, shortened where it is long."""
    return text if len(text) <= MESSAGE_CHARACTERS else f"{text[: MESSAGE_CHARACTERS - 3]}..."


def _silence(method: str, path: str, error: Exception) -> ApiUnavailableError:
    return ApiUnavailableError(f"{method} {path}: the API server does not answer: {cut(str(error))}")


def _lines(chunks: Iterator[bytes]) -> Iterator[bytes]:
    rest = b""
    for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        yield from (line for line in lines if line)
