"""The run engine: any number of images through a task, into a table, without losing a row.

A `RunSpec` describes a run: what to read, where to write, how much at a time. A `Task` describes the work on each
image. `run` reads rows, executes the task over them in batches, journals each batch and finally writes the table.
A run that was stopped or killed continues from its journal.

    import imagist
    from imagist import engine

    spec = engine.RunSpec(("archive/*.tar",), out=Path("archive.parquet"), resume=True)
    summary = engine.run(spec, engine.classification(imagist.load()))

With ``parts`` in place of ``out`` it writes a folder of Parquet parts, here or on Ray, whose actors make the task
themselves (docs/scaling.md):

    def classify() -> engine.Task:
        return engine.classification(imagist.load(threads=1))

    spec = engine.RunSpec(("archive/*.tar",), parts="results", resume=True, executor="ray")
    summary = engine.run(spec, classify)
"""

from imagist.engine.estimate import Estimate, estimate
from imagist.engine.executors import EXECUTORS, Executor
from imagist.engine.run import run
from imagist.engine.spec import Cluster, RunSpec
from imagist.engine.summary import Interrupted, Summary
from imagist.engine.tasks import (
    Task,
    captioning,
    classification,
    description,
    explanation,
    interrogation,
    post_images,
)
from imagist.engine.writer import Style

__all__ = [
    "EXECUTORS",
    "Cluster",
    "Estimate",
    "Executor",
    "Interrupted",
    "RunSpec",
    "Style",
    "Summary",
    "Task",
    "captioning",
    "classification",
    "description",
    "estimate",
    "explanation",
    "interrogation",
    "post_images",
    "run",
]
