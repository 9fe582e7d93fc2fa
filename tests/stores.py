"""The stores that an index can be kept in, each opened for tests: a folder of files, a schema of a real server.

tests/conftest.py registers the fixtures: pytest_plugins = ["tests.stores"].
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from typing import Protocol

import pytest

from groundtune.index.postgres import PostgresIndex
from groundtune.index.sqlite import SqliteIndex
from groundtune.types import Embedder
from tests.corpus import HashingEmbedder
from tests.postgres import Server

STORES = ["sqlite", "postgres"]
AnyStore = SqliteIndex | PostgresIndex


class OpenStore(Protocol):
    """Opens the index of a name, the same one at every call."""

    def __call__(
        self, embedder: Embedder | None = None, name: str = "index", language: str = "english"
    ) -> AnyStore: ...


@contextmanager
def opening(store: str, request: pytest.FixtureRequest) -> Iterator[OpenStore]:
    """Opens indexes in a place of their own; all are closed at the end."""
    with ExitStack() as stack:
        if store == "sqlite":
            folder = request.getfixturevalue("tmp_path_factory").mktemp("store")
        else:
            url, prefix = vector_server(request).url, f"test_{secrets.token_hex(4)}_"
            stack.callback(drop, url, prefix)

        def opener(embedder: Embedder | None = None, name: str = "index", language: str = "english") -> AnyStore:
            embedder = embedder or HashingEmbedder()
            if store == "sqlite":
                return stack.enter_context(closing(SqliteIndex(folder / name, embedder, language)))
            return stack.enter_context(closing(PostgresIndex(url, embedder, language, prefix + name)))

        yield opener


def vector_server(request: pytest.FixtureRequest) -> Server:
    """A real server with pgvector. Others may have dropped the extension since it was last given."""
    servers: Callable[[str | None], Server] = request.getfixturevalue("postgres_servers")
    running = servers("vector")
    running.execute("create extension if not exists vector")
    return running


def drop(url: str, prefix: str) -> None:
    """Drops every schema whose name begins so."""
    import psycopg

    with psycopg.connect(url.replace("+psycopg", "", 1), autocommit=True) as db:
        names = db.execute("select nspname from pg_namespace where starts_with(nspname, %s)", [prefix]).fetchall()
        for (name,) in names:
            db.execute(f'drop schema "{name}" cascade'.encode())


@pytest.fixture(params=STORES)
def open_store(request: pytest.FixtureRequest) -> Iterator[OpenStore]:
    """Opens an index of the test's own, in every store there is; the same one at every call for a name."""
    with opening(request.param, request) as opener:
        yield opener
