"""Data files with one mistake in each, as people and programs make them; by a seed.

    python -m tests.cellbox.data.readers.mutated_files --count 1000

reads so many, and prints what was refused, what was accepted with a warning or a note, and what
was accepted without a word, by kind of mistake.
"""

from __future__ import annotations

import argparse
import logging
import random
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path

from cellbox.data.plausibility import data_warnings
from cellbox.data.readers import read_data
from cellbox.errors import InputError

Cells = list[list[str]]
MOST_SECONDS = 10.0
_TIMES = ("5", "10", "15")
_NODES = ("AKT", "MEK", "ERK", "S6", "EGFR")


def clean(form: str, seed: int) -> dict[str, Cells]:
    """Files without a mistake: tidy, wide, or those of the 2020 CellBox."""
    draw = random.Random(seed)
    conditions = [f"c{number}" for number in range(1, 9)]
    doses = {(name, _NODES[k % 5]): draw.uniform(0.2, 1) for k, name in enumerate(conditions)}
    values = {
        (name, time, node): draw.uniform(-1, 1)
        for name in conditions
        for time in _TIMES
        for node in _NODES
    }
    if form == "tidy":
        measured = [["condition", "time", "node", "value"]]
        measured += [[*key, f"{value:.4f}"] for key, value in values.items()]
        perturbed = [["condition", "node", "value"]]
        perturbed += [[*key, f"{dose:.3f}"] for key, dose in doses.items()]
        return {"measurements.csv": measured, "perturbations.csv": perturbed}
    if form == "wide":
        measured = [["condition", "time", *_NODES]]
        measured += [
            [name, time, *(f"{values[name, time, node]:.4f}" for node in _NODES)]
            for name in conditions
            for time in _TIMES
        ]
        perturbed = [["condition", *_NODES]]
        perturbed += [
            [name, *(f"{doses.get((name, node), 0.0):.3f}" for node in _NODES)]
            for name in conditions
        ]
        return {"measurements.csv": measured, "perturbations.csv": perturbed}
    return {
        "pert.csv": [
            [f"{-doses.get((name, node), 0.0):.3f}" for node in _NODES] for name in conditions
        ],
        "expr.csv": [[f"{values[name, '10', node]:.4f}" for node in _NODES] for name in conditions],
        "node_Index.csv": [[node] for node in _NODES],
    }


def _row(draw: random.Random, table: Cells, first: int = 1) -> int:
    return draw.randrange(min(first, len(table) - 1), len(table))


def _swap_cells(draw: random.Random, table: Cells) -> None:
    row = table[_row(draw, table)]
    if len(row) > 1:
        one, other = draw.sample(range(len(row)), 2)
        row[one], row[other] = row[other], row[one]


def _cell(text: str) -> Callable[[random.Random, Cells], None]:
    def put(draw: random.Random, table: Cells) -> None:
        row = table[_row(draw, table)]
        row[draw.randrange(len(row))] = text

    return put


def _changed(change: Callable[[str], str]) -> Callable[[random.Random, Cells], None]:
    def put(draw: random.Random, table: Cells) -> None:
        row = table[_row(draw, table)]
        place = draw.randrange(len(row))
        row[place] = change(row[place])

    return put


def _every_last(change: Callable[[str], str]) -> Callable[[random.Random, Cells], None]:
    """Change the last column, which holds numbers but in the file of names."""

    def put(draw: random.Random, table: Cells) -> None:
        for row in table[1:]:
            row[-1] = change(row[-1])

    return put


def _drop_row(draw: random.Random, table: Cells) -> None:
    del table[_row(draw, table)]


def _repeat_row(draw: random.Random, table: Cells) -> None:
    row = _row(draw, table)
    table.insert(row, list(table[row]))


def _repeat_row_otherwise(draw: random.Random, table: Cells) -> None:
    row = _row(draw, table)
    table.insert(row, [*table[row][:-1], "0.77"])


def _drop_cell(draw: random.Random, table: Cells) -> None:
    row = table[_row(draw, table)]
    del row[draw.randrange(len(row))]


def _extra_cell(draw: random.Random, table: Cells) -> None:
    table[_row(draw, table)].append("0.5")


def _drop_column(draw: random.Random, table: Cells) -> None:
    place = draw.randrange(len(table[0]))
    for row in table:
        del row[place : place + 1]


def _swap_columns(draw: random.Random, table: Cells) -> None:
    """Headers of two columns exchanged, as by a slip when columns were sorted."""
    _swap_cells(draw, table[:1] * 2)


def _repeat_column(draw: random.Random, table: Cells) -> None:
    place = draw.randrange(len(table[0]))
    for row in table:
        row.insert(place, row[place])


