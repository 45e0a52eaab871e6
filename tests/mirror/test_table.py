"""The table of hostile drivers for operators has a test for each of its lines."""

import importlib
import inspect
import re
from pathlib import Path

from mirror import manners

PAGE = Path(__file__).parents[2] / "docs" / "hostile-drivers.md"
FILES = ("test_silence", "test_garbage", "test_lies", "test_floods")


def test_every_line_of_the_page_is_tested() -> None:
    """The page, the manners of the evil driver and the tests have the same names."""
    lines = [line.split("|")[1].strip() for line in PAGE.read_text().splitlines() if line.startswith("| `")]
    documented = [re.sub(r"`", "", name) for name in lines]
    modules = [importlib.import_module(f"mirror.{file}") for file in FILES]
    tested = {
        name.removeprefix("test_")
        for module in modules
        for name, _ in inspect.getmembers(module, inspect.isfunction)
        if name.startswith("test_")
    }

    assert sorted(documented) == sorted(manners.MODES)
    assert set(documented) - tested == set()
