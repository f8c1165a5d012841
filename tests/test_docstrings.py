from __future__ import annotations

from beam_scanner.text.docstrings import Doc, read_doc

TEXT = """Cuts a stream.

    More about it,
    on two lines.

    Args:
        size: Rows of a group,
            1 or more.
        *rest: The others: in any order.

    Returns:
        Something.

    Raises:
        ArgumentError: A size is 0.
        MissingDependencyError: OpenCV is not installed.

    Examples:
        >>> 1
        1
    """


def test_a_docstring_is_taken_apart() -> None:
    doc = read_doc(TEXT)
    assert doc.text == "Cuts a stream.\n\nMore about it,\non two lines."
    assert doc.args == {
        "size": "Rows of a group,\n    1 or more.",
        "*rest": "The others: in any order.",
    }
    assert list(doc.raises) == ["ArgumentError", "MissingDependencyError"]


def test_what_was_read_is_written_and_read_again() -> None:
    doc = read_doc(TEXT)
    assert read_doc(str(doc)) == doc
    assert "Example" not in str(doc)
    assert "Returns" not in str(doc)


def test_docstrings_without_sections() -> None:
    assert read_doc(None) == read_doc("") == Doc("")
    assert str(read_doc("One line.")) == "One line."
