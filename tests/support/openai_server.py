"""A scripted OpenAI-compatible server on a real socket: replies well, or in all the ways that servers fail.

Answers are taken from a queue, one a request; once it is empty, each request is answered well: `compress` restates
every turn, `plan` asks nothing more, `reflect` finds everything useful. Embeddings have a queue of their own; a good
one gives vectors in which shared words mean nearness, of the length `dimension` and twice a unit vector's size.

    .venv/service/bin/python -m tests.support.openai_server HOST

serves good answers at an address of this machine, prints its URL, and ends with its standard input; after a line with a
status there, every request gets that.
"""

from __future__ import annotations

import base64
import json
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np

from tests.support.embedding import embed


@dataclass(frozen=True, slots=True)
class Reply:
    """A well-formed answer whose text may be anything."""

    text: str
    finish: str = "stop"
    input_tokens: int = 1000
    output_tokens: int = 100


@dataclass(frozen=True, slots=True)
class Failure:
    """An answer of another status."""

    status: int
    message: str = "the server is unwell"
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Bytes:
    """An answer of status 200 that is no completion."""

    body: bytes


@dataclass(frozen=True, slots=True)
class Silence:
    """No answer before the server is stopped or so many seconds have passed."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Vectors:
    """Vectors that may be any, one an item."""

    items: Sequence[Sequence[float]]
    tokens: int = 100


Answer = Reply | Failure | Bytes | Silence | Vectors


class OpenAiServer:
    """Answers what it is told to, and remembers what it was asked."""

    def __init__(self, host: str = "127.0.0.1") -> None:
        self.requests: list[dict[str, Any]] = []
        self.keys: list[str] = []
        self.by_model: dict[str, Answer] = {}
        """Models that always get the same answer."""
        self.failure: Failure | None = None
        """What every other request gets, while there is one."""
        self.embedded: list[dict[str, Any]] = []
        """Requests for embeddings."""
        self.dimension = 32
        """Length of the vectors."""
        self.embedding_failure: Failure | None = None
        """What every request for embeddings gets, while there is one."""
        self._queue: list[Answer] = []
        self._embedding_queue: list[Answer] = []
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._server = ThreadingHTTPServer((host, 0), _handler(self))
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))

    @property
    def url(self) -> str:
        return f"http://{self._server.server_address[0]!s}:{self._server.server_port}/v1"

    @property
    def calls(self) -> int:
        return len(self.requests)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def script(self, *answers: Answer) -> None:
        """Answer the next requests so, in this order."""
        with self._lock:
            self._queue += answers

    def script_embeddings(self, *answers: Answer) -> None:
        """Answer the next requests for embeddings so, in this order."""
        with self._lock:
            self._embedding_queue += answers

    @property
    def embedded_texts(self) -> list[str]:
        return [text for request in self.embedded for text in request["input"]]

    def document(self, number: int = -1) -> dict[str, Any]:
        """The data of a request."""
        messages = self.requests[number]["messages"]
        data: dict[str, Any] = json.loads(next(one["content"] for one in messages if one["role"] == "user"))
        return data

    def answer(self, request: dict[str, Any], key: str) -> Answer:
        with self._lock:
            self.requests.append(request)
            self.keys.append(key)
            fixed = self.by_model.get(request["model"])
            if fixed is not None:
                return fixed
            if self.failure is not None:
                return self.failure
            return self._queue.pop(0) if self._queue else good_reply(request)

    def answer_embeddings(self, request: dict[str, Any], key: str) -> Answer:
        with self._lock:
            self.embedded.append(request)
            self.keys.append(key)
            if self.embedding_failure is not None:
                return self.embedding_failure
            if self._embedding_queue:
                return self._embedding_queue.pop(0)
            texts = request["input"]
            vectors = [(2 * embed(text, self.dimension)).tolist() for text in texts]
            return Vectors(vectors, sum(len(text.split()) for text in texts))

    def wait(self, seconds: float) -> None:
        self._stopped.wait(seconds)


def good_reply(request: Mapping[str, Any]) -> Reply:
    """What a good model answers."""
    data = json.loads(next(one["content"] for one in request["messages"] if one["role"] == "user"))
    purpose = request["response_format"]["json_schema"]["name"]
    if purpose == "compress":
        return Reply(entries_reply(*([turn["n"]] for turn in data["turns"]), turns=data["turns"]))
    if purpose == "plan":
        return Reply(json.dumps({"queries": []}))
    if purpose == "synthesize":
        return Reply(json.dumps({"belongs_together": False, "lossless_restatement": ""}))
    numbers = [one["n"] for one in data["found"]]
    return Reply(json.dumps({"ranking": numbers, "sufficient": True, "follow_up": None}))


def entries_reply(*sources: Sequence[int], turns: Sequence[Mapping[str, Any]] = (), **fields: Any) -> str:
    """A reply with an entry for each group of sources."""
    told = {turn["n"]: f"{turn['speaker']} said: {turn['text']}" for turn in turns}
    entries = [
        {
            "sources": list(group),
            "lossless_restatement": " ".join(told.get(number, f"Ada told fact {number}.") for number in group),
            "keywords": ["Fact"],
            "timestamp": None,
            "location": None,
            "persons": [],
            "entities": [],
        }
        | fields
        for group in sources
    ]
    return json.dumps({"entries": entries})


def _handler(server: OpenAiServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            request = json.loads(self.rfile.read(int(self.headers["content-length"])))
            is_embedding = self.path.endswith("/embeddings")
            answer_to = server.answer_embeddings if is_embedding else server.answer
            answer = answer_to(request, self.headers.get("authorization", ""))
            match answer:
                case Silence(seconds):
                    server.wait(seconds)
                case Failure(status, message, headers):
                    self._send(status, json.dumps({"error": {"message": message}}).encode(), headers)
                case Bytes(body):
                    self._send(200, body, {})
                case Vectors():
                    self._send(200, json.dumps(_embeddings(request, answer)).encode(), {})
                case Reply():
                    self._send(200, json.dumps(_completion(request["model"], answer)).encode(), {})

        def _send(self, status: int, body: bytes, headers: Mapping[str, str]) -> None:
            self.send_response(status)
            for name, value in {
                "content-type": "application/json",
                "content-length": str(len(body)),
                **headers,
            }.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            return

    return Handler


def _completion(model: str, reply: Reply) -> dict[str, Any]:
    return {
        "id": "completion",
        "object": "chat.completion",
        "created": 1,
        "model": model,
        "choices": [
            {"index": 0, "finish_reason": reply.finish, "message": {"role": "assistant", "content": reply.text}}
        ],
        "usage": {
            "prompt_tokens": reply.input_tokens,
            "completion_tokens": reply.output_tokens,
            "total_tokens": reply.input_tokens + reply.output_tokens,
        },
    }


def _embeddings(request: Mapping[str, Any], answer: Vectors) -> dict[str, Any]:
    is_text = request.get("encoding_format") == "base64"
    data = [
        {
            "object": "embedding",
            "index": index,
            "embedding": base64.b64encode(np.asarray(item, dtype="<f4").tobytes()).decode() if is_text else list(item),
        }
        for index, item in enumerate(answer.items)
    ]
    # Not in order: the index alone says which text is meant.
    usage = {"prompt_tokens": answer.tokens, "total_tokens": answer.tokens}
    return {"object": "list", "model": request["model"], "data": data[::-1], "usage": usage}


if __name__ == "__main__":
    main_server = OpenAiServer(sys.argv[1])
    main_server.start()
    print(main_server.url, flush=True)
    for line in sys.stdin:
        main_server.failure = Failure(int(line))
    main_server.stop()
