"""What is said of input that is refused."""

from collections.abc import Callable
from typing import Any

import pytest

from cellbox.errors import InputError


def refusal(call: Callable[..., Any], *args: Any, **kwargs: Any) -> str:
    """The error of a call that is to be refused, as a user reads it."""
    with pytest.raises(InputError) as caught:
        call(*args, **kwargs)
    return str(caught.value)
