"""What a run leaves behind."""

from pimsim.results.hdf5 import read_result, write_result
from pimsim.results.record import Provenance, Result, Specification, Stages, record_provenance, record_specification
from pimsim.results.summary import chip_summary, result_summary
from pimsim.results.target import check_target
from pimsim.results.trace import write_trace
