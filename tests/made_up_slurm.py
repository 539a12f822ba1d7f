"""A Slurm of some nodes made up on this machine: munge, a controller and a slurmd a node, which has a name, a boot and
a /tmp of its own.

Needs root, since each node is a mount namespace, and Debian's packages slurm-wlm and munge; no systemd. Slurm's parts
look for their configuration in /etc/slurm alone, so this process has one of its own there: several clusters may be up,
each of another process, and a Slurm that the machine has is not disturbed.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import random
import shlex
import shutil
import signal
import socket
import subprocess
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

from launch_case import wait_for

CONFIGURATION = Path("/etc/slurm")
CLONE_NEWNS = 0x00020000
PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "squeue", "unshare")
PORTS = range(20000, 32000)
"""Below those that a system gives to outgoing connections."""
BEGUN_AGAIN_AFTER_SECONDS = 15
"""How long Slurm holds a job back whose node has failed; its default is 120."""

SLURM_CONF = """\
ClusterName=made-up
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={port}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket,cred_expire={again}
CryptoType=crypto/munge
SlurmUser=root
SlurmdUser=root
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/%n/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/%n/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/%n/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/affinity
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
GresTypes=gpu
SchedulerType=sched/backfill
SlurmdTimeout=10
SlurmctldTimeout=20
KillWait=15
MinJobAge=300
ReturnToService=2
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=1
JobAcctGatherParams=OverMemoryKill
JobCompType=jobcomp/filetxt
JobCompLoc={folder}/jobs.txt
MpiDefault=none
{nodes}
PartitionName=all Nodes={plain} Default=YES MaxTime=INFINITE State=UP
PartitionName=gpu Nodes={with_gpus} MaxTime=INFINITE State=UP
"""


def lacks() -> str | None:
    """What this machine lacks for a cluster, with the remedy; None where it has all."""
    if os.geteuid() != 0:
        return "a cluster for tests needs root, since each node is a mount namespace"
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"])
    missing = [name for name in PROGRAMS if shutil.which(name, path=path) is None]
    if missing:
        return f"{', '.join(missing)} missing; on Debian: apt-get install --no-install-recommends slurm-wlm munge"
    if find_spec("snakemake_executor_plugin_slurm") is None:
        return "snakemake-executor-plugin-slurm missing; make .venv/slurm.stamp"
    if subprocess.run(["unshare", "--mount", "--uts", "true"], capture_output=True, check=False).returncode:
        return "unshare --mount is not permitted here"
    return None


@dataclass
class Cluster:
    """A cluster that is up. Nodes see the folders that are shared at the same place, and nothing else of /tmp."""

    folder: Path
    shared: Sequence[Path]
    nodes: dict[str, Sequence[str]]
    """Names under /dev/nvidia* that each node has; the machine's own are hidden from it."""
    daemons: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def command(self, *words: str | Path) -> str:
        """What a command of Slurm says; raises CalledProcessError."""
        return subprocess.run([*map(str, words)], check=True, capture_output=True, text=True).stdout

    def start(self) -> None:
        """Start all of it; this process and what it starts ask this Slurm from then on."""
        (self.folder / "state").mkdir(parents=True)
        key = self.folder / "munge.key"
        key.write_bytes(os.urandom(1024))
        key.chmod(0o400)
        self._configure()
        _put_over(self.folder / "etc", CONFIGURATION)
        munge = ["--foreground", "--force", "--key-file", str(key), "--socket", str(self.folder / "munge.socket")]
        files = ["--pid-file", "munge.pid", "--log-file", "munge.log", "--seed-file", "munge.seed"]
        places = [word if word.startswith("--") else str(self.folder / word) for word in files]
        self._run("munged", ["munged", *munge, *places])
        wait_for(self._unless_one_ended((self.folder / "munge.socket").exists), "munged")
        self._run("slurmctld", ["slurmctld", "-D"])
        for node in self.nodes:
            self.start_node(node)
        all_idle = self._unless_one_ended(lambda: self.idle() == set(self.nodes))
        wait_for(all_idle, f"the nodes (see {self.folder})")

    def _unless_one_ended(self, condition: Callable[[], bool]) -> Callable[[], bool]:
        """The condition, which fails with the words of a daemon that has ended."""

        def asked() -> bool:
            for name, daemon in self.daemons.items():
                assert daemon.poll() is None, f"{name}: {(self.folder / f'{name}.out').read_text()}"
            return condition()

        return asked

    def _configure(self) -> None:
        port = _free_ports(1 + len(self.nodes))
        lines = [
            f"NodeName={node} NodeHostname={node} NodeAddr=127.0.0.1 Port={port + 1 + index} CPUs=2 Boards=1 "
            f"SocketsPerBoard=1 CoresPerSocket=2 ThreadsPerCore=1 RealMemory=8000 State=UNKNOWN"
            + (f" Gres=gpu:{len(gpus)}" if gpus else "")
            for index, (node, gpus) in enumerate(self.nodes.items())
        ]
        with_gpus = [node for node, gpus in self.nodes.items() if gpus]
        text = SLURM_CONF.format(
            host=os.uname().nodename,
            folder=self.folder,
            port=port,
            again=BEGUN_AGAIN_AFTER_SECONDS,
            nodes="\n".join(lines),
            plain=",".join(node for node in self.nodes if node not in with_gpus),
            with_gpus=",".join(with_gpus),
        )
        gres = [f"NodeName={node} Name=gpu File=/dev/{gpu}\n" for node, gpus in self.nodes.items() for gpu in gpus]
        (self.folder / "etc").mkdir()
        for name, content in (("slurm.conf", text), ("gres.conf", "".join(gres))):
            (self.folder / "etc" / name).write_text(content, encoding="utf-8")

    def start_node(self, node: str) -> None:
        """Start a node as one that has just booted."""
        root = self.folder / node
        for name in ("spool", "tmp", "dev"):
            (root / name).mkdir(parents=True, exist_ok=True)
        (root / "boot_id").write_text(f"{uuid.uuid4()}\n", encoding="ascii")
        script = ["set -eu", f"hostname {node}", f"mount --bind {root}/boot_id /proc/sys/kernel/random/boot_id"]
        script += _own_dev(root / "dev", self.nodes[node])
        for place in self.shared:
            if place.is_relative_to("/tmp"):
                inside = root / "tmp" / place.relative_to("/tmp")
                inside.mkdir(parents=True, exist_ok=True)
                script.append(f"mount --bind {shlex.quote(str(place))} {shlex.quote(str(inside))}")
        script += [f"mount --rbind {root}/tmp /tmp", f"exec slurmd -D -N {node}"]
        self._run(node, ["unshare", "--mount", "--uts", "bash", "-c", "\n".join(script)])

    def login(self, gpus: Sequence[str]) -> list[str]:
        """What a command of a login node begins with that has these names under /dev/nvidia* and no others."""
        folder = self.folder / "login" / "dev"
        folder.mkdir(parents=True, exist_ok=True)
        script = "\n".join(["set -eu", *_own_dev(folder, gpus), 'exec "$@"'])
        return ["unshare", "--mount", "bash", "-c", script, "login"]

    def end_node(self, node: str) -> None:
        """The node dies, with all that runs on it."""
        daemon = self.daemons.pop(node)
        if daemon.poll() is not None:
            return
        mine = self._namespace(daemon.pid)
        for folder in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if self._namespace(int(folder.name)) == mine:
                    os.kill(int(folder.name), signal.SIGKILL)
        daemon.wait()

    @staticmethod
    def _namespace(pid: int) -> str:
        return os.readlink(f"/proc/{pid}/ns/mnt")  # noqa: PTH115  (no path)

    def processes(self, *nodes: str) -> dict[int, str]:
        """Command lines of what runs on these nodes, or on all, beside Slurm's own."""
        found = {}
        spaces = {self._namespace(self.daemons[node].pid) for node in nodes or self.nodes if node in self.daemons}
        for folder in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if self._namespace(int(folder.name)) in spaces:
                    words = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
                    found[int(folder.name)] = words
        return {pid: words for pid, words in found.items() if words and not words.startswith("slurm")}

    def idle(self) -> set[str]:
        """Nodes that wait for a job; none where nobody answers."""
        asked = ["sinfo", "-h", "-N", "-t", "idle", "-o", "%N"]
        return set(subprocess.run(asked, capture_output=True, text=True, check=False).stdout.split())

    def jobs(self) -> list[tuple[str, str, str]]:
        """Number, state and comment of each job that is there."""
        text = self.command("squeue", "-h", "-t", "all", "-o", "%i|%T|%k")
        return [(a, b, c) for a, b, c in (line.split("|", 2) for line in text.splitlines())]

    def running(self) -> list[str]:
        """Numbers of the jobs that run."""
        return [number for number, state, _ in self.jobs() if state == "RUNNING"]

    def node_of(self, number: str) -> str:
        """Where a job runs."""
        return self.command("squeue", "-h", "-j", number, "-o", "%N").strip()

    def _run(self, name: str, command: list[str]) -> None:
        with (self.folder / f"{name}.out").open("ab") as out:
            environment = {**os.environ, "PATH": f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin"}
            self.daemons[name] = subprocess.Popen(command, stdout=out, stderr=out, env=environment)

    def stop(self) -> None:
        for node in self.nodes:
            if node in self.daemons:
                self.end_node(node)
        for daemon in self.daemons.values():
            daemon.terminate()
            daemon.wait()


def _put_over(folder: Path, place: Path) -> None:
    """Let this process, and what it starts from now on, see the folder at that place; nobody else does."""
    place.mkdir(exist_ok=True)
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNS):
        raise OSError(ctypes.get_errno(), "unshare")
    for words in (["--make-rprivate", "/"], ["--bind", str(folder), str(place)]):
        subprocess.run(["mount", *words], check=True)


