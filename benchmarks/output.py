"""What becomes of the output of ranks: the part `output` of benchmarks/run, and the ranks that it starts (`output.py ROLE ...`)."""

import binascii
import json
import mmap
import os
import pty
import random
import signal
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path

HERE = Path(__file__).resolve()

# --- the ranks


def numbered(rank, i):
    text = f"rank {rank} line {i} of a run whose output is whole"
    return f"{text} {binascii.crc32(text.encode()):08x}\n".encode()


def write_stamps(count):
    """A line now and then, which says when it was written."""
    for _ in range(count):
        time.sleep(random.uniform(0.03, 0.09))
        os.write(1, b"%d\n" % time.monotonic_ns())


def write_numbered(count, folder):
    """Lines as fast as they go, each one write; how many are written stands in a file, whoever is killed."""
    rank = int(os.environ["RANK"])
    with open(f"{folder}/wrote-{rank}", "w+b") as file:
        file.truncate(8)
        wrote = mmap.mmap(file.fileno(), 8)
        lines = [numbered(rank, i) for i in range(count)]
        start = time.monotonic()
        for i, line in enumerate(lines):
            os.write(1, line)
            struct.pack_into("<q", wrote, 0, i + 1)
        Path(f"{folder}/seconds-{rank}").write_text(repr(time.monotonic() - start))


def write_hostile(folder):
    data = b"\x1b[2J\x1b]0;owned\x07\x1b[31mred\x1b[0m\xff\xfe\xc0\xaf\x00nul\n" + b"x" * 100_000_000 + b"\n" + b"last line\n"
    view = memoryview(data)
    for at in range(0, len(data), 1 << 20):
        os.write(1, view[at : at + (1 << 20)])
    if "RANK" in os.environ:
        time.sleep(2)  # so that whoever looks at the memory of the others sees its peak


def say_port(folder):
    rank = os.environ["RANK"]
    Path(f"{folder}/port-{rank}").write_text(os.environ["MASTER_PORT"])
    print("in", folder, flush=True)
    time.sleep(0.3)


ROLES = {"stamps": lambda count: write_stamps(int(count)), "numbered": lambda count, folder: write_numbered(int(count), folder), "hostile": write_hostile,
         "port": say_port}

# --- the measurements


class Run:
    """`fabric apply` of so many ranks of a role."""

    def __init__(self, bench, fabric, name, ranks, role, *words):
        self.folder = bench.work / name
        self.folder.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, str(HERE), role, *map(str, words)]
        job = {"fabric": 1, "name": name, "accelerator": "cpu", "devices": ranks, "program": {"command": command}}
        (self.folder / "job.json.yaml").write_text(json.dumps(job))
        self.command = [str(fabric), "apply", str(self.folder / "job.json.yaml"), "--runs", str(self.folder / "runs")]

    def start(self, out, err=subprocess.DEVNULL):
        return subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=out, stderr=err, env={**os.environ, "TERM": "xterm", "COLUMNS": "200"})

    def latest(self):
        return next((self.folder / "runs").iterdir()) / "latest"

    def log(self, rank):
        path = self.latest() / f"nodes/0/rank-{rank}.log"
        return path.read_bytes() if path.exists() else b""

    def pids(self, kind, key):
        try:
            events = [json.loads(line) for line in (self.latest() / "events.jsonl").read_text().splitlines()]
        except (OSError, StopIteration):
            return []
        return [e["detail"][key] for e in events if e["kind"] == kind]


def arrivals(source, expect):
    """Milliseconds from the writing of each stamp to its arrival here."""
    late, rest = [], b""
    while len(late) < expect:
        try:
            chunk = os.read(source, 1 << 16)
        except OSError:
            break
        now = time.monotonic_ns()
        if not chunk:
            break
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            words = line.replace(b"\r", b" ").split()
            # Behind [0:0], which has colours on a terminal.
            stamp = next((int(w) for w in words if w.isdigit() and len(w) > 9), None)
            if stamp is not None and b"0:0]" in line:
                late.append((now - stamp) / 1e6)
    return late


