"""Eleven faults of a run of two ranks on this machine, for fabric and for torchrun: how long the command takes to return, with which
code, whether it names the culprit, and what of the run is left.

What is left is found by a variable that every process of a run inherits, in /proc/PID/environ, and never by asking the launcher: so a
process that has changed its session, its parent and its name is found too.
"""

import json
import os
import re
import secrets
import signal
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

RANK = Path(__file__).resolve().parent / "fault_rank.py"
FAILURE_GRACE, STOP_GRACE = 1, 30  # seconds between TERM and KILL, after a failure and after Ctrl-C, as fabric has them
MARGIN = 1  # of fabric's promise: what is not grace
EXITED_3 = r"exited with code 3|exit ?code *: 3 "


@dataclass
class Fault:
    number: int
    what: str
    code: int  # that fabric promises
    cause: str = EXITED_3  # a pattern
    within: float = FAILURE_GRACE + MARGIN  # seconds from the fault to the return of fabric

    @property
    def launcher_dies(self):
        return self.number in (7, 8)

    def promise(self):
        where = "`fabric status` names it" if self.launcher_dies else "named"
        return f"code {self.code}, {where}, clear, within {self.within:g} s"

    def holds(self, seen):
        in_time = [seconds is not None and seconds <= self.within for seconds in (seen.returned, seen.cleared)]
        return all(in_time) and seen.code == self.code and seen.named

    def command(self):
        how = {3: "kill -KILL RANK", 7: "kill -KILL LAUNCHER", 8: "kill -KILL LAUNCHER", 9: "kill -TERM LAUNCHER", 10: "kill -INT -LAUNCHER",
               11: "kill -INT -LAUNCHER"}.get(self.number, "touch FOLDER/go")
        return f"fabric apply JOB or torchrun --standalone --nproc-per-node 2 benchmarks/fault_rank.py {self.number} FOLDER; {how}"


FAULTS = [
    Fault(1, "rank 1 exits 3, rank 0 sleeps", 3),
    Fault(2, "rank 1 exits 3, rank 0 waits in an all-reduce (Gloo)", 3),
    Fault(3, "rank 1 is SIGKILLed", 137, r"signal 9\b"),
    Fault(4, "rank 1 segfaults", 139, r"signal 11\b"),
    Fault(5, "rank 1 exits 3, rank 0 ignores SIGTERM", 3),
    Fault(6, "rank 1 exits 3, each rank has left a daemon", 3),
    Fault(7, "the launcher is SIGKILLed", 137, r"controller was lost"),
    Fault(8, "the launcher is SIGKILLed, each rank has left a daemon", 137, r"controller was lost"),
    Fault(9, "the launcher gets SIGTERM", 143, r"SIGTERM|signal: 15"),
    Fault(10, "Ctrl-C", 130, r"SIGINT|signal: 2\b"),
    Fault(11, "Ctrl-C, the ranks ignore SIGTERM", 130, r"SIGINT|signal: 2\b", STOP_GRACE + MARGIN),
]


@dataclass
class Seen:
    returned: float | None = None  # seconds from the fault
    code: int = 0
    named: bool = False
    cleared: float | None = None  # seconds from the fault; None if something was left when the wait for it ended
    left: list = field(default_factory=list)  # names of what was left then
    output: str = ""

    def __str__(self):
        parts = [f"{self.returned:.2f} s, code {self.code}" if self.returned is not None else "does not return"]
        parts.append("named" if self.named else "not named")
        parts.append(f"clear after {self.cleared:.2f} s" if self.cleared is not None else f"left: {len(self.left)} ({', '.join(sorted(set(self.left)))})")
        return "; ".join(parts)


def marked(mark):
    """Living processes that have inherited the mark: (pid, name)."""
    found = []
    for entry in os.scandir("/proc"):
        if not entry.name.isdigit():
            continue
        try:
            with open(f"/proc/{entry.name}/environ", "rb") as text:
                if mark not in text.read().split(b"\0"):
                    continue
            with open(f"/proc/{entry.name}/stat") as text:
                before, _, after = text.read().rpartition(")")
        except OSError:
            continue  # it has ended, or is another user's
        if after.split()[0] not in "ZX":
            found.append((int(entry.name), before.partition("(")[2]))
    return found


def end_marked(mark):
    while processes := marked(mark):
        for pid, _ in processes:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        time.sleep(0.05)


def verdict(launcher, output):
    """What the launcher says of the cause, without what ranks have printed themselves. torchrun lists every rank that failed and sets
    one apart as the root cause; of an end by a signal its last exception tells."""
    if launcher == "fabric":
        return "\n".join(line for line in output.splitlines() if re.match(r"error: |stopped |lost", line))
    cause = re.search(r"Root Cause.*", output, re.S)
    return cause[0] if cause else "\n".join(line for line in output.splitlines() if "SignalException" in line)


