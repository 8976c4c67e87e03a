"""Exact moments of cells with time, by quadrature over their normal variables, for test_recorded.py.

    python tests/devices/golden/generate.py > tests/devices/golden/moments.csv

Written from the equations of the papers alone, with NumPy: nothing of pimsim is imported.
"""

import numpy as np

Z = np.linspace(-8, 8, 4001)
P = np.exp(-(Z**2) / 2)
P /= P.sum()


def cut(mean, spread):
    """First and second moment of max(0, mean + spread z), for arrays."""
    values = np.maximum(mean[..., None] + spread[..., None] * Z[::5], 0)
    weights = P[::5] / P[::5].sum()
    return values @ weights, values**2 @ weights


def pcm(target, age):
    x = max(target / 25, 1e-7)
    sigma = 0.26348 + 1.9650 * (target / 25) - 1.1731 * (target / 25) ** 2
    mu = np.clip(0.0244 - 0.0155 * np.log(x), 0.049, 0.1)
    s = np.clip(-0.0059 - 0.0125 * np.log(x), 0.008, 0.045)
    kept = (age / 20) ** -np.abs(mu + s * Z)
    programmed = np.maximum(target + sigma * Z, 0)
    q = np.minimum(0.0088 / np.maximum(programmed / 25, 1e-7) ** 0.65, 0.2)
    first, second = cut(np.ones_like(q), q * np.sqrt(np.log((age + 250e-9) / 500e-9)))
    mean = (programmed * first) @ P * (kept @ P)
    square = (programmed**2 * second) @ P * (kept**2 @ P)
    return mean, np.sqrt(square - mean**2)


def neurram(target, age):
    x = target / 40
    sigma = {
        1: 0.348 + 16.030 * x - 43.853 * x**2 + 45.393 * x**3 - 16.815 * x**4,
        86400: 0.701 + 22.086 * x - 50.773 * x**2 + 47.095 * x**3 - 16.458 * x**4,
        172800: 0.782 + 20.274 * x - 43.507 * x**2 + 37.062 * x**3 - 11.934 * x**4,
    }[age]
    values = np.maximum(target + sigma * Z, 0)
    return values @ P, np.sqrt(values**2 @ P - (values @ P) ** 2)


def cmo(target, age):
    programmed = 0.0112185 + 0.0112903 * target
    relaxed = 0.41183342 + 0.04201137 * np.log(age)
    mean = target - 0.08900206 * np.log(age)
    steady = np.hypot(programmed, relaxed)
    read = 0.0277316483 * np.log10(np.maximum(mean + steady * Z, 1)) * np.sqrt(np.log((age + 1e-6) / 2e-6))
    return mean, np.sqrt(steady**2 + read**2 @ P)


print("card,target_uS,age_s,mean_uS,sigma_uS")
for card, moments, targets, ages in (
    ("pcm-gst", pcm, (0, 1, 5, 25), (20, 3600, 31536000)),
    ("reram-neurram", neurram, (1, 8, 40), (1, 86400, 172800)),
    ("reram-cmo", cmo, (9, 50, 88.2), (1, 86400, 31536000)),
):
    for target in targets:
        for age in ages:
            mean, spread = moments(target, age)
            print(f"{card},{target},{age},{mean:.6g},{spread:.6g}")
