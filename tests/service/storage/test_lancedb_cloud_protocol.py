"""What LanceDB's own client sends to LanceDB Cloud, and that the server of the tests answers it."""

from __future__ import annotations

from typing import Any

import lancedb
import pyarrow as pa
import pytest
from lancedb.query import ColumnOrdering
from lancedb.remote.errors import HttpError

from simplemem_service.storage.base import StoreIdentity
from simplemem_service.storage.schema import entry_columns_schema, entry_schema
from tests.support.cloud_server import API_KEY, CloudServer

ROWS = pa.table({"id": ["a", "b", "c"], "n": [1, 2, 3]})


async def connect(cloud: CloudServer, api_key: str = API_KEY) -> Any:
    return await lancedb.connect_async("db://memories", api_key=api_key, host_override=cloud.host)


async def test_rows_are_merged_counted_asked_for_and_removed(cloud: CloudServer) -> None:
    connection = await connect(cloud)
    table = await connection.create_table("t", data=ROWS, exist_ok=True)
    merge = table.merge_insert("id").when_matched_update_all().when_not_matched_insert_all().use_index(False)
    await merge.execute(pa.table({"id": ["c", "d"], "n": [30, 40]}))
    assert await table.count_rows("n > 2") == 2
    order = ColumnOrdering(column_name="n", ascending=False, nulls_first=False)
    rows = await table.query().where("id != 'a'").select(["id"]).order_by([order]).limit(2).to_arrow()
    assert rows.to_pydict() == {"id": ["d", "c"]}
    await table.delete("id = 'd'")
    assert await table.count_rows() == 3
    assert (await connection.list_tables(limit=9)).tables == ["t"]
    assert cloud.bodies("/t/merge_insert/") == [
        {
            "on": "id",
            "when_matched_update_all": "true",
            "when_not_matched_insert_all": "true",
            "when_not_matched_by_source_delete": "false",
            "use_index": "false",
        }
    ]
    assert cloud.bodies("/t/delete/") == [{"predicate": "id = 'd'"}]


async def test_an_earlier_version_can_be_asked_and_restored(cloud: CloudServer) -> None:
    connection = await connect(cloud)
    table = await connection.create_table("t", data=ROWS)
    before = await table.version()
    await table.delete("n > 1")
    await table.checkout(before)
    assert await table.count_rows() == 3
    await table.restore()
    assert await table.count_rows() == 3
    assert await table.version() == before + 2
    assert [one["version"] for one in await table.list_versions()] == [before, before + 1, before + 2]


async def test_the_columns_of_entries_survive_the_description(cloud: CloudServer) -> None:
    connection = await connect(cloud)
    await connection.create_table("entries", schema=entry_schema(StoreIdentity("tiny", 8)))
    table = await (await connect(cloud)).open_table("entries")
    found = await table.schema()
    assert found.equals(entry_columns_schema(8), check_metadata=False)


async def test_what_is_missing_there_is_told_as_lancedb_tells_it(cloud: CloudServer) -> None:
    connection = await connect(cloud)
    table = await connection.create_table("t", data=ROWS)
    with pytest.raises(ValueError, match="was not found"):
        await connection.open_table("absent")
    for refused in (table.optimize(), table.to_lance()):
        with pytest.raises((RuntimeError, NotImplementedError, ValueError), match="not"):
            await refused


async def test_a_wrong_key_is_refused_and_not_repeated(cloud: CloudServer) -> None:
    connection = await connect(cloud, "another-key")
    with pytest.raises(HttpError) as caught:
        await connection.open_table("t")
    assert caught.value.status_code == 401
    assert "another-key" not in str(caught.value)


async def test_the_nearest_vector_is_found(cloud: CloudServer) -> None:
    vectors = pa.FixedSizeListArray.from_arrays(pa.array([0.0, 1.0, 1.0, 0.0], pa.float32()), 2)
    table = await (await connect(cloud)).create_table("t", data=pa.table({"id": ["up", "right"], "v": vectors}))
    found = await table.query().nearest_to([0.9, 0.1]).column("v").distance_type("cosine").limit(1).to_arrow()
    assert found.column("id").to_pylist() == ["right"]
