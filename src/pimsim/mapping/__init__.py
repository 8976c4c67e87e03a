"""Which block of which matrix sits in which array. Plain Python and NumPy."""

from pimsim.mapping.blocks import occupied
from pimsim.mapping.budget import Budget
from pimsim.mapping.demand import demands
from pimsim.mapping.distribution import Distribution, distribute, matrices_of, streaming_of
from pimsim.mapping.location import locations, product, product_shares
from pimsim.mapping.overlap import apply_windows, fewest_reads
from pimsim.mapping.place import place
from pimsim.mapping.placement import Placement
from pimsim.mapping.plan import MappingPlan
from pimsim.mapping.replication import balance
from pimsim.mapping.search import Search
from pimsim.mapping.tiles import is_pool
