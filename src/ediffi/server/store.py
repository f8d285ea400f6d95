"""Jobs on disk: a row each in SQLite, their requests and pictures as files beside it."""

from __future__ import annotations

import json
import shutil
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from ediffi.core.errors import UserError
from ediffi.core.files import make_folder, write_atomically

Status = Literal["queued", "running", "done", "failed", "cancelled"]
ENDED = ("done", "failed", "cancelled")
SCHEMA = """
create table if not exists jobs (
    id text primary key, client text not null, status text not null, call integer not null,
    created real not null, ended real, num_pictures integer not null, idempotency text,
    digest text not null, starts integer not null, error text, images text not null,
    bytes integer not null,
    unique (client, idempotency)
);
create index if not exists by_time on jobs (client, created);
create index if not exists by_status on jobs (status);
"""


@dataclass(frozen=True)
class Row:
    """A job as it is kept.

    call: whether a client waited for it in its request: then nobody wants it after a restart.
    idempotency, digest: the client's key for it, and of the request that came with it.
    starts: how often it was begun, but for those that a server ended in order.
    images: a JSON value for each finished picture, see `Job`. bytes: of its files.
    """

    id: str
    client: str
    num_pictures: int
    digest: str
    starts: int = 0
    status: Status = "queued"
    call: bool = False
    created: float = 0.0
    ended: float | None = None
    idempotency: str | None = None
    error: str | None = None
    images: tuple[Any, ...] = ()
    bytes: int = 0


class Store:
    """The jobs of a data folder. Threads may share it; one process at a time."""

    def __init__(self, folder: Path) -> None:
        """Raises UserError: the folder cannot be made, or another server uses it."""
        self.folder = folder
        make_folder(folder)
        self._lock = threading.RLock()
        self._db = sqlite3.connect(folder / "jobs.sqlite", check_same_thread=False, timeout=1)
        self._db.row_factory = sqlite3.Row
        try:
            self._db.execute("pragma locking_mode = exclusive")
            self._db.execute("pragma journal_mode = wal")
            self._db.executescript(SCHEMA)
        except sqlite3.Error as error:
            raise UserError(
                f"cannot use the data folder {folder}: {error}. Is another server running on it? "
                "Give each its own --data"
            ) from error

    def close(self) -> None:
        with self._lock:
            self._db.close()

    def files(self, job: str) -> Path:
        """The folder of a job's files."""
        return self.folder / "jobs" / job

    def add(self, row: Row, request: bytes) -> Row:
        """Keep a new job and its request; when this returns they survive the process.

        Returns:
            The row; or the earlier one of this client with the same idempotency key.
        """
        row = replace(row, created=time.time(), bytes=len(request))
        make_folder(self.files(row.id))
        write_atomically(self.files(row.id) / "request.json", request)
        try:
            with self._changing() as db:
                values = asdict(row) | {"images": json.dumps(row.images)}
                names = ", ".join(values)
                marks = ", ".join(f":{name}" for name in values)
                db.execute(f"insert into jobs ({names}) values ({marks})", values)
        except sqlite3.IntegrityError:
            shutil.rmtree(self.files(row.id), ignore_errors=True)
            earlier = self.keyed(row.client, row.idempotency or "")
            if earlier is None:
                raise
            return earlier
        return row

    def keyed(self, client: str, idempotency: str) -> Row | None:
        """The job of a client's idempotency key."""
        found = self._rows("client = ? and idempotency = ?", client, idempotency)
        return next(found, None)

    def get(self, job: str) -> Row | None:
        return next(self._rows("id = ?", job), None)

    def newest(self, client: str, limit: int) -> list[Row]:
        """A client's jobs, the newest first."""
        where = "client = ? order by created desc, rowid desc limit ?"
        return list(self._rows(where, client, limit))

    def open(self) -> list[Row]:
        """The jobs that have not ended, the oldest first."""
        return list(self._rows("status in ('queued', 'running') order by created, rowid"))

    def request(self, job: str) -> bytes:
        """What was asked for."""
        return (self.files(job) / "request.json").read_bytes()

    def started(self, job: str) -> None:
        with self._changing() as db:
            db.execute(
                "update jobs set status = 'running', starts = starts + 1 where id = ?", (job,)
            )

    def waits_again(self, job: str, *, starts: int) -> None:
        """It was interrupted, and is to be begun again; it counts as begun so often."""
        with self._changing() as db:
            db.execute("update jobs set status = 'queued', starts = ? where id = ?", (starts, job))

    def ended(self, job: str, status: Status, images: tuple[Any, ...], error: str | None) -> Row:
        """The job has ended; what it has drawn stays."""
        size = sum(file.stat().st_size for file in self.files(job).glob("*"))
        with self._changing() as db:
            db.execute(
                "update jobs set status = ?, ended = ?, images = ?, error = ?, bytes = ? "
                "where id = ?",
                (status, time.time(), json.dumps(images), error, size, job),
            )
        row = self.get(job)
        assert row is not None
        return row

    def remove(self, job: str) -> None:
        """The job and its files go."""
        with self._changing() as db:
            db.execute("delete from jobs where id = ?", (job,))
        shutil.rmtree(self.files(job), ignore_errors=True)

    def sweep(self, days: float, most: int) -> int:
        """Remove ended jobs older than `days`, then the oldest beyond `most` bytes, and files that
        no job has; returns how many jobs went."""
        kept = list(self._rows("status in ('done', 'failed', 'cancelled') order by ended desc"))
        oldest, size, gone = time.time() - days * 86400, 0, 0
        for row in kept:
            size += row.bytes
            if (row.ended or 0.0) < oldest or size > most:
                self.remove(row.id)
                gone += 1
        return gone

    def remove_strays(self) -> None:
        """Remove folders of jobs that were never accepted: the process ended in between."""
        known = {row.id for row in self._rows("1")}
        for folder in (self.folder / "jobs").glob("*"):
            if folder.name not in known:
                shutil.rmtree(folder, ignore_errors=True)

    def _rows(self, where: str, *values: Any) -> Iterator[Row]:
        with self._lock:
            found = self._db.execute(f"select * from jobs where {where}", values).fetchall()
        for row in found:
            fields = dict(row) | {"images": tuple(json.loads(row["images"]))}
            yield Row(**fields | {"call": bool(row["call"])})

    @contextmanager
    def _changing(self) -> Iterator[sqlite3.Connection]:
        with self._lock, self._db:
            yield self._db
