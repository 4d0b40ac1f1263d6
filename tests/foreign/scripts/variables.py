# Prints the variables of a process as one line of JSON, with its rank in front.
import json
import os

rank = os.environ.get("RANK", "0")
print("variables", rank, json.dumps(dict(os.environ), sort_keys=True), flush=True)
