from __future__ import annotations

import pytest


@pytest.fixture(scope="session")
def colours(tmp_path_factory):
    """The files of a study on coloured noise; tests only read them."""
    import study_cases

    made = study_cases.write_colours(tmp_path_factory.mktemp("colours"))
    study_cases.write_network(made.data)
    return made


@pytest.fixture
def undrawn(monkeypatch):
    """Publishes studies without charts and page; returns the parts of the page."""
    from imagist.report.study import charts

    parts = []
    for name in [each for each in vars(charts) if each.startswith("draw_")]:
        monkeypatch.setattr(charts, name, lambda *given, **named: None)
    monkeypatch.setattr("imagist.report.study.publish.draw_examples", lambda *given, **named: None)

    def write_page(path, title, sections, **named):
        path.write_text(title)
        parts.extend(part for section in sections for part in section.parts)

    monkeypatch.setattr("imagist.report.study.publish.write_page", write_page)
    return parts
