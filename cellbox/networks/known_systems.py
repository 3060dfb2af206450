"""The ten ground-truth systems: who regulates whom, and the budget of the paper's runs.

Edges follow the Boolean rules of BEELINE (Pratapa et al., Nature Methods 2020): a regulator that
appears un-negated in a gene's rule activates it (+), one under a `not` represses it (-). One line
is one row of W: the regulated node, then its regulators.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Literal, NamedTuple

from cellbox.errors import refuse
from cellbox.networks.network import Network, natural_order, network_of_edges
from cellbox.storage.problems import closest


class SystemDescription(NamedTuple):
    """What kind a system is, and what its runs see (Ji et al. 2021, arXiv 2104.06467)."""

    title: str
    kind: Literal["abstract", "biological"]
    n_conditions: int
    noise: float
    amplitude: float
    n_held_out: int = 5
    in_paper: bool = True


DESCRIPTIONS = {
    "LI": SystemDescription("linear", "abstract", 20, 0.01, 1.0),
    "CY": SystemDescription("cyclic", "abstract", 10, 0.01, 1.0),
    "BF": SystemDescription("bifurcating", "abstract", 50, 0.01, 1.0),
    "LL": SystemDescription("long linear", "abstract", 50, 0.01, 1.0),
    "BFC": SystemDescription("bifurcating-converging", "abstract", 30, 0.01, 0.2, in_paper=False),
    "TF": SystemDescription("trifurcating", "abstract", 20, 0.01, 0.2, in_paper=False),
    "mCAD": SystemDescription("mammalian cortical area development", "biological", 20, 0.001, 0.2),
    "VSC": SystemDescription("ventral spinal cord development", "biological", 20, 0.001, 0.2),
    "HSC": SystemDescription(
        "hematopoietic stem cell differentiation", "biological", 20, 0.001, 0.2
    ),
    "GSD": SystemDescription(
        "gonadal sex determination", "biological", 100, 0.01, 0.2, n_held_out=10
    ),
}

REGULATORS = {
    "LI": """
        g1: -g7
        g2: +g1
        g3: +g2
        g4: +g3
        g5: +g4
        g6: +g5
        g7: +g6 +g7
    """,
    "CY": """
        g1: -g5
        g2: -g1
        g3: -g2
        g4: +g3
        g5: +g4
        g6: +g1
    """,
    "BF": """
        g1: -g4 -g6
        g2: +g1
        g3: +g2
        g4: +g3 +g4 -g6
        g6: +g3 -g4 +g6
        g7: +g4
        g8: -g4
    """,
    "LL": """
        g1: -g18
        g2: +g1
        g3: +g2
        g4: +g3
        g5: +g4
        g6: +g5
        g7: +g6
        g8: +g7
        g9: +g8
        g10: +g9
        g11: +g10
        g12: +g11
        g13: +g12
        g14: +g13
        g15: +g14
        g16: +g15
        g17: +g16
        g18: +g17 +g18
    """,
    "BFC": """
        g1: -g9
        g2: +g1
        g3: +g2
        g4: +g3 +g4 -g5 -g8
        g5: +g3 -g4 +g5 -g8
        g6: +g4
        g7: +g5
        g8: +g6 +g7 +g8
        g9: +g8
        g10: +g9
    """,
    "TF": """
        g1: -g4 -g5 -g6
        g2: +g1
        g3: +g2
        g4: +g3 +g4 -g5 -g6
        g5: +g3 -g4 +g5 -g6
        g6: +g3 -g4 -g5 +g6 +g7
        g7: +g6
        g8: -g4
    """,
    "mCAD": """
        Coup: -Fgf8 -Sp8
        Emx2: +Coup -Fgf8 -Pax6 -Sp8
        Fgf8: -Emx2 +Fgf8 +Sp8
        Pax6: -Coup -Emx2 +Sp8
        Sp8: -Emx2 +Fgf8
    """,
    "VSC": """
        Dbx1: -Nkx61 -Nkx62
        Dbx2: -Nkx22 -Nkx61 -Olig2
        Irx3: -Nkx22 -Olig2
        Nkx22: -Dbx2 -Pax6
        Nkx61: -Dbx2
        Nkx62: -Dbx1 -Nkx61
        Olig2: -Irx3 -Nkx22
        Pax6: -Nkx22
    """,
    "HSC": """
        Cebpa: +Cebpa -Fog1 -Gata1 -Scl
        cJun: -Gfi1 +Pu1
        EgrNab: +cJun -Gfi1 +Pu1
        Eklf: -Fli1 +Gata1
        Fli1: -Eklf +Gata1
        Fog1: +Gata1
        Gata1: +Fli1 +Gata1 +Gata2 -Pu1
        Gata2: -Fog1 -Gata1 +Gata2 -Pu1
        Gfi1: +Cebpa -EgrNab
        Pu1: +Cebpa -Gata1 -Gata2 +Pu1
        Scl: +Gata1 -Pu1
    """,
    "GSD": """
        AMH: -CTNNB1 +GATA4 -NR0B1 +NR5A1 +SOX9 +WT1mKTS
        CBX2: -CTNNB1 -NR0B1 +UGR -WNT4
        CTNNB1: -AMH +RSPO1 -SOX9 -SRY +WNT4
        DHH: +SOX9
        DKK1: +SOX9 +SRY
        DMRT1: -FOXL2 +SOX9 +SRY
        FGF9: +SOX9 -WNT4
        FOXL2: +CTNNB1 -DMRT1 -SOX9 +WNT4
        GATA4: +NR5A1 +SRY +UGR +WNT4
        NR0B1: +CTNNB1 -NR5A1 -SOX9 +WNT4 +WT1mKTS
        NR5A1: +CBX2 +GATA4 -NR0B1 +UGR -WNT4 +WT1mKTS
        PGD2: +SOX9
        RSPO1: +CTNNB1 -DKK1 +WNT4
        SOX9: +CBX2 -CTNNB1 +FGF9 -FOXL2 +GATA4 +NR5A1 +PGD2 +SOX9 +SRY -WNT4
        SRY: +CBX2 -CTNNB1 +GATA4 +NR5A1 +SOX9 +SRY +WT1mKTS +WT1pKTS
        UGR: -NR5A1 +UGR -WNT4
        WNT4: +CTNNB1 -DKK1 -FGF9 +GATA4 +NR0B1 +RSPO1
        WT1mKTS: +GATA4 +UGR
        WT1pKTS: -CTNNB1 +GATA4 +UGR -WNT4
    """,
}

SYSTEM_NAMES = tuple(DESCRIPTIONS)


@dataclass(frozen=True, eq=False)
class System:
    """A ground-truth network with the budget of the paper's runs (arXiv 2104.06467).

    n_conditions: training conditions.
    noise: standard deviation of the Gaussian noise on every measured value.
    n_held_out: validation conditions, and as many test conditions.
    n_times: measurements of each condition, at horizon · (1 … n_times) / n_times.
    horizon: time of the last measurement, in the model's time unit.
    perturbed_nodes: nodes that each condition perturbs.
    in_paper: whether the paper ran it; the others are BEELINE's (Pratapa et al. 2020).
    """

    name: str
    title: str
    kind: Literal["abstract", "biological"]
    in_paper: bool
    network: Network
    n_conditions: int
    noise: float
    n_held_out: int
    n_times: int = 5
    horizon: float = 20.0
    perturbed_nodes: int = 2


def system(name: str) -> System:
    """One of the ten systems of `SYSTEM_NAMES`, by its name in any case.

    Raises InputError for an unknown name.

    Example:
        >>> import cellbox
        >>> known = cellbox.system("vsc")
        >>> known.name, known.network.n_nodes, known.n_conditions
        ('VSC', 8, 20)
    """
    known = {known.casefold(): known for known in SYSTEM_NAMES}
    if name.casefold() not in known:
        raise refuse(
            "system",
            f"expected one of {', '.join(SYSTEM_NAMES)}, found {name!r}",
            f"The nearest is {closest(name, SYSTEM_NAMES)}",
        )
    return _build_system(known[name.casefold()])


@cache
def _build_system(name: str) -> System:
    described = DESCRIPTIONS[name]
    edges = {}
    for line in REGULATORS[name].strip().splitlines():
        target, regulators = line.split(":")
        for regulator in regulators.split():
            edges[regulator[1:], target.strip()] = 1.0 if regulator[0] == "+" else -1.0
    nodes = natural_order({node for edge in edges for node in edge})
    network = network_of_edges(nodes, edges, described.amplitude)
    # Systems are shared by everyone who asks for them.
    network.weights.setflags(write=False)
    network.amplitudes.setflags(write=False)
    return System(
        name=name,
        title=described.title,
        kind=described.kind,
        in_paper=described.in_paper,
        network=network,
        n_conditions=described.n_conditions,
        noise=described.noise,
        n_held_out=described.n_held_out,
    )
