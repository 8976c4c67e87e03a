"""Fits of a model to measurements: exact limits, and what is left out has no say."""

import numpy as np
import pytest

from pimsim.calibration import Measurement, calibrate, modelled
from pimsim.errors import SpecError
from pimsim.experiment import load_any_chip

ADC = {"ADC energy": ["units.adc.energy"]}
THRESHOLD = {"time": ["timing.time"], "threshold": ["process.threshold"]}


def measured(values, measure, group=None):
    """Jia's macro at three supplies."""
    chips = [load_any_chip("jia-2020", {"supply": supply}) for supply in ("0.85 V", "1.0 V", "1.2 V")]
    groups = group or [str(n) for n in range(3)]
    return [Measurement(c, measure, v, g) for c, v, g in zip(chips, values, groups, strict=True)]


def energy(chip):
    return chip.energy_by_unit()["adc"]


def time(chip):
    return chip.one_pass().time


def test_a_common_factor_is_found_and_predicts():
    law = calibrate(measured([1e-9] * 3, energy), ADC).uncalibrated
    done = calibrate(measured([1.25 * value for value in law], energy), ADC)
    assert done.factors == {"ADC energy": pytest.approx(1.25)}
    assert done.calibrated == pytest.approx([1.25 * value for value in law])
    assert done.others == pytest.approx(done.calibrated)


def test_before_the_fit_a_parameter_has_its_default():
    """The card's converters take 0.964 of their law, its threshold is 0.636 V; the classes say 1 and 0.4 V."""
    points = measured([1e-9] * 3, energy)
    assert calibrate(points, ADC).uncalibrated == pytest.approx([energy(p.chip) / 0.964 for p in points])
    plain = load_any_chip("jia-2020", {"supply": "1.2 V", "process.threshold": "0.4 V"})
    assert calibrate(measured([1e-6] * 3, time), THRESHOLD).uncalibrated[2] == pytest.approx(time(plain))


def test_what_is_left_out_has_no_say():
    """Each is what a fit without it gives, though the law is not linear and all fits run at once."""
    values = [1.35e-6, 1.0e-6, 0.82e-6]
    done = calibrate(measured(values, time), {"threshold": ["process.threshold"]})
    for out in range(3):
        rest = measured(values, time, ["out" if n == out else "rest" for n in range(3)])
        assert calibrate(rest, {"threshold": ["process.threshold"]}).others[out] == pytest.approx(done.others[out])
        changed = [1.1 * value if n == out else value for n, value in enumerate(values)]
        again = calibrate(measured(changed, time), {"threshold": ["process.threshold"]})
        assert again.others[out] == pytest.approx(done.others[out], rel=1e-5)


def test_too_few_to_predict_from():
    assert calibrate(measured([1e-9] * 3, energy, ["a"] * 3), ADC).others is None
    assert calibrate(measured([1e-9] * 3, energy, ["a", "b", "b"]), ADC | {"x": ["units.inputs.energy"]}).others is None


def test_many_factors_in_one_call_are_each_alone():
    points = measured([1e-6] * 3, time)
    logs = np.log([[0.9, 0.8], [1.0, 1.0], [1.1, 0.9]])
    together = modelled(points, [point.chip for point in points], THRESHOLD, logs)
    alone = [modelled(points, [point.chip for point in points], THRESHOLD, one[None])[:, 0] for one in logs]
    np.testing.assert_allclose(together.T, alone, rtol=1e-12)


def test_what_cannot_be_fitted():
    with pytest.raises(SpecError, match="energy"):
        calibrate(measured([1e-9] * 3, energy), {"a": ["units.adc.enery"]})
    with pytest.raises(SpecError, match="does not settle"):  # all but the converters are larger than what was measured
        calibrate(measured([1e-6] * 3, lambda chip: chip.area()), {"a": ["units.adc.area"]})
