"""The commands that talk to a running service, run as users run them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import httpx
import pytest

from tests.support.server import ROOT, Server, remember

COMMANDS = ("up", "serve", "cost", "demo", "ingest", "search", "status", "export", "import", "backup", "restore")


def run(*arguments: str, url: str = "", token: str = "", **options: Any) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": f"{ROOT / 'crds'}:{ROOT / 'service'}", "COLUMNS": "160"}
    environment |= ({"SIMPLEMEM_URL": url} if url else {}) | ({"SIMPLEMEM_TOKEN": token} if token else {})
    command = [sys.executable, "-m", "simplemem_service", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment, timeout=60, **options)


@contextmanager
def answering(body: bytes) -> Iterator[str]:
    """Address of a server that is none of ours and answers everything with 200."""

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    methods = {f"do_{method}": Handler.answer for method in ("GET", "POST", "DELETE")}
    with ThreadingHTTPServer(("127.0.0.1", 0), type("Answering", (Handler,), methods)) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A service that asks for tokens."""
    folder = tmp_path_factory.mktemp("guarded")
    (folder / "tokens").mkdir()
    (folder / "tokens" / "reader").write_text('{"token": "reader-secret", "scopes": ["read"]}')
    server = Server(folder, {"SIMPLEMEM_TOKENS": str(folder / "tokens")}, access={"tokenSecretName": "t"})
    server.start()
    try:
        server.wait_ready()
        yield server
    finally:
        server.kill()


def test_a_text_is_ingested_found_and_sent_again_without_effect(server: Server, tmp_path: Path) -> None:
    (tmp_path / "talk.txt").write_text(
        "[2026-03-01T10:00] Ada: I bought a red tandem.\nBen: Where?\nAda: In Ghent [of all places].\n"
    )
    command = ("ingest", str(tmp_path / "talk.txt"), "--user", "cli", "--json")
    first = run(*command, url=server.url)
    assert first.returncode == 0, first.stderr
    assert json.loads(first.stdout) == {"turns": 3, "entries": 3, "dropped": 0}
    assert json.loads(run(*command, url=server.url).stdout)["entries"] == 0
    found = run("search", "Where was the tandem bought?", "--user", "cli", "--url", server.url)
    assert found.returncode == 0
    assert "Ghent [of all places]" in found.stdout
    assert "talk.txt:" in found.stdout
    context = run("search", "tandem", "--user", "cli", "--context", url=server.url)
    assert "tandem" in context.stdout
    assert "score" not in context.stdout
    nothing = run("search", "tandem", "--user", "nobody", url=server.url)
    assert (nothing.returncode, nothing.stdout) == (1, "")


def test_json_lines_keep_their_ids_sessions_and_users(server: Server) -> None:
    turns = [
        {"id": "a", "speaker": "Ada", "text": "I moved.", "timestamp": "2026-03-01T10:00:00Z", "user_id": "jane"},
        {"speaker": "Ben", "text": "I stayed.", "session_id": "late", "user_id": "jane"},
    ]
    done = run("ingest", "-", url=server.url, input="".join(json.dumps(turn) + "\n" for turn in turns))
    assert done.returncode == 0, done.stderr
    assert "2 turns are searchable: 2 new memories" in done.stdout
    with server.client() as client:
        entries = client.get("/v1/entries", params={"user_id": "jane"}).json()["entries"]
    assert [(one["session_id"], one["sources"]) for one in entries] == [("stdin", ["a"]), ("late", ["stdin:2"])]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("", "holds no turns"),
        ('{"speaker": "Ada", "text": "x"}\n{"speaker": "Ada"}\n', "line 2: must be an object with speaker and text"),
        ('{"speaker": "Ada", "text": "x"}\nnot json\n', "line 2: not JSON"),
        ('{"speaker": "Ada", "text": "x", "timestamp": "soon"}\n', "InvalidInput: turns[0].timestamp"),
    ],
)
def test_a_file_that_is_no_conversation_is_refused(server: Server, content: str, told: str) -> None:
    done = run("ingest", "-", url=server.url, input=content)
    assert done.returncode == 2
    assert told in done.stderr
    assert "Traceback" not in done.stderr


