"""The soak as one self-contained HTML page: plots over its time, its faults as shades, its checks."""
import collections
import statistics

from page import GRID, STYLE, escape, svg

COLOURS = ("#2b6cb0", "#c05621", "#2f855a", "#6b46c1")
SHADES = {"few connections": "#fed7d7", "hostile: keys, lists, bodies": "#fefcbf",
          "hostile: half-open connections": "#faf089", "receiver refuses": "#e9d8fd",
          "receiver is slow": "#d6bcfa", "logs rotated, their readers stall": "#c6f6d5",
          "quiet": "#edf2f7", "SIGHUP": "#bee3f8"}
LEFT, WIDTH, HEIGHT, BOTTOM = 70, 900, 170, 40


def plot(title, series, result, floor=0.0):
    """`series`: {name: [(at, value)]}. From `floor` to a little above the highest."""
    until = result["ended"]
    top = max((value for some in series.values() for _, value in some), default=1) * 1.08 or 1

    def x(at):
        return LEFT + WIDTH * at / until

    def y(value):
        return 8 + (HEIGHT - 8) * (1 - (value - floor) / (top - floor))
    shapes = [f'<rect x="{x(begin):.1f}" y="8" width="{max(1.5, x(end or until) - x(begin)):.1f}" '
              f'height="{HEIGHT - 8}" fill="{SHADES[name]}" opacity=".55"><title>{escape(name)}'
              "</title></rect>" for name, begin, end in result["faults"]]
    for step in range(5):
        value = floor + (top - floor) * step / 4
        shapes.append(f'<line x1="{LEFT}" y1="{y(value):.1f}" x2="{LEFT + WIDTH}" '
                      f'y2="{y(value):.1f}" stroke="{GRID}"/><text x="{LEFT - 8}" '
                      f'y="{y(value) + 4:.1f}" text-anchor="end">{value:,.0f}</text>')
    for cycle in range(11):
        at = until * cycle / 10
        shapes.append(f'<text x="{x(at):.1f}" y="{HEIGHT + 16}" text-anchor="middle">'
                      f"{at / 60:.1f} min</text>")
    for number, (name, some) in enumerate(series.items()):
        colour = COLOURS[number % len(COLOURS)]
        points = " ".join(f"{x(at):.1f},{y(value):.1f}" for at, value in some)
        shapes.append(f'<polyline points="{points}" fill="none" stroke="{colour}" '
                      'stroke-width="1.4"/>'
                      f'<text x="{LEFT + 10 + 170 * number}" y="{HEIGHT + 34}" '
                      f'style="fill:{colour}">{escape(name)}</text>')
    return f"<h2>{escape(title)}</h2>" + svg(LEFT + WIDTH + 20, HEIGHT + BOTTOM, shapes, title)


def windows(some, width):
    """The answers by windows of `width` seconds."""
    found = collections.defaultdict(list)
    for each in some:
        found[int(each.at / width)].append(each)
    return sorted(found.items())


def at_share(some, share):
    values = sorted(each.ms for each in some)
    return values[min(len(values) - 1, int(len(values) * share))]


def plots(result):
    width = max(2.0, result["seconds"] / 15)
    replicas = range(len(result["samples"][0][1]))
    body = []
    for place, title in enumerate(("Resident memory, MiB", "Open files", "Threads")):
        series = {f"replica {n + 1}": [(at, states[n][place]) for at, states in result["samples"]]
                  for n in replicas}
        body.append(plot(title, series, result))
    users = [each for each in result["answers"] if not each.kind.startswith(("hostile", "probe"))
             and each.kind not in ("stream", "migrate, held up", "progress")]
    for share in (0.5, 0.95):
        series = {f"replica {n + 1}, asked itself": [
            ((number + 0.5) * width, at_share(some, share)) for number, some in
            windows([each for each in result["answers"] if each.kind == f"probe {n + 1}"], width)]
            for n in replicas}
        series["all of the users' requests"] = [((number + 0.5) * width, at_share(some, share))
                                                for number, some in windows(users, width)]
        body.append(plot(f"Latency, p{share * 100:.0f}, ms", series, result))
    everything = windows(result["answers"], width)
    body.append(plot("Answers a second", {
        "all": [((number + 0.5) * width, len(some) / width) for number, some in everything],
        "not as they should be": [((number + 0.5) * width, sum(not each.expected for each in some) /
                                   width) for number, some in everything]}, result))
    return "".join(body)


def table_of_kinds(answers):
    kinds = collections.defaultdict(list)
    for each in answers:
        kinds[each.kind].append(each)
    rows = []
    for kind, some in sorted(kinds.items()):
        statuses = collections.Counter(each.status or "none" for each in some)
        rows.append(f"<tr><td>{escape(kind)}</td><td>{len(some)}</td><td>"
                    f"{statistics.median(each.ms for each in some):.1f}</td><td>"
                    f"{at_share(some, 0.95):.1f}</td><td>{max(each.ms for each in some):.0f}</td><td>"
                    f"{escape(', '.join(f'{s}: {n}' for s, n in statuses.most_common()))}</td></tr>")
    return ("<h2>Answers</h2><div class=wide><table><tr><th>kind</th><th>answers</th><th>p50, ms</th>"
            "<th>p95, ms</th><th>most, ms</th><th>statuses</th></tr>" + "".join(rows) +
            "</table></div>")


def write(path, result):
    good = all(row["good"] for row in result["checks"])
    checks = "".join(f"<tr><td>{escape(row['name'])}</td><td style='text-align:left'>"
                     f"{'held' if row['good'] else '<b>failed</b>'}</td>"
                     f"<td style='text-align:left'>{escape(row['found'])}</td></tr>"
                     for row in result["checks"])
    shades = " ".join(f'<span style="background:{colour};padding:0 .5em">{escape(name)}</span>'
                      for name, colour in SHADES.items())
    bad = "".join(f"<tr><td>{escape(each.kind)}</td><td>{each.at:.1f}</td><td>{each.status}</td>"
                  f"<td>{each.ms:.0f}</td><td>{escape(each.code)}</td></tr>"
                  for each in result["bad"][:100])
    if bad:
        bad = ("<h2>Answers that should not have been</h2><div class=wide><table><tr><th>kind</th>"
               f"<th>s</th><th>status</th><th>ms</th><th>code</th></tr>{bad}</table></div>")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"""<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>Regroup: the soak</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><style>{STYLE}</style></head>
<body>
<h1>{result['minutes']:g} minutes of mixed load: {'it held' if good else 'it did not hold'}</h1>
<p>{escape(result['began'])}. Three replicas behind HAProxy and PgBouncer (transaction mode);
{result['rate']:g} registration groups a second and {len(result['answers']):,} answers. Ten cycles of
{result['seconds']:.0f} s with the same faults each: {shades}</p>
<div class=wide><table>{checks}</table></div>
{plots(result)}
{bad}
{table_of_kinds(result['answers'])}
</body></html>
""", encoding="utf-8")