def latency(bench, fabric, Row, Spread):
    rounds, lines = (2, 20) if bench.quick else (10, 100)
    for place in ("pipe", "pseudo-terminal"):
        first, every = [], []
        for i in range(rounds):
            run = Run(bench, fabric, f"stamps-{place}-{i}", 1, "stamps", lines)
            reader, writer = os.pipe() if place == "pipe" else pty.openpty()
            process = run.start(writer, writer)
            os.close(writer)
            late = arrivals(reader, lines)
            # Until the end somebody reads.
            drain = threading.Thread(target=lambda: arrivals(reader, 1 << 30))
            drain.start()
            process.wait()
            drain.join()
            os.close(reader)
            if len(late) != lines:
                sys.exit(f"benchmarks: {len(late)} of {lines} lines arrived at the {place}")
            first.append(late[0])
            every += late
        every.sort()
        spread = Spread(every, 2)
        ninety_nine = every[int(0.99 * len(every))]
        yield Row(f"from a rank's write to the {place}, a line at a time", f"{spread} ms, 99 of 100 within {ninety_nine:.1f} ms", "", "99 of 100 within 20 ms",
                  ninety_nine <= 20, "fabric apply: a rank that prints the time each 30 to 90 ms")
        yield Row(f"the same, the first line of a run at the {place}", f"{Spread(first, 2)} ms", "", "within 20 ms", max(first) <= 20, "the same")


def wrote(run, rank):
    """How many lines a rank says that it has written."""
    file = run.folder / f"wrote-{rank}"
    counter = file.read_bytes() if file.exists() else b""
    return struct.unpack("<q", counter)[0] if len(counter) == 8 else 0


def check_whole(run, rank, count, killed):
    log = run.log(rank)
    told = wrote(run, rank) if killed else count
    lines = log.split(b"\n")
    whole = lines[:-1]
    if len(whole) < told or (not killed and (len(whole) > told or lines[-1] != b"")):
        return f"rank {rank} has {len(whole)} lines in its file and wrote {told}"
    for i, line in enumerate(whole):
        if line + b"\n" != numbered(rank, i):
            return f"rank {rank}, line {i}: {line[:80]!r}"
    return "" if numbered(rank, len(whole)).startswith(lines[-1]) else f"rank {rank} ends in {lines[-1][:80]!r}"


def million(bench, fabric, Row, Spread):
    ranks, count = 64, 200 if bench.quick else 15_625
    total = f"{ranks * count:,}"
    for killed in (False, True):
        run = Run(bench, fabric, f"million-{killed}".lower(), ranks, "numbered", count, bench.work / f"million-{killed}".lower())
        start = time.monotonic()
        process = run.start(subprocess.DEVNULL)
        if killed:
            half = ranks * count // 2
            while sum(wrote(run, r) for r in range(ranks)) < half and process.poll() is None:
                time.sleep(0.001)
            for pid in run.pids("node_ready", "agent_pid"):
                os.kill(pid, signal.SIGKILL)
        code = process.wait()
        seconds = time.monotonic() - start
        wrong = [w for w in (check_whole(run, r, count, killed) for r in range(ranks)) if w]
        written = sum(run.log(r).count(b"\n") for r in range(ranks))
        good = not wrong and code == (125 if killed else 0) and (0 < written if killed else written == ranks * count)
        what = f"{total} numbered lines of {ranks} ranks, " + ("the agent killed half way: each file whole to the last line that its rank wrote" if killed else "each file whole")
        yield Row(what, f"{written:,} lines, {len(wrong)} files wrong, {seconds:.1f} s" + (f" ({wrong[0]})" if wrong else ""), "", "all", good,
                  "fabric apply; kill -9 AGENT" if killed else "fabric apply")


def unread(bench, fabric, Row, Spread):
    """How long ranks take to write, with a reader of the merged view that does not read and with none: in pairs, since eight ranks on few
    cores are at the mercy of who else runs, and each pair in the other order than the one before it."""
    rounds, ranks, count = (2, 8, 5000) if bench.quick else (25, 8, 100_000)
    times = {"unread": [], "null": []}
    for i in range(rounds):
        for kind in sorted(times, reverse=i % 2 == 1):
            run = Run(bench, fabric, f"reader-{kind}-{i}", ranks, "numbered", count, bench.work / f"reader-{kind}-{i}")
            if kind == "null":
                if run.start(subprocess.DEVNULL).wait() != 0:
                    sys.exit("benchmarks: a run failed")
            else:
                reader, writer = os.pipe()
                process = run.start(writer)
                os.close(writer)
                while len(list(run.folder.glob("seconds-*"))) < ranks and process.poll() is None:
                    time.sleep(0.02)
                os.set_blocking(reader, True)
                while os.read(reader, 1 << 20):
                    pass
                os.close(reader)
                if process.wait() != 0:
                    sys.exit("benchmarks: a run failed")
            times[kind].append(max(float(p.read_text()) for p in run.folder.glob("seconds-*")))
            for r in range(ranks) if i == 0 else ():
                if wrong := check_whole(run, r, count, False):
                    sys.exit("benchmarks: " + wrong)
            subprocess.run(["rm", "-rf", run.folder], check=True)
    slow, fast = Spread(times["unread"], 2), Spread(times["null"], 2)
    ratio = Spread([a / b for a, b in zip(times["unread"], times["null"])], 2)
    yield Row(f"{ranks} ranks write {count:,} lines each, the output of `fabric apply` not read; beside, to /dev/null; {rounds} pairs", f"{slow} s, {ratio} of the other", f"{fast} s",
              "in the median no slower by a tenth", ratio.median <= 1.1, "fabric apply job | sleep; fabric apply job > /dev/null")


