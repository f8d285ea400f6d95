"""What is counted, for Prometheus."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from ediffi.server.engine import Engine, Evaluation

SECONDS = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)


class Metrics:
    """Counters of one server, in a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.jobs = Counter("ediffi_jobs", "Jobs that ended.", ["status"], registry=self.registry)
        self.pictures = Counter("ediffi_pictures", "Pictures drawn.", registry=self.registry)
        self.job_seconds = Histogram(
            "ediffi_job_seconds",
            "From accepted to done.",
            buckets=SECONDS,
            registry=self.registry,
        )
        self.evaluations = Counter(
            "ediffi_evaluations", "Network evaluations.", ["stage"], registry=self.registry
        )
        self.evaluated = Counter(
            "ediffi_evaluated_pictures",
            "Pictures in those evaluations.",
            ["stage"],
            registry=self.registry,
        )
        self.busy = Counter(
            "ediffi_busy_seconds", "Spent in evaluations.", ["stage"], registry=self.registry
        )
        self.answers = Counter(
            "ediffi_http_answers", "Answers by status.", ["status"], registry=self.registry
        )

    def watch(self, engine: Engine) -> None:
        """Tell the engine's queue, too."""
        waiting = Gauge("ediffi_jobs_waiting", "Jobs that wait.", registry=self.registry)
        active = Gauge("ediffi_pictures_active", "Pictures being drawn.", registry=self.registry)
        waiting.set_function(lambda: engine.num_waiting)
        active.set_function(lambda: engine.num_active)

    def evaluation(self, done: Evaluation) -> None:
        self.evaluations.labels(done.stage).inc()
        self.evaluated.labels(done.stage).inc(done.pictures)
        self.busy.labels(done.stage).inc(done.seconds)

    def ended(self, status: str, seconds: float, pictures: int) -> None:
        self.jobs.labels(status).inc()
        self.pictures.inc(pictures)
        if status == "done":
            self.job_seconds.observe(seconds)

    def text(self) -> bytes:
        """In Prometheus' exposition format."""
        return generate_latest(self.registry)
