"""Objects below a folder, and those that a pattern names."""

from beam_scanner.stores import open_store
from tests.support.object_servers import match_objects


def test_patterns(bucket_url):
    store = open_store(bucket_url)
    for key in (
        "f/a.mp4",
        "f/b.mkv",
        "f/x/c.mp4",
        "f/x/y/d.mp4",
        "f/[1].mp4",
        "g/a.mp4",
    ):
        store.put(key, b"")

    def found(pattern):
        return [
            url.removeprefix(f"{bucket_url}/")
            for url in match_objects(f"{bucket_url}/{pattern}")
        ]

    assert found("f/*.mp4") == ["f/[1].mp4", "f/a.mp4"]
    assert found("f/**/*.mp4") == ["f/[1].mp4", "f/a.mp4", "f/x/c.mp4", "f/x/y/d.mp4"]
    assert found("*/?.mp4") == ["f/a.mp4", "g/a.mp4"]
    assert found("f/[!b].m*") == ["f/a.mp4"]
    assert found("f/[[]1].mp4") == ["f/[1].mp4"]
    assert found("f/a.mp4") == ["f/a.mp4"]
    assert found("none/*") == []
