"""Settings: what is written can be read again, and every fault is named."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field, NonNegativeFloat, PositiveInt

from imagist.captioning.decoding import Decoding
from imagist.errors import UsageError
from imagist.settings import from_table, located, read, to_toml


@dataclass(frozen=True)
class Stage:
    epochs: Annotated[int, Field(ge=1, le=1000)] = 10
    rate: Annotated[float, Field(gt=0, lt=1)] = 1e-3
    note: str | None = None


@dataclass(frozen=True)
class Recurrent:
    kind: Literal["gru", "lstm"] = "gru"
    units: int = 512


@dataclass(frozen=True)
class Attending:
    layers: int
    heads: int
    kind: Literal["transformer"] = "transformer"


@dataclass(frozen=True)
class Recipe:
    name: str
    out: Path
    model: Annotated[Recurrent | Attending, Field(discriminator="kind")] = Recurrent()
    words: Stage = Stage(epochs=7)
    last: Stage | None = None
    stages: tuple[Stage, ...] = (Stage(),)
    betas: tuple[float, float] = (0.9, 0.999)
    sizes: tuple[int, ...] = ()
    weights: dict[str, float] = field(default_factory=dict)
    kinds: dict[str, Recurrent] = field(default_factory=dict)
    batch: PositiveInt | Literal["auto"] = "auto"
    amp: bool = False
    extra: dict[str, Any] = field(default_factory=dict)
    cache: Path | None = None
    limit: NonNegativeFloat | None = None


MINIMAL = {"name": "x", "out": "y"}

texts = st.text(st.characters(exclude_categories=["Cs"]))
ints = st.integers(-(2**70), 2**70)
floats = st.floats(allow_nan=False)
paths = texts.filter(bool).map(Path)
stages = st.builds(Stage, st.integers(1, 1000), st.floats(0, 1, exclude_min=True, exclude_max=True), st.none() | texts)
recurrent = st.builds(Recurrent, st.sampled_from(["gru", "lstm"]), ints)
toml = st.recursive(
    st.booleans() | ints | floats | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
recipes = st.builds(
    Recipe,
    texts,
    paths,
    recurrent | st.builds(Attending, ints, ints),
    stages,
    st.none() | stages,
    st.lists(stages, max_size=3).map(tuple),
    st.tuples(floats, floats),
    st.lists(ints, max_size=4).map(tuple),
    st.dictionaries(texts, floats, max_size=3),
    st.dictionaries(texts, recurrent, max_size=3),
    st.integers(1) | st.just("auto"),
    st.booleans(),
    st.dictionaries(texts, toml, max_size=3),
    st.none() | paths,
    st.none() | st.floats(0),
)


def make(table, kind=Recipe):
    return from_table(table, kind, "x.toml")


def faults_of(table, kind=Recipe):
    """The faults of the error: ``{dotted name: message}``."""
    with pytest.raises(UsageError) as caught:
        make(table, kind)
    assert caught.value.item == "x.toml"
    first, *rest = caught.value.message.splitlines()
    lines = [line.strip() for line in rest] or [first]
    assert not rest or first == f"{len(rest)} faults"
    return dict(line.split(": ", 1) for line in lines)


@given(recipes)
def test_what_is_written_comes_back(recipe):
    text = to_toml(recipe)
    text.encode("utf-8")
    assert make(tomllib.loads(text)) == recipe


@given(recipes)
def test_what_is_written_comes_back_from_a_file(tmp_path_factory, recipe):
    path = tmp_path_factory.mktemp("settings") / "x.toml"
    path.write_text(to_toml(recipe), "utf-8")
    assert read(path, Recipe) == recipe


FAULTS = {
    # the place of a wrong value, the value, the message
    "words.epochs": (("words", "epochs"), 0, "must be greater than or equal to 1, not 0"),
    "words.rate": (("words", "rate"), 1, "must be less than 1, not 1"),
    "words.note": (("words", "note"), 3, "must be a valid string, not 3"),
    "words.epoch": (("words", "epoch"), 3, "no such setting; did you mean 'epochs'?"),
    "name": (("name",), ["x"], "must be a valid string, not ['x']"),
    "out": (("out",), 3, "must be a valid string, not 3"),
    "model.units": (("model", "units"), 2.0, "must be a valid integer, not 2.0"),
    "model.heads": (("model", "heads"), 2, "no such setting; there are kind, units, layers"),
    "betas[1]": (("betas",), [0.9], "missing"),
    "sizes[1]": (("sizes",), [1, True], "must be a valid integer, not true"),
    "weights.dog": (("weights", "dog"), "1", "must be a valid number, not '1'"),
    'weights."a.b"': (("weights", "a.b"), [], "must be a valid number, not []"),
    "kinds.one.kind": (("kinds", "one", "kind"), "rnn", "must be 'gru' or 'lstm', not 'rnn'"),
    "batch": (("batch",), 0, "must be greater than 0 or 'auto', not 0"),
    "amp": (("amp",), 1, "must be a valid boolean, not 1"),
    "extra": (("extra",), [], "must be a table, not []"),
    "limit": (("limit",), -1, "must be greater than or equal to 0, not -1"),
    "stages[2].epochs": (("stages",), [{}, {}, {"epochs": False}], "must be a valid integer, not false"),
    "last": (("last",), 3, "must be a table, not 3"),
    "epochs": (("epochs",), 3, "no such setting; did you mean 'words.epochs'?"),
}


def put(table, place, value):
    *outer, last = place
    for key in outer:
        table = table.setdefault(key, {})
    table[last] = value


@given(recipes.filter(lambda recipe: isinstance(recipe.model, Recurrent)), st.sets(st.sampled_from([*FAULTS])))
def test_every_fault_is_named_and_nothing_else(recipe, injected):
    table = tomllib.loads(to_toml(recipe))
    for name in injected:
        place, value, _ = FAULTS[name]
        put(table, place, value)
    expected = {name: FAULTS[name][2] for name in injected}
    if injected:
        assert faults_of(table) == expected
    else:
        assert make(table) == recipe


@given(st.dictionaries(texts, toml) | st.fixed_dictionaries({}, optional={f.name: toml for f in fields(Recipe)}))
def test_any_table_gives_settings_or_the_one_error(table):
    try:
        recipe = make(table)
    except UsageError:
        return
    assert make(tomllib.loads(to_toml(recipe))) == recipe


def test_missing_settings_are_named():
    assert faults_of({"model": {"kind": "transformer"}}) == {
        "name": "missing",
        "out": "missing",
        "model.layers": "missing",
        "model.heads": "missing",
    }
    assert faults_of({**MINIMAL, "model": {}}) == {"model.kind": "missing"}


def test_a_field_that_is_left_out_keeps_its_default():
    assert make(MINIMAL).words == Stage(epochs=7)
    assert make({**MINIMAL, "last": {"rate": 0.5}}).last == Stage(rate=0.5)


def test_integers_are_numbers_but_booleans_are_not():
    made = make({**MINIMAL, "betas": [0, 1]}).betas
    assert made == (0.0, 1.0)
    assert [*map(type, made)] == [float, float]
    assert faults_of({**MINIMAL, "betas": [0, True]}) == {"betas[1]": "must be a valid number, not true"}


def test_the_kind_of_a_table_decides_its_class():
    assert make({**MINIMAL, "model": {"kind": "lstm"}}).model == Recurrent("lstm")
    assert make({**MINIMAL, "model": {"kind": "transformer", "layers": 2, "heads": 1}}).model == Attending(2, 1)
    wrong = {"kind": "transformer", "units": 3}
    assert sorted(faults_of({**MINIMAL, "model": wrong})) == ["model.heads", "model.layers", "model.units"]
    found = faults_of({**MINIMAL, "model": {"kind": "rnn"}})
    assert found == {"model.kind": "must be one of 'gru', 'lstm', 'transformer', not 'rnn'"}


@dataclass(frozen=True)
class Options:
    decoding: Decoding = field(default_factory=Decoding)
    threads: int = 1


def test_what_a_class_refuses_is_a_fault_under_its_name():
    found = faults_of({"decoding": {"beam": 0}, "threads": "1", "view": "square"}, Options)
    assert sorted(found) == ["decoding.beam", "threads", "view"]
    assert "0" in found["decoding.beam"]
    assert "widen the beam" in faults_of({"decoding": {"nbest": 9}}, Options)["decoding.nbest"]


@dataclass(frozen=True)
class Range:
    low: int
    high: int

    def __post_init__(self) -> None:
        if self.low > self.high:
            raise ValueError("low is above high")


@dataclass(frozen=True)
class Ranges:
    of: tuple[Range, ...]
    broken: bool = field(default=False, init=False)


def test_what_a_class_refuses_as_a_whole_is_a_fault_of_its_table():
    table = {"of": [{"low": 2, "high": 1}, {"low": 1, "high": 2}, {"low": 3}]}
    assert faults_of(table, Ranges) == {"of[0]": "low is above high", "of[2].high": "missing"}
    assert "broken" in faults_of({"of": [], "broken": True}, Ranges)
    with pytest.raises(UsageError, match=r"^x.toml: low is above high$"):
        make({"low": 2, "high": 1}, Range)


def test_long_wrong_values_are_cut():
    assert len(faults_of({**MINIMAL, "amp": "long " * 100})["amp"]) < 100


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "recipe.toml"
    path.write_text('name = "a"\nout = "runs/../x"\n[words]\nepochs = 3\n[weights]\na = 1\n')
    return path


def test_paths_stay_as_written(file):
    assert str(read(file, Recipe).out) == "runs/../x"


def test_overrides_go_before_the_file(file):
    recipe = read(
        file,
        Recipe,
        [
            "words.rate=1e-2",
            "weights.b=2",
            "sizes=[1, 2]",
            "name=mobile net",
            "out=./a=b",
            'last.note="3"',
            "words.epochs=4",
        ],
    )
    assert recipe == Recipe(
        "mobile net",
        Path("a=b"),
        words=Stage(4, 0.01),
        weights={"a": 1.0, "b": 2.0},
        sizes=(1, 2),
        last=Stage(note="3"),
    )


def test_faults_of_overrides_are_reported_with_those_of_the_file(file):
    file.write_text("name = 3\n")
    with pytest.raises(UsageError) as caught:
        read(file, Recipe, ["words.epochs=three", "amp", "sizes=[1,", "words.epoch=3", "a b=3", "out=3"])
    message = caught.value.message
    assert message.startswith("7 faults\n")
    for fault in (
        "override 'amp' is not of the form name=value",
        "override 'sizes=[1,' is not of the form name=value",
        "override 'a b=3' is not of the form name=value",
        "words.epochs: must be a valid integer, not 'three'",
        "words.epoch: no such setting; did you mean 'epochs'?",
        "name: must be a valid string, not 3",
        "out: must be a valid string, not 3",
    ):
        assert fault in message


def test_an_override_may_make_a_table_of_what_was_none(file):
    assert read(file, Recipe, ["last.epochs=2"]).last == Stage(2)
    with pytest.raises(UsageError, match="words: must be a table, not 3"):
        read(file, Recipe, ["words=3"])


@pytest.mark.parametrize("content", [b"a = ", b"\xff\xfe", b"a = " + b"[" * 100_000, b"a = 1\na = 2"])
def test_what_is_not_toml_is_refused(tmp_path, content):
    path = tmp_path / "x.toml"
    path.write_bytes(content)
    with pytest.raises(UsageError, match="cannot be read as TOML") as caught:
        read(path, Recipe)
    assert caught.value.item == str(path)


def test_a_byte_order_mark_is_no_fault(tmp_path):
    path = tmp_path / "x.toml"
    path.write_bytes(b'\xef\xbb\xbfname = "a"\r\nout = "b"\r\n')
    assert read(path, Recipe) == Recipe("a", Path("b"))


@pytest.mark.parametrize("name", ["missing.toml", "."])
def test_a_file_that_is_not_there_is_named(tmp_path, name):
    with pytest.raises(UsageError, match="cannot be read: ") as caught:
        read(tmp_path / name, Recipe)
    assert caught.value.item == str(tmp_path / name)


def test_text_that_no_file_can_hold_is_not_written():
    with pytest.raises(UsageError) as caught:
        to_toml(Recipe("a", Path("b\udcff")))
    assert caught.value.item == "out"


def test_what_is_written_is_meant_to_be_read():
    recipe = Recipe("a", Path("b"), model=Attending(2, 1), stages=(Stage(1), Stage(2)), weights={"a b": 1.0})
    assert to_toml(recipe).startswith('name = "a"\nout = "b"\nbetas = [0.9, 0.999]\nsizes = []\nbatch = "auto"\n')
    assert '\n[model]\nlayers = 2\nheads = 1\nkind = "transformer"\n' in to_toml(recipe)
    assert '\n[weights]\n"a b" = 1.0\n' in to_toml(recipe)
    assert "\n[[stages]]\nepochs = 1\nrate = 0.001\n\n[[stages]]\nepochs = 2\n" in to_toml(recipe)


@dataclass(frozen=True)
class Extended:
    number: int
    inner: dict[str, Any]


def test_a_file_may_extend_another_beside_it(tmp_path):
    (tmp_path / "first.toml").write_text("number = 1\n[inner]\na = 1\nb = [1, 2]\n")
    (tmp_path / "second.toml").write_text('extends = "first.toml"\n[inner]\nb = [3]\n')
    assert read(tmp_path / "second.toml", Extended) == Extended(1, {"a": 1, "b": [3]})


def test_files_that_extend_each_other_are_refused(tmp_path):
    (tmp_path / "first.toml").write_text('extends = "second.toml"\n')
    (tmp_path / "second.toml").write_text('extends = "first.toml"\n')
    with pytest.raises(UsageError, match="circle"):
        read(tmp_path / "first.toml", Extended)
    (tmp_path / "third.toml").write_text('extends = "none.toml"\n')
    with pytest.raises(UsageError, match=r"none\.toml"):
        read(tmp_path / "third.toml", Extended)
    (tmp_path / "fourth.toml").write_text("extends = 4\n")
    with pytest.raises(UsageError, match="extends"):
        read(tmp_path / "fourth.toml", Extended)


@dataclass(frozen=True)
class Either:
    width: float | int | bool
    place: str | Path = ""


@pytest.mark.parametrize("width", [3, 3.0, True])
def test_of_several_types_a_value_keeps_its_own(width):
    made = make({"width": width, "place": "x"}, Either)
    assert type(made.width) is type(width)
    assert made.place == "x"
    told = "must be a valid number or a valid integer or a valid boolean, not 'x'"
    assert faults_of({"width": "x"}, Either) == {"width": told}


def test_a_bare_name_is_that_of_a_file_that_ships(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert located("studies", Path("best")).name == "best.toml"
    assert located("studies", Path("best")).parent.name == "studies"
    assert located("studies", Path("other/best")) == Path("other/best")
    assert located("studies", Path("best.toml")) == Path("best.toml")
    (tmp_path / "best").touch()
    assert located("studies", Path("best")) == Path("best")


def test_a_bare_name_of_nothing_lists_those_that_ship():
    with pytest.raises(UsageError, match="captions-tell") as caught:
        located("studies", Path("bset"))
    assert caught.value.item == "bset"
