"""`python -m benchmarks [case ...]`: measures the named cases, or all, and prints and saves their rows."""

from __future__ import annotations

import argparse

from rich.console import Console
from rich.table import Table

from benchmarks import chart, harness, readme
from benchmarks.cases import all_cases, find


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("case", nargs="*", help="names of cases; none means all")
    parser.add_argument("--list", action="store_true", help="print the names of all cases and stop")
    parser.add_argument("--busy", action="store_true", help="measure although other processes are running")
    parser.add_argument(
        "--chart", action="store_true", help="only draw the chart and write the tables from the saved rows"
    )
    options = parser.parse_args()
    console = Console()
    if options.list:
        for case in all_cases():
            console.print(f"{case.name:28s} {case.title}", highlight=False)
        return
    failed: list[str] = []
    if not options.chart:
        if not options.busy:
            harness.wait_for_quiet()
        for case in [find(name) for name in options.case] or all_cases():
            try:
                result = harness.row(case)
            except RuntimeError as error:
                failed.append(case.name)
                console.print(f"{case.name}: {error}", style="red", markup=False)
                continue
            harness.save(result)
            show(console, result)
    console.print(f"chart: {chart.draw(harness.saved_rows())}, tables: {readme.write(harness.saved_rows())}")
    if failed:
        raise SystemExit(f"no row for: {', '.join(failed)}")


def show(console: Console, row: dict) -> None:
    """One case as a small table."""
    table = Table(
        "", "median s", "ratio", "spread", "goal", "peak MiB", "threads", "quality", title=row["title"]
    )
    for name, seconds in row["seconds"].items():
        low, high = row["ratio_spread"].get(name, ("", ""))
        table.add_row(
            name,
            f"{seconds:.3g}",
            f"{row['ratio'][name]:.2f}" if name in row["ratio"] else "",
            f"{low:.2f} to {high:.2f}" if name in row["ratio_spread"] else "",
            str(row["goals"].get(name, "")),
            f"{row['peak_mib'][name]:.0f}" if "peak_mib" in row else "",
            str(row["threads"][name]),
            ", ".join(f"{key} {value:.10g}" for key, value in row["quality"].get(name, {}).items()),
        )
    console.print(table)
    if "cold_seconds" in row:
        peers = ", ".join(f"{name} {seconds:.2f} s" for name, seconds in row["peer_first_seconds"].items())
        console.print(
            f"first call: cold {row['cold_seconds']:.2f} s, cached {row['cached_seconds']:.2f} s; {peers}"
        )


if __name__ == "__main__":
    main()
