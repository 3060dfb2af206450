"""What an experiment can determine, as people and other programs read it."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float

from cellbox.criticism.criticism import Criticism
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
from cellbox.storage.installed import pandas_for
from cellbox.storage.seals import sealed_text

if TYPE_CHECKING:
    import pandas

#: An edge or amplitude with a smaller standard error is determined. Edges of the known systems
#: weigh 1, so that below this their sign is as good as known.
DETERMINED_BELOW = 0.5

# What an error counts for at most in an expected r: a weak prior on W says as much.
_LARGEST_ERROR = 1.0

REPORT_FILES = ("identifiability.json", "identifiability.csv")
SCALE_CONFOUNDED = "scale confounded"
NOT_REFINED = "not refined"
NOT_EXPLAINED = "data not explained"

#: What a least error is of: of a weight with everything else unknown, or, where its row's scale is
#: confounded with the amplitude, of the weight if that amplitude were known.
OF_WEIGHT, OF_WEIGHT_GIVEN_AMPLITUDE = "weight", "weight given amplitude"


@dataclass(frozen=True)
class EdgeJudgement:
    """What the data tell about the effect of `source` on `target`.

    weight: W[target, source] of the network that it is judged at, dimensionless; None where that
        is no finite number, as after a training that diverged.
    least_error: the least standard error that an unbiased estimate can have, which that of a
        network by least squares is near and others may be far from; None where the data do not tell
        it at all, or where it was not computed.
    error_of: what that is the error of, `OF_WEIGHT` or `OF_WEIGHT_GIVEN_AMPLITUDE`; empty without.
    determined: whether that is below `DETERMINED_BELOW` and both nodes are covered; None where it
        was not judged, and for a learned network that least squares did not find.
    why: the reason where it is not determined ("scale confounded"), else empty.
    """

    source: str
    target: str
    weight: float | None
    least_error: float | None
    error_of: str
    determined: bool | None
    why: str


@dataclass(frozen=True)
class AmplitudeJudgement:
    """What the data tell about a node's amplitude α; fields as in `EdgeJudgement`."""

    node: str
    amplitude: float | None
    least_error: float | None
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
    by_blocks: whether each row of W was judged by itself, as if all states were known.
    refined: of a learned network, whether least squares found it; None for a guess.
    criticism: of a learned network, whether it explains the data; None where that was not asked.
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
    by_blocks: bool
    refined: bool | None
    not_judged: str | None
    criticism: Criticism | None = None

    @property
    def withheld(self) -> str:
        """Why no edge is called determined, though it might be; empty where edges may be."""
        if self.refined is False:
            return NOT_REFINED
        if self.criticism is not None and not self.criticism.edges_hold:
            return NOT_EXPLAINED
        return ""

    @property
    def n_edges_determinable(self) -> int:
        """How many edges an unbiased estimate could tell, whether or not the network is one."""
        return sum(
            edge.determined is True or edge.why in (NOT_REFINED, NOT_EXPLAINED)
            for edge in self.edges
        )

    @property
    def least_errors(self) -> Float[np.ndarray, " n_edges"]:
        """Of every possible edge, at most 1: errors that are larger, or not told, count as that."""
        told = [
            edge.least_error
            if edge.least_error is not None and edge.error_of == OF_WEIGHT
            else _LARGEST_ERROR
            for edge in self.edges
        ]
        return np.minimum(np.array(told, float), _LARGEST_ERROR)

    @property
    def expected_r(self) -> float | None:
        """The Pearson r with the true W that the least errors leave; None where not judged.

        That is √(var W / (var W + mean variance)) over all entries of W, of an estimate that keeps
        every edge. W is the guess; of a guess without edges, two of weight 1 into each node.
        """
        if self.not_judged is not None or not self.edges:
            return None
        n = self.guess.n_nodes
        share = min(0.5, 2 / n)
        has_edges = bool((self.guess.weights != 0).any())
        spread = float(np.var(self.guess.weights)) if has_edges else share * (1 - share)
        lost = float((self.least_errors**2).sum()) / n**2
        return float(np.sqrt(spread / (spread + lost)))

    @property
    def confounded_nodes(self) -> tuple[str, ...]:
        """Nodes that never have a dose: the scale of their row of W is not determined."""
        return tuple(f.node for f in self.nodes if f.scale_is_open)

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
                "at most up to a factor for each target (scale confounded); errors beside them are "
                "of the edge if that factor were known."
            )
        if self.not_judged is not None:
            yield self.not_judged
            return
        where = f"At {self.guess_name}, with noise {self.noise:.3g} ({self.noise_from}): "
        if self.refined is False:
            yield (
                f"{where}{self.n_edges_determinable:,} of {len(self.edges):,} possible edges could "
                f"be told by an unbiased estimate (least error below {DETERMINED_BELOW}). This "
                "network is none, since it was not refined by least squares: its own errors are "
                "not known, and may be many times larger."
            )
        elif self.withheld:
            yield (
                f"{where}{self.n_edges_determinable:,} of {len(self.edges):,} possible edges could "
                f"be told by an unbiased estimate (least error below {DETERMINED_BELOW}), if Eq. 1 "
                "explained the data. It does not, so that none is called determined."
            )
        else:
            yield (
                f"{where}{_count(self.edges):,} of {len(self.edges):,} possible edges and "
                f"{_count(self.amplitudes)} of {len(self.amplitudes)} amplitudes are determined "
                f"(least standard error of an unbiased estimate below {DETERMINED_BELOW})."
            )
            yield from self._graded_sentences()
        if self.by_blocks:
            yield (
                "Errors are by row blocks, since the network is large: each row of W as if the "
                "states of all nodes were known. That is exact where nothing acts on anything, "
                "and makes them somewhat too small elsewhere."
            )

    def _graded_sentences(self) -> Iterator[str]:
        """How well, and not only whether: what still falls when all edges are determined."""
        if self.expected_r is None:
            return
        half, most = np.quantile(self.least_errors, [0.5, 0.9])
        of = "this network" if (self.guess.weights != 0).any() else "two edges of weight 1 a node"
        yield (
            f"Half of the least standard errors are below {half:.2g}, nine tenths below "
            f"{most:.2g} (what is not told counts as {_LARGEST_ERROR:.0f}); with {of} that is an "
            f"expected r of {self.expected_r:.3f}, every edge kept. Where edges are selected, it "
            "is higher as a rule."
        )

    def __str__(self) -> str:
        return "\n".join(self.sentences())

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return html_of(f"What {self.data} can determine", self.sentences())

    def to_frame(self) -> pandas.DataFrame:
        """The edges as a data frame, one row each, with the columns of `EdgeJudgement`."""
        pandas = pandas_for("table of a report")

        return pandas.DataFrame([asdict(edge) for edge in self.edges])

    def to_dict(self, *, edges: bool = True) -> dict[str, Any]:
        """The report as plain values for JSON; names are an interface.

        edges: whether with the judgement of each edge, of which large networks have thousands.
        """
        named = dict(by_kind(self.nodes))
        judged = self.not_judged is None
        claimed = judged and not self.withheld
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
            "by_blocks": self.by_blocks,
            "refined": self.refined,
            "withheld": self.withheld or None,
            "criticism": None if self.criticism is None else self.criticism.to_dict(),
            "not_judged": self.not_judged,
            "n_edges": len(self.edges),
            "n_edges_determined": _count(self.edges) if claimed else None,
            "n_edges_determinable": self.n_edges_determinable if judged else None,
            "median_least_error": float(np.median(self.least_errors)) if judged else None,
            "expected_r": self.expected_r,
            "n_amplitudes_determined": _count(self.amplitudes) if claimed else None,
            "amplitudes": [asdict(amplitude) for amplitude in self.amplitudes],
            "sentences": self.sentences(),
        }
        if edges:
            report["edges"] = [asdict(edge) for edge in self.edges]
        return report


def write_design_report(
    report: DesignReport, folder: str | os.PathLike[str], *, sealed: bool = False
) -> list[Path]:
    """Write the report as JSON, and its edges as CSV for spreadsheets; returns the paths.

    The folder must exist; files of these names (`REPORT_FILES`) in it are replaced. sealed: whether
    the JSON begins with the digest of all the rest of it.
    """
    paths = [Path(folder) / name for name in REPORT_FILES]
    columns = tuple(EdgeJudgement.__dataclass_fields__)
    rows = [
        ["" if cell is None else str(cell) for cell in asdict(edge).values()]
        for edge in report.edges
    ]
    with atomic_write(paths[1]) as handle:
        handle.write(table_text(columns, rows))
    # Last: where it is, both are.
    with atomic_write(paths[0]) as handle:
        if sealed:
            handle.write(sealed_text(report.to_dict()))
        else:
            json.dump(report.to_dict(), handle, allow_nan=False, ensure_ascii=False)
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
