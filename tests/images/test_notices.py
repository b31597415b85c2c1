from imagist.images.notices import notice, notice_of


def test_each_notice_is_logged_once(caplog):
    for name in ("a", "a", "b"):
        notice("is left out", item=f"test-notices-{name}", remedy="mend it")
    for name in ("a", "b"):
        notice("is left out", item=f"test-notices-2{name}", remedy="mend it", once="test-notices")
    notice_of("texts", [], item="test-notices-3", remedy="mend it")
    notice_of("texts", ["t"], item="test-notices-4", remedy="mend it")
    notice_of("texts", ["t", "u", "v"], item="test-notices-5", remedy="mend it")
    assert [record.getMessage() for record in caplog.records] == [
        "test-notices-a: is left out (mend it)",
        "test-notices-b: is left out (mend it)",
        "test-notices-2a: is left out (mend it)",
        "test-notices-4: texts are not read: t (mend it)",
        "test-notices-5: texts are not read: t and 2 more (mend it)",
    ]
