"""What an experiment can determine, as people and other programs read it."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cellbox.html_tables import html_of
from cellbox.identifiability.design_findings import (
    NodeFinding,
    by_kind,
    coverage_sentences,
    fix_sentences,
)
from cellbox.networks.network import Network
from cellbox.storage.csv_tables import table_text
from cellbox.storage.files import atomic_write

if TYPE_CHECKING:
    import pandas

#: An edge or amplitude with a smaller standard error is determined. Edges of the known systems
#: weigh 1, so that below this their sign is as good as known.
DETERMINED_BELOW = 0.5

REPORT_FILES = ("identifiability.json", "identifiability.csv")
SCALE_CONFOUNDED = "scale confounded"


@dataclass(frozen=True)
class EdgeJudgement:
    """What the data tell about the effect of `source` on `target`.

    weight: W[target, source] of the network that it is judged at, dimensionless; None where that
        is no finite number, as after a training that diverged.
    standard_error: the least that an unbiased estimator of the weight can have; None where the
        data do not tell it at all, or where it was not computed.
    determined: whether that is below `DETERMINED_BELOW` and both nodes are covered; None where it
        was not judged.
    why: the reason where it is not determined ("scale confounded"), else empty.
    """

    source: str
    target: str
    weight: float | None
    standard_error: float | None
    determined: bool | None
    why: str


@dataclass(frozen=True)
class AmplitudeJudgement:
    """What the data tell about a node's amplitude α; fields as in `EdgeJudgement`."""

    node: str
    amplitude: float | None
    standard_error: float | None
    determined: bool | None
    why: str


@dataclass(frozen=True, eq=False)
class DesignReport:
    """What an experiment can determine, and what not.

    data: the experiment's name. n_rows: rows that train, with anything measured.
    guess: the network that edges were judged at; guess_name: what it is called.
    nodes: those whose row of W and amplitude are not determined, with reasons, in order.
    edges: every entry of W that may be an edge, row by row. amplitudes: of every node.
    noise: standard deviation of a measured value (log ratio); noise_from: how it is known.
    not_judged: why there are no standard errors, in a sentence; None where there are.
    """

    data: str
    n_rows: int
    guess: Network
    guess_name: str
    nodes: tuple[NodeFinding, ...]
    edges: tuple[EdgeJudgement, ...]
    amplitudes: tuple[AmplitudeJudgement, ...]
    noise: float | None
    noise_from: str | None
    not_judged: str | None

    @property
    def confounded_nodes(self) -> tuple[str, ...]:
        """Nodes that are never perturbed: the scale of their row of W is not determined."""
        return tuple(f.node for f in self.nodes if "never_perturbed" in f.kinds)

    def sentences(self) -> list[str]:
        """The report in words: nodes first, grouped where they are many, then edges."""
        said = coverage_sentences(self.nodes, self.guess.n_nodes)
        if not said:
            said = ["Every node is perturbed, measured, and measured often enough."]
        return [*said, *fix_sentences(self.nodes), *self._edge_sentences()]

    def _edge_sentences(self) -> Iterator[str]:
        confounded = sum(edge.why == SCALE_CONFOUNDED for edge in self.edges)
        if confounded:
            yield (
                f"The weights of {confounded:,} of {len(self.edges):,} possible edges are known "
                "at most up to a factor for each target (scale confounded)."
            )
        if self.not_judged is not None:
            yield self.not_judged
            return
        yield (
            f"At {self.guess_name}, with noise {self.noise:.3g} ({self.noise_from}): "
            f"{_count(self.edges):,} of {len(self.edges):,} possible edges and "
            f"{_count(self.amplitudes)} of {len(self.amplitudes)} amplitudes are determined "
            f"(standard error below {DETERMINED_BELOW})."
        )

    def __str__(self) -> str:
        return "\n".join(self.sentences())

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return html_of(f"What {self.data} can determine", self.sentences())

    def to_frame(self) -> pandas.DataFrame:
        """The edges as a data frame, one row each, with the columns of `EdgeJudgement`."""
        import pandas

        return pandas.DataFrame([asdict(edge) for edge in self.edges])

    def to_dict(self, *, edges: bool = True) -> dict[str, Any]:
        """The report as plain values for JSON; names are an interface.

        edges: whether with the judgement of each edge, of which large networks have thousands.
        """
        named = dict(by_kind(self.nodes))
        judged = self.not_judged is None
        report = {
            "data": self.data,
            "training_rows": self.n_rows,
            "n_nodes": self.guess.n_nodes,
            "nodes": [_node_entry(finding) for finding in self.nodes],
            "confounded_nodes": list(self.confounded_nodes),
            "unmeasured_nodes": named["never_measured"],
            "nodes_with_too_few_values": named["too_few_values"],
            "guess": self.guess_name,
            "noise": self.noise,
            "noise_from": self.noise_from,
            "determined_below": DETERMINED_BELOW,
            "not_judged": self.not_judged,
            "n_edges": len(self.edges),
            "n_edges_determined": _count(self.edges) if judged else None,
            "n_amplitudes_determined": _count(self.amplitudes) if judged else None,
            "amplitudes": [asdict(amplitude) for amplitude in self.amplitudes],
            "sentences": self.sentences(),
        }
        if edges:
            report["edges"] = [asdict(edge) for edge in self.edges]
        return report


def write_design_report(report: DesignReport, folder: str | os.PathLike[str]) -> list[Path]:
    """Write the report as JSON, and its edges as CSV for spreadsheets; returns the paths.

    The folder must exist; files of these names (`REPORT_FILES`) in it are replaced.
    """
    paths = [Path(folder) / name for name in REPORT_FILES]
    with atomic_write(paths[0]) as handle:
        json.dump(report.to_dict(), handle, allow_nan=False, ensure_ascii=False)
    columns = tuple(EdgeJudgement.__dataclass_fields__)
    rows = [
        ["" if cell is None else str(cell) for cell in asdict(edge).values()]
        for edge in report.edges
    ]
    with atomic_write(paths[1]) as handle:
        handle.write(table_text(columns, rows))
    return paths


def _count(judgements: Sequence[EdgeJudgement] | Sequence[AmplitudeJudgement]) -> int:
    """How many are determined."""
    return sum(judgement.determined is True for judgement in judgements)


def _node_entry(finding: NodeFinding) -> dict[str, Any]:
    return {
        "node": finding.node,
        "reasons": list(finding.kinds),
        "sentence": finding.sentence,
        "fix": finding.fix,
    }
