"""All jobs of a server: taken in, found again, cancelled, begun again after a restart."""

from __future__ import annotations

import hashlib
import logging
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from ediffi.core.errors import noted_by
from ediffi.model import Cascade, Plan
from ediffi.server.asked import read_request, shown
from ediffi.server.engine import Engine
from ediffi.server.errors import ApiError
from ediffi.server.job import Job
from ediffi.server.metrics import Metrics
from ediffi.server.settings import Settings
from ediffi.server.sse import changes
from ediffi.server.store import ENDED, Row, Store

log = logging.getLogger(__name__)
STARTS = 3  # times that a job is begun, if each time the process dies
SWEEP = 60.0  # seconds between two looks at what is kept no longer
PLANNING = threading.BoundedSemaphore(2)  # requests that are read at once: each may hold pictures


class Jobs:
    """Jobs are kept in the data folder from the moment they are accepted, and live while they wait
    or are drawn."""

    def __init__(
        self, settings: Settings, cascade: Cascade, engine: Engine, metrics: Metrics
    ) -> None:
        """Raises UserError: the data folder cannot be used."""
        self.settings = settings
        self.cascade = cascade
        self.engine = engine
        self.metrics = metrics
        self.store = Store(settings.data)
        self.stopping = False
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="writer")
        self._live: dict[str, Job] = {}
        self._lock = threading.Lock()
        self._swept = 0.0
        self._seconds = 5.0  # that a job takes, roughly

    def resume(self) -> None:
        """Take up what an earlier process has left: jobs wait again, calls have failed."""
        self.store.remove_strays()
        self.sweep()
        for row in self.store.open():
            said = "the server was stopped, and nobody waits for it any more" if row.call else None
            if row.starts >= STARTS:
                said = f"the server ended {row.starts} times while it drew this"
            if said is not None:
                self.store.ended(row.id, "failed", (), said)
                continue
            try:
                body = self.store.request(row.id)
                self.store.waits_again(row.id, starts=row.starts)
                self._take(row, self.planned(body))
            except Exception as error:  # whatever is wrong with one, the server starts
                log.warning("cannot be taken up", extra={"job": row.id, "error": str(error)})
                self.store.ended(row.id, "failed", (), f"after a restart: {error}")

    def submit(
        self, body: bytes, client: str, *, idempotency: str | None = None, call: bool = False
    ) -> tuple[Row, Job | None]:
        """Take a request in; its row, and the job that is drawn if it is new.

        idempotency: a key of the client's own: a request that comes again with it is the same job.
        call: the client waits for it in this very request.

        Raises:
            UserError: a bad request.
            ApiError: 409 the key came with another request; 429 too much waits; 503 no more work.
        """
        digest = hashlib.sha256(body).hexdigest()
        if idempotency is not None:
            earlier = self.store.keyed(client, idempotency)
            if earlier is not None:
                return _same(earlier, digest), None
        self._check_room(client)
        with PLANNING:
            plan = self.planned(body)
        row = Row(
            id=uuid.uuid4().hex,
            client=client,
            num_pictures=len(plan),
            digest=digest,
            call=call,
            idempotency=idempotency,
        )
        kept = self.store.add(row, body)
        if kept.id != row.id:  # the same key came twice at once
            return _same(kept, digest), None
        job = self._take(kept, plan)
        prompts = [subject.prompt for subject in plan.subjects[:1]]
        said = {"prompt": prompts[0]} if self.settings.log_prompts else {}
        log.info("accepted", extra={"job": row.id, "pictures": len(plan), **said})
        return kept, job

    def live(self, job: str) -> Job | None:
        """The job if it waits or is being drawn."""
        with self._lock:
            return self._live.get(job)

    def running(self, client: str) -> list[Job]:
        """A client's jobs that wait or are being drawn, the oldest first."""
        with self._lock:
            return [job for job in self._live.values() if job.client == client]

    def row(self, job: str, client: str) -> Row:
        """A client's job.

        Raises:
            ApiError: 404, it has none of that name.
        """
        row = self.store.get(job)
        if row is None or row.client != client:
            raise ApiError(404, f"there is no job {job[:40]!r}", code="job_not_found")
        return row

    async def cancelled(self, job: str) -> None:
        """Stop a job that waits or is being drawn, and wait until it has ended."""
        live = self.live(job)
        if live is None:
            return
        self.engine.cancel(live)
        async for _ in changes(live):
            pass

    def told(self, row: Row) -> dict[str, Any]:
        """A job as clients see it."""
        live = self.live(row.id)
        if live is None and row.status not in ENDED:  # it has ended since
            row = self.store.get(row.id) or row
        try:
            request = shown(self.store.request(row.id))
        except OSError:  # removed meanwhile
            request = {}
        step = live.progress if live else None
        return {
            "id": row.id,
            "status": live.status if live else row.status,
            "position": live.position if live else 0,
            "created_at": round(row.created, 3),
            "ended_at": row.ended and round(row.ended, 3),
            "progress": step
            and {
                "stage": step.stage,
                "step": step.step,
                "num_steps": step.num_steps,
                "experts": list(step.experts),
            },
            "num_pictures": row.num_pictures,
            "images": list(live.images if live else row.images),
            "notes": list(live.plan.notes) if live else [],
            "request": request,
            "error": live.error if live else row.error,
        }

    def sweep(self) -> None:
        """Remove what is kept no longer."""
        self._swept = time.monotonic()
        gone = self.store.sweep(self.settings.days, self.settings.kept_bytes)
        if gone:
            log.info("removed", extra={"jobs": gone})

    def stop(self) -> None:
        """Take nothing more in; give what is being drawn some time; the rest waits for the next
        start."""
        self.stopping = True
        deadline = time.monotonic() + self.settings.grace
        while self._live and self.engine.alive and time.monotonic() < deadline:
            time.sleep(0.05)
        with self._lock:
            for job in self._live.values():
                job.resumes = not job.row.call
        self.engine.stop()
        self._writer.shutdown()
        self.store.close()

    def planned(self, body: bytes) -> Plan:
        """What a request means for the model.

        Raises:
            UserError: a bad request, or one that a filter refuses.
        """
        request = read_request(body, self.settings.limits)
        for prompt in request.prompts or ():
            self.settings.filters.check_prompt(prompt)
        with noted_by(lambda _: None):  # they are in the plan's notes
            return self.cascade.plan(request)

    def _take(self, row: Row, plan: Plan) -> Job:
        job = Job(
            row,
            plan,
            self.planned,
            self.cascade,
            self.store,
            self._writer,
            self._ended,
            self.settings.filters,
        )
        with self._lock:
            self._live[job.id] = job
        try:
            self.engine.add(job)
        except RuntimeError as error:
            with self._lock:
                del self._live[job.id]
            if row.call:
                self.store.remove(job.id)
                raise ApiError(503, "the server is being stopped") from error
        return job

    def _ended(self, job: Job) -> None:
        with self._lock:
            self._live.pop(job.id, None)
        row = job.row
        if row.ended is not None:
            seconds = row.ended - row.created
            self._seconds = 0.9 * self._seconds + 0.1 * seconds
            self.metrics.ended(job.status, seconds, len(row.images))
            log.info(
                "ended", extra={"job": job.id, "status": job.status, "seconds": round(seconds, 3)}
            )
        if time.monotonic() - self._swept > SWEEP:
            self.sweep()

    def _check_room(self, client: str) -> None:
        if self.stopping:
            raise ApiError(503, "the server is being stopped", headers={"Retry-After": "10"})
        own, everybody = self.settings.limits.queue
        waiting = self.engine.num_waiting
        if waiting >= everybody or self.engine.waiting_of(client) >= own:
            raise ApiError(
                429,
                f"{waiting} jobs wait already: come again later",
                code="queue_full",
                headers={"Retry-After": str(max(1, min(119, round(self._seconds))))},
            )


def _same(row: Row, digest: str) -> Row:
    if row.digest != digest:
        raise ApiError(
            409,
            "this idempotency key came before with another request",
            param="Idempotency-Key",
            code="idempotency_conflict",
        )
    return row
