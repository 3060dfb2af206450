"""Where the program `cellbox` begins: answers Ctrl-C and SIGTERM before anything else is loaded.

Loading the rest takes tenths of a second, in which Python would print its own words of a Ctrl-C,
and a SIGTERM, as `timeout` and schedulers send it, would end the program without any.
"""

import os
import signal

_SAID = b"\nStopped before anything was begun.\n"
_EXIT_INTERRUPTED = 130


def _leave(number: int, frame: object) -> None:
    # Nothing is open yet, and an exception could end up in any import.
    os.write(2, _SAID)
    os._exit(_EXIT_INTERRUPTED)


def main() -> int:
    """Run the command line with the program's arguments; the exit code."""
    numbers = (signal.SIGINT, signal.SIGTERM)
    # A shell lets what a script runs in the background ignore Ctrl-C.
    heard = [number for number in numbers if signal.getsignal(number) != signal.SIG_IGN]
    for number in heard:
        signal.signal(number, _leave)
    from search.cli.main import main as run
    from search.console.interrupts import interrupt

    for number in heard:
        signal.signal(number, interrupt)
    try:
        return run()
    finally:
        # Nothing is left to be said, and Python, as it ends, must not be in the middle of it.
        for number in heard:
            signal.signal(number, signal.SIG_DFL)
