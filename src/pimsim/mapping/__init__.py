"""Which block of which matrix sits in which array. Plain Python and NumPy."""

from pimsim.mapping.budget import Budget, Overflow
from pimsim.mapping.demand import Demand, demands
from pimsim.mapping.location import locations, product, product_shares
from pimsim.mapping.placement import Placement, occupied, place
from pimsim.mapping.replication import Replicate, balance
