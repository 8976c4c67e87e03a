"""What may be spent on better places of the tiles."""

from pimsim.errors import require
from pimsim.spec import AbstractSpec


class Search(AbstractSpec):
    """Swap moves: the best ones for the ways that flits go, then random ones for the busiest link as well."""

    swaps: int = 2000
    """Random swaps to try."""
    seed: int = 0

    def __check_init__(self):
        require("swaps", self.swaps, 0, 10_000_000)
        require("seed", self.seed, 0, 2**32 - 1)
