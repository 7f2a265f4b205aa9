"""The same pair in a mesh of two services, and in one of a thousand more."""

import rounds

from measures import loop


def measure(wanted, given):
    """Ratios of each round."""
    results = loop.anew(["weft", "weft-services"], given)
    return {figure: rounds.ratios(results, "weft-services", "weft", figure[0]) for figure in wanted}
