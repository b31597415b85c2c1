"""Built-ins and plugins come through the same door."""

from __future__ import annotations

from importlib.metadata import EntryPoint

import pytest

from imagist import registry
from imagist.errors import MissingExtra, UnknownName


@pytest.fixture
def plugins(monkeypatch):
    """Entry points as installed packages would declare them."""

    def install(*points):
        made = [EntryPoint(name, target, f"imagist.{kind}") for kind, name, target in points]
        monkeypatch.setattr(registry, "entry_points", lambda group: [p for p in made if p.group == group])

    return install


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind, of in registry.BUILT_IN.items() for name in of])
def test_every_built_in_is_there(kind, name):
    assert name in registry.names(kind)
    try:
        assert callable(registry.find(kind, name))
    except MissingExtra as error:
        pytest.skip(f"{error.item} is not installed")


@pytest.mark.parametrize("kind", registry.BUILT_IN)
def test_an_unknown_name_lists_the_known(kind):
    with pytest.raises(UnknownName) as caught:
        registry.find(kind, "nothing")
    assert caught.value.item == "nothing"
    assert all(name in caught.value.remedy for name in registry.names(kind))


def test_a_plugin_is_found_and_listed(plugins):
    plugins(("captioners", "mine", "json:loads"), ("text_classifiers", "other", "json:dumps"))
    assert registry.names("captioners") == sorted([*registry.BUILT_IN["captioners"], "mine"])
    assert registry.find("captioners", "mine")("[1]") == [1]
    with pytest.raises(UnknownName, match="lstm, mine"):
        registry.find("captioners", "other")


def test_a_plugin_does_not_replace_a_built_in(plugins):
    before = registry.find("text_classifiers", "tfidf")
    plugins(("text_classifiers", "tfidf", "json:loads"))
    assert registry.find("text_classifiers", "tfidf") is before
    assert registry.names("text_classifiers") == sorted(registry.BUILT_IN["text_classifiers"])


def test_a_plugin_is_imported_only_when_it_is_asked_for(plugins):
    plugins(("image_classifiers", "broken", "no_such_module:load"))
    assert registry.names("image_classifiers") == sorted([*registry.BUILT_IN["image_classifiers"], "broken"])
    assert registry.find("image_classifiers", "linear")
    with pytest.raises(ModuleNotFoundError):
        registry.find("image_classifiers", "broken")
