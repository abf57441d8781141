"""A server that speaks as much of LanceDB Cloud's REST API as LanceDB's own client sends for a store, over real tables.

Paths, parameters and bodies are those that the client of lancedb 0.40 sends for a `db://` address. Rows lie in LanceDB
tables of a folder, so filters, merges and vector searches are real. What the vendor adds is absent: no cache between
nodes, no compaction, and every version stays.
"""

from __future__ import annotations

import asyncio
import json
import threading
import time
from pathlib import Path
from typing import Any

import lancedb
import pyarrow as pa
import uvicorn
from lance.schema import schema_to_json
from lancedb.index import Bitmap, BTree, LabelList
from lancedb.query import ColumnOrdering
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from tests.support.bucket import free_port

API_KEY = "key-of-tests"
ARROW_FILE = "application/vnd.apache.arrow.file"
INDICES = {"BTREE": BTree, "BITMAP": Bitmap, "LABEL_LIST": LabelList}
NO_LIMIT = 2**31
"""What the client sends for "no limit" is far above."""


class CloudServer:
    """The server on a port of this machine, in a thread of its own.

    Parameters
    ----------
    folder
        Where the tables lie, by database.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.port = free_port()
        self.seen: list[tuple[str, dict[str, Any]]] = []
        """Every request: its path, and what came as parameters and JSON."""
        self.refused: dict[str, tuple[int, str]] = {}
        """Status and text to answer to requests whose path ends so, in place of doing what they ask."""
        self.may_merge = threading.Event()
        """Cleared: a merge waits between its look at the table and its commit."""
        self.may_merge.set()
        self.has_begun = threading.Event()
        """Set once a merge has looked at its table."""
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None

    @property
    def host(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def environment(self) -> dict[str, str]:
        """What a pod finds in its environment."""
        return {"LANCEDB_API_KEY": API_KEY, "LANCEDB_HOST": self.host}

    def start(self) -> None:
        config = uvicorn.Config(self._app(), host="127.0.0.1", port=self.port, log_level="error", lifespan="off")
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, daemon=True)
        self._thread.start()
        deadline = time.monotonic() + 20
        while not self._server.started:
            assert time.monotonic() < deadline, "the server has not begun to listen"
            time.sleep(0.01)

    def stop(self) -> None:
        if self._server is not None and self._thread is not None:
            self._server.should_exit = True
            self._thread.join(20)
            self._server = self._thread = None

    def bodies(self, ending: str) -> list[dict[str, Any]]:
        """What came to the paths that end so."""
        return [body for path, body in self.seen if path.endswith(ending)]

    def _app(self) -> Starlette:
        verbs = {
            "create": _create, "describe": _describe, "drop": _drop, "insert": _insert, "merge_insert": self._merge,
            "delete": _delete, "count_rows": _count, "query": _query, "restore": _restore, "version/list": _versions,
            "index/list": _indices, "create_index": _create_index, "stats": _stats, "add_columns": _add_columns,
        }  # fmt: skip
        routes = [
            Route(f"/v1/table/{{name}}/{verb}/", self._guarded(do), methods=["POST"]) for verb, do in verbs.items()
        ]
        return Starlette(routes=[*routes, Route("/v1/namespace/{name}/table/list", self._guarded(_list))])

    async def _merge(self, connection: Any, name: str, body: dict[str, Any], raw: bytes) -> Response:
        merge = (await connection.open_table(name)).merge_insert(body["on"])
        self.has_begun.set()
        await asyncio.to_thread(self.may_merge.wait, 60)
        if body["when_matched_update_all"] == "true":
            merge = merge.when_matched_update_all()
        if body["when_not_matched_insert_all"] == "true":
            merge = merge.when_not_matched_insert_all()
        result = await merge.use_index(body.get("use_index") != "false").execute(pa.ipc.open_stream(raw).read_all())
        counts = ("version", "num_inserted_rows", "num_updated_rows", "num_deleted_rows")
        return JSONResponse({count: getattr(result, count) for count in counts})

    def _guarded(self, handler: Any) -> Any:
        async def handle(request: Request) -> Response:
            raw = await request.body()
            is_json = request.headers.get("content-type", "").startswith("application/json")
            body = dict(request.query_params) | (json.loads(raw) if is_json and raw else {})
            self.seen.append((request.url.path, body))
            if request.headers.get("x-api-key") != API_KEY:
                return PlainTextResponse("the API key is not known", 401)
            for ending, (status, text) in self.refused.items():
                if request.url.path.endswith(ending):
                    return PlainTextResponse(text, status)
            folder = self._folder / request.headers["x-lancedb-database"]
            connection = await lancedb.connect_async(str(folder))
            try:
                return await handler(connection, request.path_params["name"], body, raw)  # type: ignore[no-any-return]
            except (ValueError, RuntimeError, OSError) as error:
                text = str(error)
                return PlainTextResponse(text, 404 if "was not found" in text else 409 if "conflict" in text else 400)

        return handle


async def _opened(connection: Any, name: str, body: dict[str, Any]) -> Any:
    """The table, at the version that the request names."""
    table = await connection.open_table(name)
    if body.get("version") is not None:
        await table.checkout(int(body["version"]))
    return table


async def _list(connection: Any, _name: str, _body: dict[str, Any], _raw: bytes) -> Response:
    return JSONResponse({"tables": (await connection.list_tables(limit=1000)).tables})


async def _create(connection: Any, name: str, body: dict[str, Any], raw: bytes) -> Response:
    mode = body.get("mode", "create")
    there = (await connection.list_tables(limit=1000)).tables
    if mode != "overwrite" and name in there:
        if mode == "create":
            return PlainTextResponse(f"table {name} already exists", 400)
    else:
        rows = pa.ipc.open_stream(raw).read_all()
        await connection.create_table(name, data=rows, mode="overwrite" if mode == "overwrite" else "create")
    return await _describe(connection, name, {}, raw)


async def _describe(connection: Any, name: str, body: dict[str, Any], _raw: bytes) -> Response:
    table = await _opened(connection, name, body)
    schema = await table.schema()
    return JSONResponse({"table": name, "version": await table.version(), "schema": schema_to_json(schema)})


async def _drop(connection: Any, name: str, _body: dict[str, Any], _raw: bytes) -> Response:
    await connection.drop_table(name)
    return JSONResponse({})


async def _insert(connection: Any, name: str, body: dict[str, Any], raw: bytes) -> Response:
    table = await connection.open_table(name)
    result = await table.add(pa.ipc.open_stream(raw).read_all(), mode=body.get("mode", "append"))
    return JSONResponse({"version": result.version})


async def _delete(connection: Any, name: str, body: dict[str, Any], _raw: bytes) -> Response:
    table = await connection.open_table(name)
    result = await table.delete(body["predicate"])
    return JSONResponse({"version": result.version, "num_deleted_rows": result.num_deleted_rows})


async def _count(connection: Any, name: str, body: dict[str, Any], _raw: bytes) -> Response:
    table = await _opened(connection, name, body)
    return JSONResponse(await table.count_rows(body.get("predicate")))


async def _query(connection: Any, name: str, body: dict[str, Any], _raw: bytes) -> Response:
    table = await _opened(connection, name, body)
    query = table.query()
    if body["vector"]:
        query = query.nearest_to(body["vector"]).column(body["vector_column"]).distance_type(body["distance_type"])
    if body.get("filter"):
        query = query.where(body["filter"])
    if body.get("columns"):
        query = query.select(body["columns"])
    if body.get("order_by"):
        query = query.order_by([ColumnOrdering(**order) for order in body["order_by"]])
    if body["k"] < NO_LIMIT:
        query = query.limit(body["k"])
    if body.get("offset"):
        query = query.offset(body["offset"])
    rows = await query.to_arrow()
    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, rows.schema) as writer:
        writer.write_table(rows)
    return Response(sink.getvalue().to_pybytes(), media_type=ARROW_FILE)


async def _restore(connection: Any, name: str, body: dict[str, Any], _raw: bytes) -> Response:
    table = await _opened(connection, name, body)
    await table.restore()
    return JSONResponse({"version": await table.version()})


async def _versions(connection: Any, name: str, _body: dict[str, Any], _raw: bytes) -> Response:
    versions = await (await connection.open_table(name)).list_versions()
    return JSONResponse(
        {
            "versions": [
                {"version": one["version"], "timestamp": one["timestamp"].astimezone().isoformat()} for one in versions
            ]
        }
    )


async def _indices(connection: Any, name: str, _body: dict[str, Any], _raw: bytes) -> Response:
    found = await (await connection.open_table(name)).list_indices()
    return JSONResponse(
        {"indexes": [{"index_name": one.name, "columns": one.columns, "index_type": one.index_type} for one in found]}
    )


async def _create_index(connection: Any, name: str, body: dict[str, Any], _raw: bytes) -> Response:
    table = await connection.open_table(name)
    await table.create_index(body["column"], config=INDICES[body["index_type"]]())
    return JSONResponse({})


async def _stats(connection: Any, name: str, _body: dict[str, Any], _raw: bytes) -> Response:
    return JSONResponse(await (await connection.open_table(name)).stats())


async def _add_columns(connection: Any, name: str, body: dict[str, Any], _raw: bytes) -> Response:
    table = await connection.open_table(name)
    result = await table.add_columns({one["name"]: one["expression"] for one in body["new_columns"]})
    return JSONResponse({"version": result.version})
