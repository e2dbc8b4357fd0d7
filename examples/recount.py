#!/usr/bin/env python3
"""Counts a job's cost again, from nothing but the events of its record, independently of Nerve's own code.

    nerve report JOB --events --json | python3 examples/recount.py

Each `ended` event names what that attempt used: from when to when, at which price, with how much power, on which grid. The sum must be
what `nerve report JOB --json` says, and with --check FILE (that report) the script says whether it is.
"""

import argparse
import json
import math
import sys

MS_PER_HOUR = 3_600_000


def hours(segment):
    return (segment["toMs"] - segment["fromMs"]) / MS_PER_HOUR


def cost_usd(usage):
    return math.fsum(hours(s) * s["priceUsdPerHour"] for s in usage)


def carbon_grams(usage):
    return math.fsum(hours(s) * s["facilityPowerKw"] * s["carbonGramsPerKwh"] for s in usage)


def recount(record):
    events = record["events"]
    used = [segment for event in events if event["type"] == "ended" for segment in event["usage"]]
    finished = next((event for event in events if event["type"] == "finished"), None)
    instead = (finished or {}).get("counterfactual")
    counted = {"jobId": record["jobId"], "costUsd": cost_usd(used), "carbonGrams": carbon_grams(used)}
    if instead is not None:
        counted["onDemandCostUsd"] = cost_usd(instead["usage"])
        counted["carbonGramsStartNow"] = carbon_grams(instead["usage"])
    return counted


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", metavar="FILE", help="what `nerve report JOB --json` printed: exit 1 unless it is the same to 1e-9")
    args = parser.parse_args()
    counted = recount(json.load(sys.stdin))
    print(json.dumps(counted, indent=2))
    if args.check is None:
        return 0
    with open(args.check, encoding="utf-8") as file:
        reported = json.load(file)
    wrong = [name for name, value in counted.items() if name != "jobId" and abs(value - reported[name]) > 1e-9]
    for name in wrong:
        print(f"{name}: Nerve says {reported[name]}, the events say {counted[name]}", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