def _free_ports(number: int) -> int:
    """The first of so many ports in a row that nobody listens on."""
    while True:
        first = random.choice(PORTS)
        with contextlib.ExitStack() as held, contextlib.suppress(OSError):
            for port in range(first, first + number):
                held.enter_context(socket.socket()).bind(("127.0.0.1", port))
            return first


def _own_dev(folder: Path, gpus: Sequence[str]) -> list[str]:
    """Commands for a /dev without the machine's GPU files, and with those of the node."""
    return [
        f"mount -t tmpfs none {folder}",
        f"for file in /dev/*; do case $file in /dev/nvidia*) continue;; esac; place={folder}/${{file#/dev/}}",
        'if [ -L "$file" ]; then cp -d "$file" "$place"; continue; fi',
        'if [ -d "$file" ]; then mkdir "$place"; else touch "$place"; fi; mount --rbind "$file" "$place"; done',
        *(f"mknod {folder}/{gpu} c 1 3" for gpu in gpus),
        f"mount --rbind {folder} /dev",
    ]


@contextlib.contextmanager
def cluster(folder: Path, shared: Sequence[Path], nodes: dict[str, Sequence[str]]) -> Iterator[Cluster]:
    """A cluster inside, whose files lie in folder, outside of /tmp; afterwards nothing of it runs."""
    made = Cluster(folder, shared, nodes)
    try:
        made.start()
        yield made
    finally:
        made.stop()