def test_an_export_goes_to_a_file_resumes_and_comes_back(server: Server, client: httpx.Client, tmp_path: Path) -> None:
    remember(client, "exporter", *(f"Parcel {n} went to town {n * 7}." for n in range(220)))
    path = tmp_path / "all.ndjson"
    done = run("export", "--user", "exporter", "-o", str(path), url=server.url)
    assert done.returncode == 0, done.stderr
    assert "220 turns and 220 memories exported, verified" in done.stderr
    whole = path.read_bytes()
    for cut in (len(whole) // 2, len(whole) - 10, 5, len(whole)):
        path.write_bytes(whole[:cut])
        again = run("export", "--user", "exporter", "-o", str(path), "--resume", url=server.url)
        assert again.returncode == 0, again.stderr
        assert path.read_bytes() == whole
    back = run("import", str(path), "--json", url=server.url)
    assert json.loads(back.stdout)["unchanged"] == 220
    assert json.loads(back.stdout)["verified"] is True
    path.write_bytes(whole.replace(b"Parcel 7 ", b"Parcel 8 "))
    wrong = run("import", str(path), url=server.url)
    assert wrong.returncode == 2
    assert "sha256: does not match the lines before" in wrong.stderr
    assert run("export", "--user", "exporter", url=server.url).stdout.encode() == whole


def test_the_status_is_shown(server: Server) -> None:
    shown = run("status", url=server.url)
    assert shown.returncode == 0
    assert all(word in shown.stdout for word in ("team-a/notes", "all-MiniLM-L6-v2", "entries", "storage"))
    assert "cost.monthly_usd" in shown.stdout
    assert "{" not in shown.stdout
    assert json.loads(run("status", "--json", url=server.url).stdout)["ready"] is True


def test_a_bench_measures_and_leaves_nothing(server: Server, client: httpx.Client) -> None:
    done = run("bench", "--turns", "60", "--seconds", "0.5", "--json", url=server.url)
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout)
    assert set(figures) == {
        "accept_p50_ms", "searchable_turns_per_s", "search_p50_ms", "search_p95_ms", "search_p99_ms", "searches_per_s"
    }  # fmt: skip
    assert all(figure > 0 for figure in figures.values())
    assert run("bench", "--turns", "0", url=server.url).returncode == 2


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (("status", "--url", "http://127.0.0.1:9"), 3, "simplemem up -f FILE"),
        (("search", "x", "--url", "nonsense"), 2, "is no address"),
        (("search",), 2, "required"),
        (("ingest", "/nowhere/at/all"), 2, "No such file"),
        (("import", "/nowhere/at/all"), 2, "No such file"),
        (("export", "--resume"), 2, "--output"),
        (("export", "--resume", "-o", "/nowhere/at/all"), 2, "No such file"),
    ],
)
def test_what_went_wrong_and_what_to_do_is_told(arguments: tuple[str, ...], code: int, told: str) -> None:
    done = run(*arguments)
    assert done.returncode == code, done.stderr
    assert told in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("body", [b"<html>please log in</html>", b'{"ok": true}'])
def test_a_service_of_another_kind_is_told_from_ours(tmp_path: Path, body: bytes) -> None:
    (tmp_path / "talk.txt").write_text("Ada: Hello\n")
    (tmp_path / "all.ndjson").write_text('{"kind": "turn"}\n')
    commands: tuple[tuple[str, ...], ...] = (
        ("status",), ("search", "x"), ("ingest", str(tmp_path / "talk.txt")), ("import", str(tmp_path / "all.ndjson")),
        ("export",), ("backup",), ("reembed", "--model", "m"), ("bench", "--turns", "1", "--seconds", "0.1"), ("demo",),
    )  # fmt: skip
    with answering(body) as url:
        for command in commands:
            done = run(*command, "--url", url)
            assert done.returncode == 3, (command, done.stderr)
            assert "answers something else than SimpleMem; check --url" in done.stderr, command
            assert "Traceback" not in done.stderr, command


def test_a_token_that_is_not_good_for_it_is_told(guarded: Server) -> None:
    missing = run("search", "x", url=guarded.url)
    assert missing.returncode == 4
    assert "--token or SIMPLEMEM_TOKEN" in missing.stderr
    weak = run("ingest", "-", url=guarded.url, token="reader-secret", input="Ada: Hello")
    assert weak.returncode == 4
    assert "lacks the scope 'write'" in weak.stderr
    assert run("status", url=guarded.url, token="reader-secret").returncode == 0


def test_a_demo_at_a_service_with_tokens_says_which_token_it_needs(guarded: Server) -> None:
    missing = run("demo", "--url", guarded.url)
    assert missing.returncode == 4, missing.stderr
    assert "--token or SIMPLEMEM_TOKEN" in missing.stderr
    weak = run("demo", "--url", guarded.url, "--token", "reader-secret")
    assert weak.returncode == 4, weak.stderr
    assert "lacks the scope 'write'" in weak.stderr
    assert "use a token that may" in weak.stderr
    assert "Traceback" not in missing.stderr + weak.stderr


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_gets_its_script(shell: str) -> None:
    done = run("completion", shell)
    assert done.returncode == 0
    assert "simplemem" in done.stdout
    assert "_ARGCOMPLETE" in done.stdout


def test_commands_and_options_are_completed(tmp_path: Path) -> None:
    def complete(line: str) -> list[str]:
        answer = tmp_path / "answer"
        environment = {
            "PATH": os.environ["PATH"], "PYTHONPATH": f"{ROOT / 'crds'}:{ROOT / 'service'}", "_ARGCOMPLETE": "1",
            "COMP_LINE": line, "COMP_POINT": str(len(line)), "COMP_TYPE": "9", "_ARGCOMPLETE_IFS": "\n",
            "_ARGCOMPLETE_STDOUT_FILENAME": str(answer), "_ARGCOMPLETE_SUPPRESS_SPACE": "1",
        }  # fmt: skip
        subprocess.run([sys.executable, "-m", "simplemem_service"], env=environment, check=False, timeout=60)
        return answer.read_text().split("\n")

    assert set(COMMANDS) <= set(complete("simplemem "))
    assert set(complete("simplemem search --to")) == {"--token", "--top-k"}
