"""What these tests share."""

from collections.abc import Iterator

import pytest

from tests.pictures import no_drawings


@pytest.fixture(autouse=True, scope="module")
def _no_drawings() -> Iterator[None]:
    with no_drawings():
        yield
