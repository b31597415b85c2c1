from __future__ import annotations

import pytest


@pytest.fixture(scope="session")
def models_folder(tmp_path_factory):
    """Where suites keep the models that they make, so that those of one name are made once."""
    return tmp_path_factory.mktemp("models")
