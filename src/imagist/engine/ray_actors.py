"""The engine on a Ray cluster: actors with a model each work through partitions and write their parts themselves.

The driver hands out one partition at a time to each actor that is free, so that no more than those are in flight. A
partition whose actor died, or whose node did, goes to another one. Rows that were in flight when it died are worked on
one at a time then; a row that ends a second worker in this way becomes an error of its own.
"""

from __future__ import annotations

import os
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import islice
from types import TracebackType
from typing import Any

from imagist.engine.executors import executor
from imagist.engine.folder_run import Progress
from imagist.engine.part_writer import PartWriter
from imagist.engine.partitions import Job, after
from imagist.engine.parts import Part, PartFolder
from imagist.engine.spec import Cluster, RunSpec
from imagist.engine.tasks import Task
from imagist.errors import ImagistError, MissingExtra, UsageError, WorkerLost
from imagist.images.stream import Outcome
from imagist.records import Row

POLL_S = 0.5
"""Seconds between looks at the progress of the actors."""

MOST_DEATHS = 10
"""Deaths of workers over one partition, after which the run is given up; before any begins, one more for each actor."""

OBJECT_STORE = 256 << 20
"""Bytes of Ray's object store where the cluster is begun here: images do not pass through it."""

Make = Callable[[], Task[Any]]
Key = tuple[int, int]  # of a job: its partition, and which try it is


@dataclass
class Note:
    """How far an actor is with its job.

    Attributes:
        began: Rows of the partition before the job.
        done: Rows of the partition that are worked through, those included.
        alone: The place of the row that is worked on alone; None where several are.
        parts: Those that are written.
    """

    began: int
    done: int
    alone: int | None = None
    parts: list[Part] = field(default_factory=list)


class Notes:
    """An actor that remembers how far the others are, also when they have died."""

    def __init__(self) -> None:
        self._notes: dict[Key, Note] = {}

    def begin(self, key: Key, done: int) -> None:
        """An actor begins a job."""
        self._notes[key] = Note(done, done)

    def advance(self, key: Key, rows: int, parts: list[Part]) -> None:
        """Rows are worked through, and parts are written; what comes after its actor is known to be dead is dropped."""
        if note := self._notes.get(key):
            note.done, note.alone = note.done + rows, None
            note.parts += parts

    def alone(self, key: Key) -> None:
        """The next row is worked on alone."""
        if note := self._notes.get(key):
            note.alone = note.done

    def done(self) -> int:
        """Rows that the jobs in flight have worked through."""
        return sum(note.done - note.began for note in self._notes.values())

    def take(self, key: Key) -> Note | None:
        """What is known of a job that ended; it is forgotten."""
        return self._notes.pop(key, None)


class Worker:
    """An actor: one model, and jobs one after the other.

    Args:
        make: Makes the task.
        spec: The run.
        folder: The driver's working folder, which relative paths are in; ignored where there is none on this node.
        notes: The actor `Notes`.
    """

    def __init__(self, make: Make, spec: RunSpec, folder: str, notes: Any) -> None:
        if os.path.isdir(folder):  # noqa: PTH112
            os.chdir(folder)
        self._make, self._notes = make, notes
        self._spec = replace(spec, executor="local")

    def begin(self) -> tuple[Mapping[str, Any], Mapping[str, object]]:
        """Makes the task; returns its columns and its settings."""
        self._task = self._make()
        return dict(self._task.columns), dict(self._task.settings)

    def work(self, job: Job, run: str) -> list[Part]:
        """Works through a job of a run; returns its parts."""
        assert self._spec.parts is not None
        writer = PartWriter([job], self._spec, PartFolder(self._spec.parts, self._task.columns, run))
        key, written = _key(job), list[Part]()
        _ray().get(self._notes.begin.remote(key, job.skip))
        for batch in self._batches(writer.rows(), job):
            parts = writer.enter(batch)
            self._notes.advance.remote(key, len(batch), parts)
            written += parts
        return written + writer.write()

    def _batches(self, rows: Iterator[Row], job: Job) -> Iterator[list[Outcome[Row, Any]]]:
        """Batches of outcomes; of rows that are worked on alone, batches of one."""
        run = executor("local")
        if job.alone:
            yield from run(islice(rows, max(0, job.alone.start - job.skip)), self._task, self._spec)
            single = replace(self._spec, batch_size=1, workers=1)
            for _ in range(max(job.alone.start, job.skip), job.alone.stop):
                _ray().get(self._notes.alone.remote(_key(job)))
                yield from run(islice(rows, 1), replace(self._task, concurrency=1), single)
        yield from run(rows, self._task, self._spec)


