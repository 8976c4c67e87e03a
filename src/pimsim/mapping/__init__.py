"""Which block of which matrix sits in which array. Plain Python and NumPy."""

from pimsim.mapping.blocks import occupied
from pimsim.mapping.budget import Budget, Overflow
from pimsim.mapping.demand import Demand, demands
from pimsim.mapping.distribution import Distribution, distribute, matrices_of, streaming_of
from pimsim.mapping.fill import Fill
from pimsim.mapping.kinds import choose_kinds
from pimsim.mapping.location import locations, product, product_shares
from pimsim.mapping.overlap import Windows, apply_windows, fewest_reads
from pimsim.mapping.packing import Packing
from pimsim.mapping.place import place
from pimsim.mapping.placement import Placement
from pimsim.mapping.replication import Replicate, balance
from pimsim.mapping.search import Search
from pimsim.mapping.tiles import Tiles, is_pool