def pairs(bench, fabric, Row, Spread):
    rounds = 5 if bench.quick else 50
    wrong = []
    for i in range(rounds):
        run, started = {}, {}
        for side in "ab":
            folder = bench.work / f"pair-{i}-{side}"
            run[side] = Run(bench, fabric, f"pair-{i}-{side}", 2, "port", folder)
            # One name and one folder of runs for both.
            job = json.loads((folder / "job.json.yaml").read_text())
            job["name"] = "pair"
            (folder / "job.json.yaml").write_text(json.dumps(job))
            run[side].command[-1] = str(bench.work / f"pair-{i}" / "runs")
        for side in "ab":
            started[side] = run[side].start(subprocess.DEVNULL)
        codes = [started[side].wait() for side in "ab"]
        ports = {side: {(run[side].folder / f"port-{r}").read_text() for r in range(2)} for side in "ab"}
        runs = [p for p in (bench.work / f"pair-{i}/runs/pair").iterdir() if p.name != "latest"]
        said = sorted((p / f"nodes/0/rank-{r}.log").read_text() for p in runs for r in range(2))
        expected = sorted(f"in {run[side].folder}\n" for side in "ab" for _ in range(2))
        whole = all(len({(p / f"nodes/0/rank-{r}.log").read_text() for r in range(2)}) == 1 for p in runs)
        if codes != [0, 0] or len(runs) != 2 or len(ports["a"]) != 1 or len(ports["b"]) != 1 or ports["a"] == ports["b"] or said != expected or not whole:
            wrong.append(f"pair {i}: codes {codes}, ports {ports}, {len(runs)} folders")
    yield Row(f"two `fabric apply` of one name at once, {rounds} times: folders, logs and ports apart", f"{rounds - len(wrong)} of {rounds}" + (f" ({wrong[0]})" if wrong else ""), "",
              f"{rounds} of {rounds}", not wrong, "fabric apply job & fabric apply job & wait")


def hostile(bench, fabric, Row, Spread):
    run = Run(bench, fabric, "hostile", 1, "hostile", bench.work)
    expected = subprocess.run([sys.executable, HERE, "hostile", bench.work], stdout=subprocess.PIPE, env={k: v for k, v in os.environ.items() if k != "RANK"}).stdout
    with open(run.folder / "screen", "w+b") as screen:
        process = run.start(screen)
        peaks = {}
        while process.poll() is None:
            for pid in [process.pid, *run.pids("node_ready", "agent_pid"), *run.pids("node_ready", "keeper_pid")]:
                try:
                    status = Path(f"/proc/{pid}/status").read_text()
                except OSError:
                    continue
                peaks[pid] = max([peaks.get(pid, 0), *(int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmHWM"))])
            time.sleep(0.02)
        screen.seek(0)
        shown = screen.read()
    safe = not set(shown) & {0x1B, 0x00, 0x07} and b"last line" in shown and b"bytes more in the log file" in shown and len(shown) < 20_000
    try:
        shown.decode()
    except UnicodeDecodeError:
        safe = False
    same = run.log(0) == expected
    names = ("controller", "agent", "keeper")
    yield Row("escapes, invalid UTF-8, NUL bytes and a line of 100 MB: peak memory of " + ", ".join(names), ", ".join(f"{p:.0f}" for p in peaks.values()) + " MiB", "",
              "under 200 MB each, the file byte for byte, the screen clean", len(peaks) == 3 and all(p * 1.048576 < 200 for p in peaks.values()) and same and safe,
              "fabric apply; VmHWM of /proc/PID/status")


def rows(bench, fabric, Row, Spread):
    for part in (latency, million, unread, pairs, hostile):
        yield from part(bench, fabric, Row, Spread)


if __name__ == "__main__":
    ROLES[sys.argv[1]](*sys.argv[2:])
