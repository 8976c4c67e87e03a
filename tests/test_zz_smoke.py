import jax
from pimsim import load_experiment, simulate
def test_sim():
    r=simulate(load_experiment("isaac-lenet5",{"samples":100}))
    print(r.cost, r.timeline, r.inference.crossbar_accuracy, r.placement.replication, r.stages)
def test_sim2():
    r=simulate(load_experiment("isaac-lenet5",{"samples":100, "trials":2, "chip.core.device":{"model":"StuckAt","device":{"model":"Reram","g_min":"1 uS","g_max":"100 uS","programming_noise":"10 uS"},"hrs_rate":0.01,"lrs_rate":.01}, "mapping":{"replicate":{"conv1":3}}}))
    print(r.timeline, r.inference.crossbar_accuracy, r.placement.replication, r.stages)
