"""What tests of the service share."""

import signal

import pytest


@pytest.fixture
def interrupts_raise():
    """Also where the tests run in the background, which a shell lets ignore Ctrl-C."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)
