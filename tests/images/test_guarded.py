import threading
import warnings

import pytest

from imagist.errors import DecodeTimeout
from imagist.images.guarded import TimedBytes, quiet


def pillow_warns(message: str = "odd file") -> None:
    warnings.warn_explicit(message, UserWarning, "TiffImagePlugin.py", 1, module="PIL.TiffImagePlugin")


def test_pillow_does_not_warn_inside():
    with quiet():
        pillow_warns()
        warnings.warn_explicit("odd", UserWarning, "x.py", 1, module="pillow_heif.as_plugin")
    with pytest.warns(UserWarning, match="odd file"):
        pillow_warns()


def test_others_still_warn_inside():
    with pytest.warns(UserWarning, match="mine"), quiet():
        warnings.warn("mine", UserWarning, stacklevel=1)


def test_blocks_nest():
    with quiet():
        with quiet():
            pillow_warns()
        pillow_warns()


def test_other_threads_keep_their_warnings():
    caught: list[Warning] = []
    inside, done = threading.Event(), threading.Event()

    def application() -> None:
        inside.wait()
        try:
            pillow_warns()  # an error, by the filters of the test run
        except UserWarning as warning:
            caught.append(warning)
        done.set()

    thread = threading.Thread(target=application)
    thread.start()
    with quiet():
        inside.set()
        done.wait()
        pillow_warns()
    thread.join()
    assert len(caught) == 1


def test_holds_again_after_somebody_reset_the_filters():
    with quiet():
        pillow_warns()
    with warnings.catch_warnings():
        warnings.resetwarnings()
        warnings.simplefilter("error")
        with quiet():
            pillow_warns()


def test_filters_do_not_pile_up():
    with warnings.catch_warnings():
        with quiet():
            before = len(warnings.filters)
        for _ in range(5):
            warnings.simplefilter("error", ResourceWarning)
            with quiet():
                pass
        assert len(warnings.filters) <= before + 1


def test_bytes_can_be_read_in_time():
    file = TimedBytes(b"abcdef", seconds=60)
    assert (file.read(2), file.read(), file.read()) == (b"ab", b"cdef", b"")


def test_bytes_cannot_be_read_too_late():
    file = TimedBytes(b"abcdef", seconds=-1)
    with pytest.raises(DecodeTimeout, match="not decoded after"):
        file.read(1)
