"""A budget study in a notebook: its answer, and its tables."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cellbox.errors import refuse
from cellbox.html_tables import html_of
from search.study.budget_folder import ANSWER, BudgetFolder, ExperimentRecord

if TYPE_CHECKING:
    import pandas


class BudgetResult:
    """What a budget study found so far."""

    def __init__(self, folder: BudgetFolder | str | Path):
        """Raises InputError where there is no such study, or it has no answer yet."""
        self.folder = folder if isinstance(folder, BudgetFolder) else BudgetFolder.at(folder)
        if not self.folder.has(ANSWER):
            raise refuse(
                str(self.folder.path),
                "expected the answer of a budget study, and it has none yet",
                "Run `cellbox budget` again, which goes on where it stopped",
            )

    @cached_property
    def answer(self) -> dict[str, Any]:
        """The answer with all its tables, as answer.json has it."""
        return self.folder.read_json(ANSWER)

    @property
    def sentence(self) -> str:
        """The answer in a sentence."""
        return self.answer["sentence"]

    @property
    def sentences(self) -> list[str]:
        """What else is to be said."""
        return self.answer["sentences"]

    @property
    def cheapest(self) -> dict[str, Any] | None:
        """The cheapest design that is good enough, by axis; None where there is none."""
        found = self.answer.get("cheapest")
        return None if found is None else found["design"]

    @cached_property
    def experiments(self) -> list[ExperimentRecord]:
        """All experiments, by number."""
        return list(self.folder.records())

    def to_frame(self) -> pandas.DataFrame:
        """A row for each budget: cost, experiments, probability of success with its interval."""
        import pandas

        return pandas.DataFrame(self.answer["cells"])

    def as_dict(self) -> dict[str, Any]:
        """The answer as plain values; the names are an interface."""
        return {**self.answer, "study": str(self.folder.path)}

    def _repr_html_(self) -> str:
        cells = self.answer["cells"]
        header = tuple(cells[0]) if cells else ()
        rows = [tuple(cell.values()) for cell in cells[:10]]
        return html_of(self.sentence, self.sentences, header, rows)
