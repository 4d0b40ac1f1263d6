"""Adds up a series for pi: each rank takes a part of the terms, and now and then rank 0 saves the sums of all.

Under `fabric apply` it goes on where it was; started alone, `python3 pi.py`, it is one rank that has all terms.
"""

import json
import os
import socket
import sys
import time

STEPS = int(sys.argv[1]) if len(sys.argv) > 1 else 200
TERMS = 1000  # of a step
RANK, WORLD = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
MEETING = (os.environ.get("MASTER_ADDR", "127.0.0.1"), int(os.environ.get("MASTER_PORT", 0)))


def tell(kind, **detail):
    if "FABRIC_EVENTS" in os.environ:
        with open(os.environ["FABRIC_EVENTS"], "a") as events:
            events.write(json.dumps({"kind": kind, **detail}) + "\n")


def meet(total):
    """The sums of all ranks, at rank 0; [] elsewhere, once rank 0 has saved what it needs of them."""
    if RANK > 0:
        while True:
            try:
                with socket.create_connection(MEETING) as peer:
                    peer.sendall(f"{RANK} {total!r}\n".encode())
                    peer.recv(1)  # the end, when rank 0 has done its part
                    return []
            except OSError:
                time.sleep(0.01)  # it does not listen yet
    totals = [total] * WORLD
    for _ in range(WORLD - 1):
        peer = server.accept()[0]
        rank, other = peer.makefile().readline().split()
        totals[int(rank)] = float(other)
        waiting.append(peer)
    return totals


def save(step, totals):
    """Written under another name and renamed: a file with the right name is whole."""
    os.makedirs("saved", exist_ok=True)
    name = f"saved/step-{step:06}.json"
    with open(name + ".partial", "w") as file:
        json.dump({"step": step, "totals": totals}, file)
    os.rename(name + ".partial", name)


def load():
    if "FABRIC_RESUME_FROM" not in os.environ:
        return 0, 0.0
    with open(os.environ["FABRIC_RESUME_FROM"]) as file:
        saved = json.load(file)
    return saved["step"], saved["totals"][RANK]


server, waiting = socket.socket(), []
if RANK == 0:
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    server.bind(MEETING)
    server.listen()
step, total = load()
print(f"starts at step {step}", flush=True)
tell("start", steps=STEPS)
while step < STEPS:
    first = (step * WORLD + RANK) * TERMS
    total += sum((-1) ** n * 4 / (2 * n + 1) for n in range(first, first + TERMS))
    step += 1
    tell("step", step=step)
    if step % 50 == 0 or step == STEPS:
        totals = meet(total)
        if RANK == 0:
            save(step, totals)
            while waiting:
                waiting.pop().close()
    # So that a restart can be seen: the first attempt does not come far.
    if os.environ.get("FAIL_AT") == str(step) and os.environ.get("FABRIC_ATTEMPT") == "0":
        sys.exit("as FAIL_AT says")
if RANK == 0:
    print(f"pi is {sum(totals):.6f}", flush=True)
