"""Speaks what `trainer/benches/measure` speaks: ready, then one line of JSON for every line that is read."""

import json
import sys


def serve(ready, measure):
    """Says that everything is ready, then answers with a round's figure until nobody asks any more."""
    print(json.dumps({"ready": ready}), flush=True)
    for _ in sys.stdin:
        print(json.dumps({"value": measure()}), flush=True)
