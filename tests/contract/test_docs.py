"""What is public is documented: the reference is what the code says, and nothing public is missing from it."""

import pytest

from scripts.reference import FOLDER, PAGES


@pytest.mark.parametrize("name", PAGES)
def test_the_reference_is_what_the_code_says(name: str) -> None:
    """`make reference` writes it anew."""
    assert (FOLDER / name).read_text(encoding="utf-8") == PAGES[name]()
