#!/usr/bin/env python3
"""Compares, in the reports of drills below a folder, when the drill says that it had recovered with when clients first
wrote at the new address. They may differ by 2 % or 100 ms, whichever is more. Prints each difference. Fails if there is
nothing to compare."""

import json
import pathlib
import sys

far, compared = False, 0
for report in sorted(pathlib.Path(sys.argv[1]).glob("*/report.json")):
    for drill in json.loads(report.read_text())["drills"]:
        if not drill["clients"]:
            continue
        back = [service["back_ms"] for service in drill["clients"]["services"] if service["writes"]]
        if drill["ttr_ms"] is None or None in back:
            sys.exit(f"{report}: not recovered, or a service is not back")
        wrote, compared = min(back), compared + 1
        apart, most = wrote - drill["ttr_ms"], max(100, drill["ttr_ms"] // 50)
        print(f"{report.parent.name}: recovered after {drill['ttr_ms']} ms, clients wrote {apart:+} ms from that")
        far |= abs(apart) > most
if compared == 0:
    sys.exit("no drill with clients was found")
sys.exit("clients and drill differ by more than 2 % and 100 ms" if far else 0)
