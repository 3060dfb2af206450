"""The program from its first moment: Ctrl-C and SIGTERM are answered while it loads."""

import os
import signal
import subprocess
import sys

import pytest

from search.cli import main as program
from search.cli.command import Command

# The program stops where it would begin to load the rest, and says so.
WAITING = """
import builtins, signal, sys, time
from search.cli import entry
# A shell lets what a script runs in the background ignore Ctrl-C, these tests among it.
signal.signal(signal.SIGINT, signal.default_int_handler)
real = builtins.__import__
def slow(name, *rest):
    if name == "search.cli.main":
        print("loading", flush=True)
        time.sleep(60)
    return real(name, *rest)
builtins.__import__ = slow
sys.exit(entry.main())
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_while_the_program_loads_is_answered_in_a_line(number):
    process = subprocess.Popen(
        [sys.executable, "-c", WAITING],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "loading\n"
    os.kill(process.pid, number)
    _, said = process.communicate(timeout=30)
    assert said == "\nStopped before anything was begun.\n"
    assert process.returncode == 130


def test_the_beginning_loads_next_to_nothing():
    code = "import sys, search.cli.entry; print('argparse' in sys.modules, 'numpy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "False False\n"


def test_an_interrupt_that_a_library_put_into_words_of_its_own_is_one(capsys):
    def run(arguments):
        try:
            raise KeyboardInterrupt
        except KeyboardInterrupt as error:
            raise RuntimeError("Error calling __set_name__") from error

    command = Command("some", "", lambda parser: None, run, interrupted="it waits")
    assert program._run(command, None) == 130
    assert capsys.readouterr().err == "\nit waits\n"


def test_other_exceptions_keep_their_traceback():
    def run(arguments):
        raise RuntimeError("a bug")

    with pytest.raises(RuntimeError):
        program._run(Command("some", "", lambda parser: None, run), None)
