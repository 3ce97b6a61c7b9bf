"""The results as text and as JSON."""
import json

# The keys of a sample, in the order of the table's columns: its heading and how it is written.
COLUMNS = {
    "rate": ("a second", "{:,.0f}"),
    "instructions": ("thousand instructions", "{:,.0f}"),
    "each_ms": ("ms each", "{:.2f}"),
    "cpu_ms": ("server CPU ms/1000", "{:,.1f}"),
    "pg_cpu_ms": ("PostgreSQL CPU ms/1000", "{:,.1f}"),
    "p50_ms": ("p50 ms", "{:.1f}"),
    "p95_ms": ("p95 ms", "{:.1f}"),
    "p99_ms": ("p99 ms", "{:.1f}"),
    "max_ms": ("max ms", "{:.1f}"),
    "p95_409_ms": ("p95 ms of 409", "{:.1f}"),
    "with_code": ("% already-migrated", "{:.1f}"),
    "db_transactions": ("database transactions", "{:,.0f}"),
    "ready_ms": ("ready after ms", "{:.0f}"),
    "start_mib": ("MiB at start", "{:.1f}"),
    "after_mib": ("MiB after", "{:.1f}"),
    "rest_mib": ("MiB at rest", "{:.1f}"),
    "actor_bytes": ("bytes a group", "{:,.0f}"),
    "idle_cpu_percent": ("idle: % of a core", "{:.2f}"),
    "peak_mib": ("peak MiB", "{:.1f}"),
    "others": ("others' cores", "{:.2f}"),
}


def cell(sample, key):
    return COLUMNS[key][1].format(sample[key]) if key in sample else ""


def columns_of(medians):
    return [key for key in COLUMNS if any(key in each for each in medians.values())]


def one_line(sample):
    return ", ".join(f"{COLUMNS[key][0]} {cell(sample, key)}" for key in COLUMNS if key in sample)


def machine_line(results):
    machine = results["machine"]
    return (f"{machine['cores']} cores of {machine['cpu']}, {machine['memory_gib']} GiB, Linux "
            f"{machine['kernel']}, {machine['postgresql']}, fdatasync {machine['fsync_ms']} ms; "
            f"load average at the beginning {machine['load_average']}; medians of "
            f"{results['rounds']} rounds, {results['groups']:,} groups a measurement")


def write_json(path, results):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n")


def print_table(results):
    print("\n" + machine_line(results))
    for part in results["parts"].values():
        keys = columns_of(part["medians"])
        rows = [["", *(COLUMNS[key][0] for key in keys)]]
        rows += [[name, *(cell(sample, key) for key in keys)]
                 for name, sample in part["medians"].items()]
        widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
        print(f"\n{part['title']}")
        for row in rows:
            print("  " + row[0].ljust(widths[0]) + "".join(
                "  " + text.rjust(width) for text, width in zip(row[1:], widths[1:])))
        for ratio in part["ratios"]:
            goal = f"   (goal {ratio['goal']})" if ratio["goal"] else ""
            print(f"  {ratio['name']}: {ratio['value']:.2f}{goal}")
