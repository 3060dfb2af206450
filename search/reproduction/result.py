"""What a reproduction found, in memory and on disk."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cellbox.storage.files import atomic_write
from search.reproduction.figures import task_figure, write_figure
from search.reproduction.folder import ReproductionFolder
from search.reproduction.page import page, tables_html
from search.reproduction.recipe import Recipe
from search.reproduction.summary import PAPER, TaskResult, rows_of, typical

if TYPE_CHECKING:
    from pandas import DataFrame

    from cellbox.networks.network import Network


@dataclass(frozen=True, eq=False)
class Reproduction:
    """The paper's experiment done again.

    folder: where everything is kept. results: of every task, failed ones too.
    """

    folder: ReproductionFolder
    recipe: Recipe
    results: tuple[TaskResult, ...]

    @property
    def rows(self) -> list[dict[str, Any]]:
        """A row for each system and noise; numbers are median, low and high over its seeds."""
        return rows_of(self.results, self.recipe.name)

    @property
    def page(self) -> Path:
        """The page with the tables and figures."""
        return self.folder.path / "index.html"

    def as_dict(self) -> dict[str, Any]:
        """Rows and tasks as plain values for JSON. The names are an interface."""
        return {
            "format": 1,
            "recipe": self.recipe.as_dict(),
            "paper": PAPER,
            "rows": self.rows,
            "tasks": [result.as_dict() for result in self.results],
        }

    def to_frame(self) -> DataFrame:
        """The rows as a table with a column for each number."""
        import pandas as pd

        return pd.DataFrame([dict(_flat(row)) for row in self.rows])

    def network(self, system: str, sigma: float | None = None) -> Network:
        """The learned network of a system: that of the seed with the median r of W.

        sigma: which noise, where several were asked for. Raises KeyError where there is none.
        """
        from cellbox.networks.network import Network

        chosen = typical(
            [
                result
                for result in self.results
                if result.task.system == system and sigma in (None, result.task.sigma)
            ]
        )
        if chosen is None:
            raise KeyError(f"no network of {system}" + ("" if sigma is None else f" at σ {sigma}"))
        arrays = self.folder.arrays(chosen.task, self.recipe)
        nodes = tuple(str(node) for node in arrays["nodes"])
        return Network(nodes, arrays["weights"], arrays["amplitudes"])

    def _repr_html_(self) -> str:
        return tables_html(self.rows)

    def write(self) -> None:
        """Write reproduce.json and .csv, the figures, and the page that holds them all."""
        path = self.folder.path
        with atomic_write(path / "reproduce.json") as handle:
            json.dump(self.as_dict(), handle, indent=1, allow_nan=False, ensure_ascii=False)
        _write_csv(self.rows, path / "reproduce.csv")
        pictures = dict(self._write_figures())
        with atomic_write(self.page) as handle:
            handle.write(page(self.rows, pictures))

    def _write_figures(self) -> Iterator[tuple[str, bytes]]:
        """One figure for each system and noise; gives what each shows, and the file's content."""
        folder = self.folder.path / "figures"
        folder.mkdir(exist_ok=True)
        groups: dict[tuple[str, float], list[TaskResult]] = {}
        for result in self.results:
            groups.setdefault((result.task.system, result.task.sigma), []).append(result)
        for (system, sigma), group in groups.items():
            chosen = typical(group)
            if chosen is None:
                continue
            arrays = self.folder.arrays(chosen.task, self.recipe)
            file = folder / f"{system}_sigma{sigma:g}.png"
            write_figure(task_figure(chosen.task, chosen.record, arrays), file)
            yield f"{system} at σ {sigma:g}", file.read_bytes()


def _write_csv(rows: Sequence[Mapping[str, Any]], path: Path) -> None:
    flat = [dict(_flat(row)) for row in rows]
    with atomic_write(path) as handle:
        writer = csv.DictWriter(handle, list(flat[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(flat)


def _flat(row: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    """The row as columns: pearson (its median), pearson_low, pearson_high, bound_r, and so on."""
    for name, value in row.items():
        column = f"{before}{name}"
        if isinstance(value, Mapping) and set(value) == {"median", "low", "high"}:
            yield column, value["median"]
            yield f"{column}_low", value["low"]
            yield f"{column}_high", value["high"]
        elif isinstance(value, Mapping):
            yield from _flat(value, f"{column}_".removeprefix("baselines_"))
        elif isinstance(value, list):
            yield column, "; ".join(str(item) for item in value)
        else:
            yield column, value
