"""What the Python drivers have in common: the talk that resident.ts describes."""
import json
import resource
import sys
import time


def task():
    with open(sys.argv[1]) as file:
        return json.load(file)


def is_once():
    return sys.argv[2:] == ["once"]


def cpu_ms():
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return 1000 * (usage.ru_utime + usage.ru_stime)


def drive(rounds):
    """Does rounds when told to; or, told `once`, one round of `true`."""
    if is_once():
        rounds["run true"]()
        return
    print("{}", flush=True)
    for line in iter(sys.stdin.readline, ""):
        order = json.loads(line)
        do_round = rounds[order["workload"]]
        cpu_before = cpu_ms()
        started = time.monotonic()
        for _ in range(order["rounds"]):
            do_round()
        wall_ms = 1000 * (time.monotonic() - started)
        print(json.dumps({"wallMs": wall_ms, "cpuMs": cpu_ms() - cpu_before}), flush=True)
