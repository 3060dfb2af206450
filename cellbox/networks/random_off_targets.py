"""Effects of doses on other nodes than their own, drawn at random."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from jaxtyping import Float

from cellbox.errors import refuse
from cellbox.networks.fitted_form import FittedForm
from cellbox.networks.form import EQ_1, form_of
from cellbox.networks.network import Network
from cellbox.networks.off_targets import OFF_TARGET

# In units of the dose itself: large enough to matter.
_SMALLEST, _LARGEST = 0.5, 1.5


def with_off_targets(network: Network, n_effects: int, *, seed: int = 0) -> Network:
    """The network where doses of this many nodes act on another node each as well.

    Effects have 0.5 to 1.5 times the size of the dose, and either sign.
    Raises InputError for fewer than 1, for more than there are nodes, and for cell lines.

    Example:
        >>> import cellbox
        >>> network = cellbox.with_off_targets(cellbox.system("LI").network, 2, seed=0)
        >>> int((network.form.values["off_target"] != 0).sum())
        2
    """
    most = network.n_nodes if network.n_nodes > 1 else 0
    if not 1 <= n_effects <= most:
        found = f"expected 1 to {most} effects, found {n_effects}"
        raise refuse("off-targets", found, "Choose no more than there are nodes")
    fitted = network.form or FittedForm(EQ_1, {})
    # Refuses what has no such effects beside it.
    form = form_of((*fitted.form.names, OFF_TARGET), "off-targets")
    effects = drawn_off_targets(network.n_nodes, n_effects, np.random.default_rng(seed))
    values = {**fitted.values, OFF_TARGET: effects}
    return replace(network, form=replace(fitted, form=form, values=values))


def drawn_off_targets(
    n_nodes: int, n_effects: int, random: np.random.Generator
) -> Float[np.ndarray, "n_nodes n_nodes"]:
    """O with this many effects, target by source, each of another node."""
    effects = np.zeros((n_nodes, n_nodes))
    for source in random.choice(n_nodes, n_effects, replace=False):
        target = random.choice(np.delete(np.arange(n_nodes), source))
        sign = random.choice([-1, 1])
        effects[target, source] = sign * random.uniform(_SMALLEST, _LARGEST)
    return effects
