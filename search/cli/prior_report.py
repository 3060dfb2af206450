"""What commands tell people of a prior of edges, beside the network that was learned."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from cellbox.errors import listed
from search.cli.output import Output

if TYPE_CHECKING:
    from cellbox.networks.network import Network
    from cellbox.networks.prior import EdgePrior

_SHOWN = 8


def say_prior(
    network: Network, prior: EdgePrior, found: Mapping[str, Any] | None, output: Output
) -> None:
    """Print what the data made of a prior of edges: what they reject, and ask for in addition."""
    from search.report.prior_content import NOT_TOLD, REJECTED, prior_rows, prior_sentences

    output.say("\nBeside the prior:")
    for sentence in prior_sentences(network, prior, found):
        output.say(f"  {sentence}")
    rows = prior_rows(network, prior, found)
    left_out = rows["left out"]
    lists = (
        ("prior edges the data reject", [one for one, said in left_out if said == REJECTED]),
        ("prior edges they cannot tell", [one for one, said in left_out if said == NOT_TOLD]),
        ("of another sign than the prior's", [one for one, _ in rows["other sign"]]),
        ("edges they ask for in addition", [one for one, _ in rows["additional"]]),
    )
    for name, edges in lists:
        if edges:
            output.say(
                f"  {name}: {listed([f'{one.source} to {one.target}' for one in edges], _SHOWN)}"
            )
