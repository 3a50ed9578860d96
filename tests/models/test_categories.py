"""Class names come from lists, mappings and files, and are counted."""

import json
from pathlib import Path

import pytest

from cnnviz.errors import UsageError
from cnnviz.models.categories import check_count, read_categories
from tests.helpers.each_case import each_case

EXPECTED = ("cat", "dog", "große Katze")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("names.txt", "cat\ndog\ngroße Katze\n\n"),
        ("names.txt", "\ufeffcat\r\n dog\r\ngroße Katze"),
        ("names.json", json.dumps(EXPECTED)),
        ("names.json", json.dumps({"2": "große Katze", "0": "cat", "1": "dog"})),
        ("names.json", json.dumps({str(i): [f"n{i:08}", n] for i, n in enumerate(EXPECTED)})),
    ],
)
def test_files(tmp_path: Path, name: str, text: str) -> None:
    path = tmp_path / name
    path.write_bytes(text.encode())
    assert read_categories(path) == read_categories(str(path)) == EXPECTED


def test_lists_and_mappings() -> None:
    assert read_categories(list(EXPECTED)) == EXPECTED
    assert read_categories({1: "dog", 0: "cat", 2: "große Katze"}) == EXPECTED


@each_case(
    ("source", "message"),
    [
        ([], "no class names in categories"),
        (["cat", ""], "name of class 1 in categories is ''"),
        (["cat", 3], "name of class 1 in categories is 3"),
        ({0: "cat", 2: "dog"}, "Class 1 has no name"),
        ({"cat": 0}, "not class indices"),
        (7, "no class names"),
    ],
)
def test_what_is_no_list_of_names(source: object, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        read_categories(source)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("names.json", b'["cat",]', r"names.json is not JSON: "),
        ("names.json", b"[" * 100_000, r"names.json is not JSON: it is nested too deeply"),
        ("names.json", b'["\\ud800 cat"]', r"names.json is not JSON: "),
        ("names.json", b"[" + b"9" * 5000 + b"]", r"names.json is not JSON: |name of class 0"),
        ("names.json", b"[NaN]", r"names.json is not JSON: "),
        ("names.json", b'{"' + b"9" * 5000 + b'": "cat"}', "not class indices"),
        ("names.json", b'{"0": {"name": "cat"}}', "name of class 0"),
        ("names.json", b'"cat"', "no class names in names.json"),
        ("names.txt", b"", "no class names in names.txt"),
        ("names.txt", b"cat\n\ndog\n", r"name of class 1 in names.txt is ''"),
        ("names.txt", b"\xff\xfe\xfa", "not UTF-8"),
    ],
)
def test_files_that_hold_no_names(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UsageError, match=message):
        read_categories(tmp_path / name)


def test_a_missing_file() -> None:
    with pytest.raises(UsageError, match=r"nowhere.txt' cannot be read: No such file"):
        read_categories("nowhere.txt")


def test_the_count_must_be_right() -> None:
    check_count(EXPECTED, 3, "net")
    with pytest.raises(UsageError, match="3 class names and net has 10 outputs"):
        check_count(EXPECTED, 10, "net")
