"""Small tables with a known answer, and one finished run that many claims look at."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from tripos.workflow.result import Run
from tripos.workflow.run import run


@pytest.fixture(scope="session")
def messages(sms_spam_file: Path) -> pl.DataFrame:
    """Six hundred real messages."""
    return pl.read_csv(sms_spam_file, separator="\t").head(600)


@pytest.fixture(scope="session")
def sms_run(messages: pl.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A finished run on them, as short as it gets."""
    folder = tmp_path_factory.mktemp("sms")
    table = folder / "sms.csv"
    messages.write_csv(table)
    return run(table, "label", out=folder / "runs", trials=7, verbose=False)


@pytest.fixture(scope="session")
def houses() -> pl.DataFrame:
    """A regression whose answer is known: price = 3 size + 10 garden + noise; with a leak, a key, dates and gaps."""
    random = np.random.default_rng(0)
    n = 400
    size, garden = random.uniform(20, 200, n), random.random(n) < 0.3
    price = 3 * size + 10 * garden + random.normal(0, 5, n)
    frame = pl.DataFrame(
        {
            "key": [f"h{k:05d}" for k in range(n)],
            "size": size,
            "garden": garden,
            "town": random.choice(["Ulm", "Jena", "Celle"], n),
            "sold": np.datetime64("2024-01-01") + random.integers(0, 300, n).astype("timedelta64[D]"),
            "tax": 0.05 * price,
            "country": ["DE"] * n,
            "price": price,
        }
    )
    gaps = pl.Series(random.random(n) < 0.05)
    return frame.with_columns(pl.when(gaps).then(None).otherwise(pl.col("size")).alias("size"))
