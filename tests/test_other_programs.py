"""A pipeline inside of other people's programs: threads, processes by fork and by spawn, handlers of asyncio."""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import os
import subprocess
import sys
import textwrap
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import imagist


def images():
    return list(np.random.default_rng(3).integers(0, 256, (3, 40, 50, 3), np.uint8))


def answers(pipeline):
    return [prediction.to_dict() for prediction in pipeline(images())]


@pytest.fixture(scope="module")
def expected(pipeline):
    return answers(pipeline)


def test_threads_share_a_pipeline(pipeline, expected):
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(answers, [pipeline] * 8)) == [expected] * 8


def test_a_handler_of_asyncio_goes_on_meanwhile(pipeline, expected):
    async def main():
        beats = 0

        async def beat():
            nonlocal beats
            while True:
                beats += 1
                await asyncio.sleep(0)

        heart = asyncio.create_task(beat())
        found = await asyncio.gather(*(asyncio.to_thread(answers, pipeline) for _ in range(3)))
        heart.cancel()
        return found, beats

    found, beats = asyncio.run(main())
    assert found == [expected] * 3
    assert beats > 10


def test_threads_end_with_the_work(pipeline):
    before = threading.active_count()
    answers(pipeline)
    next(pipeline(images()))  # and when nobody wants the rest
    assert threading.active_count() == before


PROGRAM = """
    import json, multiprocessing, sys
    import numpy as np
    import imagist

    def answers(pipeline):
        images = list(np.random.default_rng(3).integers(0, 256, (3, 40, 50, 3), np.uint8))
        return [prediction.to_dict() for prediction in pipeline(images)]

    def opened(_):
        return answers(imagist.load(threads=1))

    def inherited(_):
        return answers(PIPELINE)

    if __name__ == "__main__":
        how = sys.argv[1]
        work = inherited if how == "fork" else opened
        PIPELINE = imagist.load(threads=1) if how == "fork" else None
        with multiprocessing.get_context(how).Pool(2) as pool:
            print(json.dumps(pool.map(work, range(2))))
"""


@pytest.mark.parametrize("how", ["fork", "spawn"])
def test_processes_answer_alike(tmp_path, expected, how):
    if how not in multiprocessing.get_all_start_methods():
        pytest.skip(f"no {how} here")
    program = tmp_path / "program.py"
    program.write_text(textwrap.dedent(PROGRAM))
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, program, how], capture_output=True, text=True, timeout=300, env=environment)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [json.loads(json.dumps(expected))] * 2


def test_threads_are_bounded():
    with pytest.raises(imagist.UsageError):
        imagist.load(threads=0)
    assert imagist.load(threads=1).concurrency == 1
    assert imagist.load(threads=2).concurrency == 2
