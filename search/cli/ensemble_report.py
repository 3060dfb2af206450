"""What `cellbox fit --members` tells people beyond a single model."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from search.cli.text_tables import text_table

if TYPE_CHECKING:
    from cellbox.models.ensemble import Ensemble

_EDGES_SHOWN = 15


def ensemble_text(ensemble: Ensemble, most: int = _EDGES_SHOWN) -> str:
    """The strongest edges with their intervals, and how often members select them."""
    edges = ensemble.edges()
    rows = [
        (
            edge.source,
            "activates" if edge.mean > 0 else "inhibits",
            edge.target,
            edge.mean,
            edge.low,
            edge.high,
            f"{round(100 * edge.frequency)} %",
        )
        for edge in edges[:most]
    ]
    header = ("source", "", "target", "mean weight", "90 % from", "to", "selected by")
    away = sum(edge.low > 0 or edge.high < 0 for edge in edges)
    learned = "each from its own draw of conditions" if ensemble.bootstrap else "different starts"
    return (
        f"Strongest edges of {len(ensemble.members)} members ({learned}); {away} of "
        f"{len(edges):,} intervals do not hold zero:\n{text_table(header, rows)}\n"
        f"{ensemble.intervals_from}"
    )


def described_ensemble(ensemble: Ensemble) -> dict[str, Any]:
    """What --json writes of an ensemble; the names are an interface."""
    return {
        "members": len(ensemble.members),
        "diverged": ensemble.n_diverged,
        "bootstrap": ensemble.bootstrap,
        "intervals_from": ensemble.intervals_from,
        "edges": [asdict(edge) for edge in ensemble.edges()],
    }
