"""Learning a network by least squares alone, without a descent before them.

Descent is one of several starts of refinement (`cellbox.training.starts`), and on data that
determine a network of up to 40 nodes all starts lead to the same one. Where hundreds of simulated
experiments are learned from, the others do: a regression, and random networks where that leaves
the data unexplained.
"""

from __future__ import annotations

from dataclasses import dataclass

from cellbox.arrays import EdgeMask, NodeMask
from cellbox.networks.network import Network
from cellbox.refinement.multiple_shooting import MultipleShooting
from cellbox.refinement.refine import is_large, obstacle
from cellbox.refinement.shrinkage import shrink
from cellbox.refinement.unexplained import needs_other_starts, share_left
from cellbox.threads import in_one_thread
from cellbox.training.starts import Starts


@dataclass(frozen=True, eq=False)
class Learned:
    """A network that least squares found.

    noise: root mean square of its residuals (log ratio). share_left: that squared, as a share of
    the data's mean square. sentence: how it was found.
    """

    network: Network
    noise: float
    share_left: float
    sentence: str


@in_one_thread
def learn_without_descent(
    training: MultipleShooting,
    nodes: tuple[str, ...],
    *,
    allowed_edges: EdgeMask | None = None,
    scored: NodeMask | None = None,
) -> Learned | None:
    """The network that least squares find in these series; None where none can be solved.

    allowed_edges: which entries of W may differ from zero; all by default. scored: where data are
    too few for least squares, the nodes whose errors choose how weights are drawn to zero.

    Chosen by the information criterion of the training data alone.
    """
    if obstacle(training, allowed_edges) is not None:
        shrunken = shrink(training, nodes, allowed_edges=allowed_edges, scored=scored)
        if shrunken is None:
            return None
        left = share_left(training, shrunken.noise)
        return Learned(shrunken.network, shrunken.noise, left, shrunken.sentence)
    starts = Starts(training, nodes, allowed_edges)
    fits = starts.regression(select_edges=True)
    best = min((fit.found for fit in fits), key=lambda found: found.information, default=None)
    noises = [fit.found.noise for fit in fits]
    if not is_large(len(nodes)) and needs_other_starts(
        training, None if best is None else best.noise, noises
    ):
        fits = [*fits, *starts.random(select_edges=True)]
    if not fits:
        return None
    chosen = min(fits, key=lambda fit: fit.found.information)
    found = chosen.found
    told = f"{found.n_edges} edges from {chosen.start}, noise {found.noise:.3g}."
    return Learned(found.network, found.noise, share_left(training, found.noise), told)