class Trial:
    """One fault of one launcher, in a folder of its own."""

    def __init__(self, command, fault, folder):
        self.command, self.fault, self.folder = command, fault, folder
        self.mark = f"FAULT_MARK={secrets.token_hex(8)}"
        self.process = None

    def start(self):
        name, _, value = self.mark.partition("=")
        self.output = open(self.folder / "output", "wb")
        self.process = subprocess.Popen([str(c) for c in self.command], cwd=self.folder, env={**os.environ, name: value, "OMP_NUM_THREADS": "1"},
                                        stdin=subprocess.DEVNULL, stdout=self.output, stderr=self.output, start_new_session=True)
        ready = [self.folder / f"ready-{rank}" for rank in (0, 1)]
        deadline = time.monotonic() + 60
        while not all(file.exists() for file in ready):
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(f"benchmarks: no ranks for fault {self.fault.number}:\n{(self.folder / 'output').read_text()}")
            time.sleep(0.01)
        # All that was done at the start is over, and rank 0 is where it will wait.
        time.sleep(0.5)
        self.ranks = [int(file.read_text()) for file in ready]

    def strike(self):
        self.struck = time.monotonic()
        launcher, number = self.process.pid, self.fault.number
        if number == 3:
            os.kill(self.ranks[1], signal.SIGKILL)
        elif self.fault.launcher_dies:
            os.kill(launcher, signal.SIGKILL)
        elif number == 9:
            os.kill(launcher, signal.SIGTERM)
        elif number in (10, 11):
            os.killpg(launcher, signal.SIGINT)
        else:
            (self.folder / "go").touch()

    def watch(self, seen, until, every):
        """Looks every so many seconds, until the command has returned and nothing is left, or that many seconds after the fault."""
        while (now := time.monotonic() - self.struck) < until:
            if seen.returned is None and self.process.poll() is not None:
                seen.returned = now
                seen.code = self.process.returncode if self.process.returncode >= 0 else 128 - self.process.returncode
            if seen.cleared is None and not marked(self.mark.encode()):
                seen.cleared = now
            if seen.returned is not None and seen.cleared is not None:
                return
            time.sleep(every)

    def close(self, seen):
        seen.left = [name for _, name in marked(self.mark.encode())]
        end_marked(self.mark.encode())
        if self.process:
            self.process.wait()
            self.output.close()
            seen.output = (self.folder / "output").read_text(errors="replace")


def command_of(launcher, fabric, python, torchrun, fault, folder):
    if launcher == "torchrun":
        return [*torchrun, RANK, fault.number, folder]
    program = {"script": str(RANK), "python": str(python), "args": [str(fault.number), str(folder)]}
    job = folder / "job.json"
    job.write_text(json.dumps({"fabric": 1, "name": "faults", "accelerator": "cpu", "devices": 2, "program": program}))
    return [fabric, "apply", job]


def measure(fabric, python, torchrun, folder, wait):
    """All faults, of both launchers in turns. torchrun: its command for two ranks, without the script. wait: seconds after a fault at
    which what is left is counted. Yields (Fault, Seen of fabric, Seen of torchrun)."""
    alone = threading.Lock()

    def one(launcher, fault):
        own = folder / f"{launcher}-{fault.number}"
        own.mkdir(parents=True)
        trial, seen = Trial(command_of(launcher, fabric, python, torchrun, fault, own), fault, own), Seen()
        try:
            # Nobody else starts or fails meanwhile. Whoever is not done then waits, for its own grace or to be counted.
            with alone:
                trial.start()
                trial.strike()
                trial.watch(seen, min(4, wait), 0.01)
            trial.watch(seen, wait, 0.25)
        finally:
            trial.close(seen)
        said = verdict(launcher, seen.output)
        if fault.launcher_dies:
            status = [fabric, "status", own / "runs/faults/latest"]
            said = subprocess.run(status, stdout=subprocess.PIPE, text=True).stdout if launcher == "fabric" else seen.output
        seen.named = re.search(fault.cause, said, re.I) is not None
        if fault.number <= 6:
            seen.named &= re.search(r"\brank +(: )?1\b", said) is not None
        return seen

    with ThreadPoolExecutor(max_workers=8) as pool:
        trials = [(fault, pool.submit(one, "fabric", fault), pool.submit(one, "torchrun", fault)) for fault in FAULTS]
        try:
            for fault, ours, theirs in trials:
                yield fault, ours.result(), theirs.result()
        finally:
            pool.shutdown(cancel_futures=True)
