"""CPU time and memory of processes, from /proc. Seconds and bytes."""
import contextlib
import os
import pathlib
import resource

TICK = os.sysconf("SC_CLK_TCK")


def _stat(pid):
    """The fields of /proc/PID/stat behind the command's name, the state first."""
    text = pathlib.Path(f"/proc/{pid}/stat").read_text()
    return text.rsplit(")", 1)[1].split()


def cpu_seconds(pid):
    """User and system time of the process, all its threads."""
    fields = _stat(pid)
    return (int(fields[11]) + int(fields[12])) / TICK


def family_cpu_seconds(pid):
    """The same for a process and its children, those included that have ended and were waited for
    (PostgreSQL's postmaster and its backends)."""
    fields = _stat(pid)
    total = sum(int(fields[i]) for i in (11, 12, 13, 14)) / TICK
    for entry in pathlib.Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            if int(_stat(entry.name)[1]) == pid:
                total += cpu_seconds(entry.name)
        except (OSError, IndexError):
            pass  # it has just ended: its parent counts it from now on
    return total


def children(pid):
    """The ids of a process's children."""
    found = set()
    for entry in pathlib.Path("/proc").iterdir():
        with contextlib.suppress(OSError, IndexError, ValueError):
            if int(_stat(int(entry.name))[1]) == pid:
                found.add(int(entry.name))
    return found


def memory_bytes(pid, field="VmRSS"):
    """`VmRSS`: resident now; `VmHWM`: the most that ever was."""
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1]) * 1024
    raise KeyError(field)


def machine_busy_seconds():
    """What all cores together have worked, stolen time included."""
    user, nice, system, _idle, _iowait, irq, softirq, steal = (
        int(each) for each in pathlib.Path("/proc/stat").read_text().split("\n")[0].split()[1:9])
    return (user + nice + system + irq + softirq + steal) / TICK


def own_cpu_seconds():
    """This program and the load programs that it has waited for."""
    return sum(usage.ru_utime + usage.ru_stime for usage in
               (resource.getrusage(resource.RUSAGE_SELF),
                resource.getrusage(resource.RUSAGE_CHILDREN)))