class Actors:
    """The actors of a run, from their start to their end.

    Args:
        spec: The run.
        make: Makes the task; sent to each actor.

    Attributes:
        columns: Those of the task.
        settings: Those of the task.

    Raises:
        MissingExtra: Ray is not installed.
        UsageError: The cluster cannot be reached, or has no room for an actor.
        ImagistError: The task cannot be made.
    """

    def __init__(self, spec: RunSpec, make: Make) -> None:
        self._ray = _ray()
        self._spec, self._own = spec, not self._ray.is_initialized()
        self._beginning: dict[Any, Any] = {}  # actors by the reference to what they begin with
        self._busy: dict[Any, tuple[Any, Job]] = {}  # actors by the reference to the parts of their job
        self._free: deque[Any] = deque()
        self._reason = ""  # of the last death
        self._early_deaths = 0  # of actors that had not begun, one after the other
        if self._own:
            _connect(self._ray, spec.cluster)
        try:
            here = self._ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy(
                self._ray.get_runtime_context().get_node_id(), soft=True
            )
            self._notes = self._ray.remote(Notes).options(num_cpus=0, scheduling_strategy=here).remote()
            worker = self._ray.remote(Worker).options(num_cpus=spec.cluster.cores, num_gpus=spec.cluster.gpus)
            self._size = spec.cluster.actors or _room(self._ray, spec.cluster)
            theirs, folder = _share(spec, self._size), os.getcwd()  # noqa: PTH109
            self._new: Callable[[], Any] = lambda: worker.remote(make, theirs, folder, self._notes)
            for _ in range(self._size):
                self._add()
            self.columns, self.settings = self._first()
        except BaseException:
            self.__exit__(None, None, None)
            raise

    def __enter__(self) -> Actors:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Ends all actors, and the cluster where it was begun for them."""
        if self._own:
            self._ray.shutdown()
            return
        for actor in [*self._free, *(each for each, _ in self._busy.values()), *self._beginning.values()]:
            self._ray.kill(actor)
        if hasattr(self, "_notes"):
            self._ray.kill(self._notes)

    def work(self, todo: Iterator[Job], folder: PartFolder, progress: Progress) -> None:
        """Works through jobs; an engine of `imagist.engine.folder_run`.

        Raises:
            ImagistError: The work cannot be done at all, or workers die again and again.
        """
        again, deaths = deque[Job](), Counter[int]()
        finished = shown = 0
        left = True
        while left or again or self._busy:
            while self._free and (again or left):
                job = again.popleft() if again else next(todo, None)
                if job is None:
                    left = False
                    break
                actor = self._free.popleft()
                self._busy[actor.work.remote(job, folder.run)] = actor, job
            for reference in self._ready():
                actor, job = self._busy.pop(reference)
                parts = self._result(reference, actor)
                note = self._ray.get(self._notes.take.remote(_key(job)))
                if parts is None:
                    deaths[job.partition.number] += 1
                    again.append(_rest(job, note, self._spec, deaths[job.partition.number]))
                    parts = note.parts if note else []
                else:
                    self._free.append(actor)
                finished += sum(part.rows for part in parts)
                progress.enter(parts)
            done = max(shown, finished + self._ray.get(self._notes.done.remote()))
            progress.advance(done - shown)
            shown = done

    def _add(self) -> None:
        actor = self._new()
        self._beginning[actor.begin.remote()] = actor

    def _first(self) -> tuple[Mapping[str, Any], Mapping[str, object]]:
        """What the first actor that is ready says of its task."""
        while True:
            found = self._begun()
            if found is not None:
                return found

    def _begun(self) -> tuple[Mapping[str, Any], Mapping[str, object]] | None:
        """Waits a moment for actors to begin; what the last of these said, or None."""
        said = None
        ready, _ = self._ray.wait(list(self._beginning), timeout=POLL_S) if self._beginning else ([], [])
        for reference in ready:
            actor = self._beginning.pop(reference)
            said = self._result(reference, actor)
            if said is None:
                self._early_deaths += 1
                if self._early_deaths > MOST_DEATHS + self._size:  # all may be lost at once with their nodes
                    raise WorkerLost(f"workers end before they begin: {self._reason}", remedy="look at Ray's logs")
            else:
                self._early_deaths = 0
                self._free.append(actor)
        return said

    def _ready(self) -> list[Any]:
        """Waits a moment; the references to the jobs that have ended."""
        if not self._busy:
            self._begun()
            return []
        ready, _ = self._ray.wait([*self._busy, *self._beginning], timeout=POLL_S)
        if any(each in self._beginning for each in ready):
            self._begun()
        return [each for each in ready if each in self._busy]

    def _result(self, reference: Any, actor: Any) -> Any:
        """What a call returned; None where its actor died, which another one replaces.

        Raises:
            ImagistError: The call raised it.
        """
        from ray.exceptions import RayError, RayTaskError

        try:
            return self._ray.get(reference)
        except RayTaskError as error:
            if isinstance(error.cause, ImagistError):
                raise error.cause from None
            raise
        except RayError as error:
            self._reason = " ".join(str(error).split())
            if getattr(error, "actor_init_failed", False):  # it would fail again
                raise WorkerLost(f"a worker cannot begin: {self._reason}") from error
            self._ray.kill(actor)
            self._add()
            return None


def _rest(job: Job, note: Note | None, spec: RunSpec, deaths: int) -> Job:
    """What of a job is to be done after its worker died, and how.

    Args:
        job: What it had to do.
        note: How far it was; None where it had not begun.
        spec: The run.
        deaths: How many workers died over the partition.

    Raises:
        WorkerLost: Too many.
    """
    if deaths > MOST_DEATHS:
        name = job.partition.archive.source if job.partition.archive else job.partition.given[0].source
        raise WorkerLost(f"{deaths} workers ended over the inputs from here", item=name, remedy="look at Ray's logs")
    job = replace(job, tries=job.tries + 1)
    if note is None:
        return job
    rest = after(job, note.parts)
    if note.alone is not None:
        places = range(note.alone + 1, job.alone.stop)
        return replace(rest, quarantined=job.quarantined | {note.alone}, alone=places)
    in_flight = spec.batch_size * (spec.cluster.cores + 3)  # decoded ahead, waiting and worked on
    return replace(rest, alone=range(note.done, note.done + in_flight))


def _key(job: Job) -> Key:
    return job.partition.number, job.tries


def _share(spec: RunSpec, size: int) -> RunSpec:
    """The run of one of several actors, which share the requests to a host."""
    rate = spec.limits.requests_per_s
    return spec if rate is None else replace(spec, limits=replace(spec.limits, requests_per_s=rate / size))


def _ray() -> Any:
    try:
        import ray
        import ray.util.scheduling_strategies
    except ModuleNotFoundError as error:
        raise MissingExtra("the engine ray needs Ray", item="ray", remedy="pip install 'imagist[ray]'") from error
    return ray


def _connect(ray: Any, cluster: Cluster) -> None:
    """Connects to a cluster, or begins one of this machine's cores, which ends with this process."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is reported to anyone
    own = {"include_dashboard": False, "object_store_memory": OBJECT_STORE} if cluster.address is None else {}
    try:
        ray.init(address=cluster.address or "local", log_to_driver=False, logging_level="ERROR", **own)
    except Exception as error:  # Ray raises bare ones, too
        what = "no Ray cluster there" if cluster.address else "Ray cannot begin a cluster here"
        remedy = "begin one with ray start --head" + ("" if cluster.address else ", and name it: --address auto")
        raise UsageError(f"{what}: {error}", item=cluster.address or "ray", remedy=remedy) from error


def _room(ray: Any, cluster: Cluster) -> int:
    """How many actors the cluster has room for.

    Raises:
        UsageError: None.
    """
    found = ray.cluster_resources()
    room = int(found.get("CPU", 0) // cluster.cores)
    if cluster.gpus:
        room = min(room, int(found.get("GPU", 0) / cluster.gpus))
    if room < 1:
        has = f"{found.get('CPU', 0):g} cores and {found.get('GPU', 0):g} GPUs"
        asked = f"{cluster.cores} cores and {cluster.gpus:g} GPUs"
        raise UsageError(f"the cluster has {has}, an actor needs {asked}", item="cluster", remedy="ask for less")
    return room