def _transpose(draw: random.Random, table: Cells) -> None:
    table[:] = [list(column) for column in zip(*table, strict=True)]


def _shift_column(draw: random.Random, table: Cells) -> None:
    """The last column moved down by one, as by sorting a part of a sheet."""
    last = [row[-1] for row in table[1:]]
    for row, cell in zip(table[1:], ["", *last], strict=False):
        row[-1] = cell


def _shuffle_header(draw: random.Random, table: Cells) -> None:
    draw.shuffle(table[0])


def _no_header(draw: random.Random, table: Cells) -> None:
    del table[0]


def _two_headers(draw: random.Random, table: Cells) -> None:
    table.insert(_row(draw, table), list(table[0]))


def _footer(draw: random.Random, table: Cells) -> None:
    table.append(["total"] + ["12.5"] * (len(table[0]) - 1))


def _case_of_names(draw: random.Random, table: Cells) -> None:
    row = table[_row(draw, table)]
    words = [k for k, cell in enumerate(row) if any(letter.isalpha() for letter in cell)]
    if words:
        row[draw.choice(words)] = row[draw.choice(words)].swapcase()


def _many_times(draw: random.Random, table: Cells) -> None:
    """One number a thousand times as large, as where a unit was mistaken."""
    row = table[_row(draw, table)]
    numbers = [k for k, cell in enumerate(row) if _is_number(cell)]
    if numbers:
        place = draw.choice(numbers)
        row[place] = f"{1000 * float(row[place]):g}"


def _thousands(draw: random.Random, table: Cells) -> None:
    for row in table[1:]:
        row[-1] = f"{float(row[-1]) * 1000:g}" if _is_number(row[-1]) else row[-1]


def _half_in_other_unit(draw: random.Random, table: Cells) -> None:
    """Every other row's last number a thousand times as large."""
    for row in table[1::2]:
        row[-1] = f"{float(row[-1]) * 1000:g}" if _is_number(row[-1]) else row[-1]


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


CELLS: dict[str, Callable[[random.Random, Cells], None]] = {
    "swapped cells": _swap_cells,
    **{f"cell {text!r}": _cell(text) for text in ("", "?", "inf", "-1e30", "1e-320", "#REF!")},
    **{f"cell {text!r}": _cell(text) for text in ("<LOD", "10 uM", "24h", "0x1F", "1 000", "1,5")},
    **{f"cell {text!r}": _cell(text) for text in ("1.2.3", "--", "N/A", "TRUE", "5%", "1e400")},
    "number with a unit": _changed(lambda cell: cell + " nM"),
    "number with a blank": _changed(lambda cell: f" {cell} "),
    "quoted": _changed(lambda cell: f'"{cell}'),
    "zero width space": _changed(lambda cell: cell + "\u200b"),
    "minus sign of print": _changed(lambda cell: cell.replace("-", "\u2212")),
    "dash for minus": _changed(lambda cell: cell.replace("-", "\u2013")),
    "letter O for zero": _changed(lambda cell: cell.replace("0", "O")),
    "letter l for one": _changed(lambda cell: cell.replace("1", "l")),
    "units in every number": _every_last(lambda cell: cell + " uM"),
    "percent signs": _every_last(lambda cell: cell + "%"),
    "decimal commas": _every_last(lambda cell: cell.replace(".", ",")),
    "no signs": _every_last(lambda cell: cell.lstrip("-")),
    "all the same": _every_last(lambda cell: "1"),
    "all empty": _every_last(lambda cell: ""),
    "whole numbers": _every_last(lambda cell: cell.split(".")[0]),
    "row left out": _drop_row,
    "row repeated": _repeat_row,
    "row repeated with another number": _repeat_row_otherwise,
    "cell left out": _drop_cell,
    "cell too many": _extra_cell,
    "column left out": _drop_column,
    "two headers exchanged": _swap_columns,
    "column repeated": _repeat_column,
    "transposed": _transpose,
    "column shifted": _shift_column,
    "header shuffled": _shuffle_header,
    "no header": _no_header,
    "header in between": _two_headers,
    "sum below": _footer,
    "other case": _case_of_names,
    "a number thousandfold": _many_times,
    "numbers thousandfold": _thousands,
    "every other number thousandfold": _half_in_other_unit,
}
BYTES: dict[str, Callable[[random.Random, bytes], bytes]] = {
    "cut": lambda draw, raw: raw[: draw.randrange(len(raw))],
    "byte flipped": lambda draw, raw: _with_byte(draw, raw, draw.randrange(256)),
    "null byte": lambda draw, raw: _with_byte(draw, raw, 0),
    "no UTF-8": lambda draw, raw: raw.replace(b"c1", b"\xe9\xff", 1) + b"\xff",
    "UTF-16": lambda draw, raw: raw.decode().encode("utf-16"),
    "semicolons": lambda draw, raw: raw.replace(b",", b";"),
    "tabs": lambda draw, raw: raw.replace(b",", b"\t"),
    "some semicolons": lambda draw, raw: raw.replace(b",", b";", draw.randrange(1, 9)),
    "blanks": lambda draw, raw: raw.replace(b",", b" "),
    "line breaks of Windows": lambda draw, raw: raw.replace(b"\n", b"\r\n"),
    "line breaks of old Macs": lambda draw, raw: raw.replace(b"\n", b"\r"),
    "byte order mark": lambda draw, raw: b"\xef\xbb\xbf" + raw,
    "comment above": lambda draw, raw: b"# made by a program\n" + raw,
    "blank lines": lambda draw, raw: raw.replace(b"\n", b"\n\n"),
    "two files in one": lambda draw, raw: raw + raw,
    "empty": lambda draw, raw: b"",
    "web page": lambda draw, raw: b"<!DOCTYPE html><html><body>Not found</body></html>\n",
}


