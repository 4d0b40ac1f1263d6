"""What a cluster costs: the parts `slurm`, `ssh`, `slurm_plan` and `scale` of benchmarks/run. The first two have a real SLURM of four nodes
and 64 real sshd, which tests/clusters starts; the others need none."""

import copy
import datetime
import json
import random
import re
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


class Cluster:
    """What a script of tests/clusters starts, for as long as this object is entered."""

    def __init__(self, work, script, *options):
        self.folder, self.script, self.options = work / script, ROOT / "tests/clusters" / script, options

    def __enter__(self):
        self.folder.parent.chmod(0o755)  # munge's daemon wants a way for all to its socket
        subprocess.run([self.script, "start", self.folder, *self.options], check=True, stdout=sys.stderr)
        return self

    def __exit__(self, *_):
        subprocess.run([self.script, "stop", self.folder], check=False, stdout=sys.stderr)

    def inside(self, command):
        """The words that run a command on the login node."""
        return [str(word) for word in (self.script, "exec", self.folder, *command)]

    def first_line(self, command, mark):
        """Seconds from the start of the command to its first line with the mark; it runs to its end."""
        process = subprocess.Popen(self.inside(command), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        start, seen, said = time.perf_counter(), None, []
        for line in process.stdout:
            said.append(line)
            if seen is None and mark in line:
                seen = time.perf_counter() - start
        if process.wait() != 0 or seen is None:
            sys.exit(f"benchmarks: {' '.join(map(str, command))} ended with {process.returncode}:\n{''.join(said)[-4000:]}")
        return seen

    def seconds_in_queue(self):
        """Of the last batch job, as slurmctld has it in its log: from its submission until it was given nodes."""
        moments = {}
        for line in (self.folder / "log/slurmctld").read_text().splitlines():
            if found := re.match(r"\[(\S+)\] .*(submit_batch_job:|sched: Allocate|Started) JobId=", line):
                moments["submitted" if "submit" in found[2] else "started"] = datetime.datetime.fromisoformat(found[1])
        return (moments["started"] - moments["submitted"]).total_seconds()

    def seconds(self, command, mark, count):
        """Seconds from the start of the command to its end, of which the way into the cluster is no part. It says the mark so many times."""
        timed = ["bash", "-c", 'begin=$EPOCHREALTIME; "$@"; code=$?; echo "took $begin $EPOCHREALTIME"; exit $code', "bash", *command]
        done = subprocess.run(self.inside(timed), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if done.returncode != 0 or done.stdout.count(mark) != count:
            sys.exit(f"benchmarks: {' '.join(map(str, command))} ended with {done.returncode}:\n{done.stdout[-4000:]}")
        begin, end = done.stdout.split("took ")[-1].split()
        return float(end) - float(begin)


def slurm(bench, fabric, Row, Spread):
    rounds = 3 if bench.quick else 15
    job = bench.work / "hello.json.yaml"
    mark = "here is rank"
    job.write_text(json.dumps({"fabric": 1, "name": "hello", "backend": "slurm", "accelerator": "cpu", "num_nodes": 4, "devices": 1, "threads": 1,
                               "program": {"command": ["sh", "-c", f"echo {mark} $RANK"]}}))
    program = bench.work / "hello.py"
    program.write_text(f"import os\nprint('{mark}', os.environ['RANK'], flush=True)\n")
    torchrun = [bench.python(), "-m", "torch.distributed.run", "--nnodes", "4", "--nproc-per-node", "1", "--rdzv-backend", "c10d", "--rdzv-endpoint", "n1:29500", program]
    ours = [fabric, "apply", job, "--runs", bench.work / "slurm-runs"]
    bare = ["srun", "-N4", "sh", "-c", f"echo {mark} $SLURM_PROCID"]
    script, said = bench.work / "hello.sbatch", bench.work / "hello.out"
    script.write_text(f"#!/bin/bash\n#SBATCH -N4 --output={said}\nsrun sh -c 'echo {mark} $SLURM_PROCID'\n")
    batch = ["sh", "-c", f": >{said}; sbatch --quiet {script} && tail -f {said} | grep -m1 '{mark}'"]
    commands = {"fabric": ours, "allocation": ["salloc", "--quiet", "-N4", *ours, "--in-allocation"], "srun": bare, "sbatch": batch,
                "torchrun": ["srun", "-N4", *torchrun]}
    times, queued, chance = {name: [] for name in commands}, [], random.Random(4)
    with Cluster(bench.work, "slurm_cluster", "--nodes", "4") as cluster:
        for turn in range(-1, rounds):
            for name, command in commands.items():
                if name == "torchrun" and turn >= 3:
                    continue
                seconds = cluster.first_line(command, mark)
                if turn >= 0:
                    times[name].append(seconds)
                if turn >= 0 and name == "fabric":
                    queued.append(cluster.seconds_in_queue())
                # Its scheduler looks into the queue each half second or second: no turn is to meet it as the last one did.
                time.sleep(chance.random())
    total, allocation, bare, batch, torchrun = (Spread(times[name], 2) for name in commands)
    ours = Spread([seconds - wait for seconds, wait in zip(times["fabric"], queued)], 2)
    yield Row("four SLURM nodes, a rank each: from command to the first line of a rank, in an allocation of its own", f"{allocation} s",
              f"srun {bare} s; torchrun under srun {torchrun} s", "at most 0.5 s more than srun", allocation.median <= bare.median + 0.5,
              "salloc -N4 fabric apply --in-allocation; srun -N4 sh; srun -N4 python -m torch.distributed.run")
    yield Row("the same by a batch job", f"{total} s; {ours} s without the wait for SLURM's scheduler, {Spread(queued, 2)} s",
              f"sbatch of a script with that srun {batch} s", "without that wait at most 0.5 s more than srun", ours.median <= bare.median + 0.5,
              "fabric apply; sbatch, and tail -f of its output")


def ssh(bench, fabric, Row, Spread):
    """Beside pdsh, and a loop of ssh in a shell; then all three once more where the user's ssh holds connections open."""
    subprocess.run([ROOT / "scripts/setup", "--no-runtime", "--packages", ROOT / "benchmarks/packages.txt"], check=True, stdout=sys.stderr)
    rounds, hosts, mark = 3 if bench.quick else 9, 64, "here is rank"
    job = bench.work / "fan.yaml"
    job.write_text(json.dumps({"fabric": 1, "name": "fan", "backend": "ssh", "accelerator": "cpu", "ssh": {"hosts": [f"h{i}" for i in range(1, hosts + 1)]},
                               "program": {"command": ["sh", "-c", f"echo {mark} $RANK"]}}))
    loop = f"for i in $(seq {hosts}); do ssh -T -x -o BatchMode=yes h$i 'echo {mark}' </dev/null & done; wait"
    commands = {"fabric": [fabric, "apply", job, "--runs", bench.work / "ssh-runs"],
                "pdsh": ["pdsh", "-R", "ssh", "-f", hosts, "-w", f"h[1-{hosts}]", f"echo {mark}"],
                "loop": ["bash", "-c", loop]}

    def in_turns(cluster):
        times = {name: [] for name in commands}
        for turn in range(-1, rounds):
            for name, command in commands.items():
                seconds = cluster.seconds(command, mark, hosts)
                if turn >= 0:
                    times[name].append(seconds)
        return [Spread(times[name], 2) for name in commands]

    with Cluster(bench.work, "ssh_hosts", "--hosts", str(hosts)) as cluster:
        cold = in_turns(cluster)
        settings = cluster.folder / "home/.ssh"
        (settings / "config").write_text(f"Host *\n  ControlPath {settings}/%n\n")
        opened = f"for i in $(seq {hosts}); do ssh -M -o ControlPersist=yes -fN h$i & done; wait"
        subprocess.run(cluster.inside(["bash", "-c", opened]), check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        warm = in_turns(cluster)
    ours, pdsh, loop = cold
    said = "fabric apply; pdsh -R ssh -f 64; bash: ssh ... & ... wait"
    yield Row(f"{hosts} hosts over ssh, a rank each: from command to exit", f"{ours} s", f"pdsh {pdsh} s; a loop of ssh {loop} s", "at most 1.4 times the faster one",
              ours.median <= 1.4 * min(pdsh.median, loop.median), said)
    ours, pdsh, loop = warm
    yield Row("the same where the user's ssh holds a connection to each open", f"{ours} s", f"pdsh {pdsh} s; a loop of ssh {loop} s", "at most 1 s", ours.median <= 1, said)


def unlike_nodes(file):
    """A description of 1,000 nodes with 8 GPUs in 64 groups of which no two are alike."""
    cluster = json.loads((ROOT / "tests/machines/server-8xh100/hardware.json").read_text())
    one, groups = cluster["groups"][0], []
    for kind in range(64):
        group = copy.deepcopy(one)
        group["count"] = 16 if kind < 40 else 15
        group["host"].update(hostname=f"kind{kind}", memory_bytes=2**40 + kind * 2**30)
        for gpu in group["host"]["gpus"]:
            gpu.update(name=f"NVIDIA H100 of {1960 + kind}", memory_bytes=80 * 2**30 + kind * 2**20)
        groups.append(group)
    file.write_text(json.dumps({**cluster, "groups": groups}))


def wide_job(bench, nodes):
    (bench.work / "train.py").touch()
    job = bench.work / f"wide-{nodes}.yaml"
    job.write_text(f"fabric: 1\nname: wide\nbackend: slurm\naccelerator: cuda\nnum_nodes: {nodes}\ndevices: 8\nthreads: 4\nprogram: {{script: train.py, args: {{lr: 0.1}}}}\n")
    return job


def slurm_plan(bench, fabric, Row, Spread):
    cluster = bench.work / "cluster.json"
    unlike_nodes(cluster)
    command = [fabric, "plan", wide_job(bench, 1000), "--render", "slurm", "--hardware", cluster]
    times = []
    for turn in range(-1, 5 if bench.quick else 20):
        start = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        if turn >= 0:
            times.append(time.perf_counter() - start)
    spread = Spread([1000 * t for t in times])
    yield Row("`fabric plan --render slurm` for 1,000 nodes of 8 GPUs, of 64 kinds", f"{spread} ms", "", "under 300 ms", spread.median < 300,
              "fabric plan wide.yaml --render slurm --hardware cluster.json")


def scale(bench, fabric, Row, Spread):
    """The real controller, and behind its carrier one process that speaks for all agents; see docs/scale.md."""
    subprocess.run([ROOT / "scripts/build", "many_agents"], check=True, stdout=sys.stderr)
    program = ROOT / "build/release/benchmarks/many_agents"
    for nodes in (64, 1000, 10000):
        cluster, plan = bench.work / "cluster.json", bench.work / f"wide-{nodes}.json"
        unlike_nodes(cluster)
        subprocess.run([fabric, "plan", wide_job(bench, nodes), "--hardware", cluster, "-o", plan], check=True, stdout=subprocess.DEVNULL)
        runs = [json.loads(subprocess.run([program, plan, "--hold", "3"], check=True, stdout=subprocess.PIPE).stdout) for _ in range(1 if bench.quick else 5)]
        stage = {name: Spread([run["when"][name]["seconds"] for run in runs], 2) for name in ("greeted", "bound", "last_rank")}
        start = stage["last_rank"]
        cpu = Spread([run["when"]["last_rank"]["cpu"] for run in runs], 2)
        memory = max(run["memory_mib"] for run in runs)
        count = runs[0]["bytes"]
        ours = (f"all agents heard after {stage['greeted']} s, all prepared after {stage['bound']} s, the last rank started after {start} s, {cpu} s of them computing; "
                f"{memory:.0f} MiB; told {count['messages_to_agents']} times, {count['to_agents'] / 1000:.1f} kB to each; "
                f"heard {count['from_agents'] / 1e6:.1f} MB, {count['per_ping'] / nodes:.0f} bytes a node for a ping")
        # Each agent reads what is said to any: it must not grow with their number.
        holds = count["to_agents"] < 20000 and (nodes < 10000 or start.median < 10)
        yield Row(f"the controller of {nodes:,} nodes of 8 ranks, their agents played by one process", ours, "", "less than 20 kB to each agent; 10,000 nodes in 10 s", holds,
                  "many_agents PLAN.json --hold 3")