#: Mistakes in tables of numbers that nobody would overlook: never taken without a word.
UNMISTAKABLE = {
    *(kind for kind in CELLS if kind.startswith("cell '")),
    *("number with a unit", "units in every number", "percent signs", "numbers thousandfold"),
    *("every other number thousandfold", "a number thousandfold", "all the same"),
    *("row repeated with another number", "cell left out", "cell too many", "transposed"),
    *("no header", "header in between", "sum below", "null byte", "no UTF-8", "UTF-16", "empty"),
    *("blanks", "comment above", "two files in one", "web page"),
} - {"cell ''", "cell '1e-320'"}


def _with_byte(draw: random.Random, raw: bytes, byte: int) -> bytes:
    place = draw.randrange(len(raw))
    return raw[:place] + bytes([byte]) + raw[place + 1 :]


def mutated(number: int, folder: Path) -> tuple[str, str, str]:
    """Write data with one mistake; the form, the file that has it, and the kind of mistake."""
    draw = random.Random(number)
    form = draw.choice(("tidy", "tidy", "wide", "matrices"))
    tables = clean(form, draw.randrange(1000))
    name = draw.choice(list(tables))
    kind = draw.choice([*CELLS, *BYTES])
    if kind in CELLS:
        CELLS[kind](draw, tables[name])
    folder.mkdir(parents=True)
    for file, table in tables.items():
        raw = "".join(",".join(row) + "\n" for row in table).encode()
        if file == name and kind in BYTES and raw:
            raw = BYTES[kind](draw, raw)
        (folder / file).write_bytes(raw)
    return form, name, kind


def outcome(folder: Path) -> tuple[str, str]:
    """What reading said: refused, warned, noted or silent; and its words.

    Raises whatever else reading raises, which it should not, and TimeoutError.
    """
    notes: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: notes.append(record.getMessage())  # type: ignore[method-assign]
    logger = logging.getLogger("cellbox")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    started = time.perf_counter()
    try:
        warnings = data_warnings(read_data(folder))
    except InputError as error:
        return "refused", str(error.problems[0])
    finally:
        logger.removeHandler(handler)
        if time.perf_counter() - started > MOST_SECONDS:
            raise TimeoutError(f"{folder} took {time.perf_counter() - started:.0f} s")
    if warnings:
        return "warned", str(warnings[0])
    own = [
        note for note in notes if "signs converted" not in note and "as a wide table" not in note
    ]
    return ("noted", own[0]) if own else ("silent", "")


def main() -> None:
    """Read many, and print what came of them by kind."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--show", nargs="*", default=["silent", "noted", "warned"])
    arguments = parser.parse_args()
    counts: Counter[str] = Counter()
    accepted: dict[tuple[str, str], list[str]] = defaultdict(list)
    with tempfile.TemporaryDirectory() as root:
        for number in range(arguments.first, arguments.first + arguments.count):
            folder = Path(root) / str(number)
            form, name, kind = mutated(number, folder)
            what, words = outcome(folder)
            counts[what] += 1
            if what in arguments.show:
                words = words.replace(str(folder), "")[:160]
                accepted[kind, what].append(f"{number} {form} {name}: {words}")
    for (kind, what), found in sorted(accepted.items()):
        print(f"{what}: {kind} ({len(found)})")
        for line in found[:4]:
            print(f"    {line}")
    print(dict(counts))


if __name__ == "__main__":
    main()
