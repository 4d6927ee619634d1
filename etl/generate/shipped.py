"""The files under data/ that come with MetaLayer, all synthetic."""

from __future__ import annotations

from pathlib import Path

from etl.generate.files import CRM_HEADER, generate
from etl.generate.recipe import Recipe

SAMPLE = Recipe()
DIRTY_SAMPLE = Recipe(
    customers=500,
    sales=1_000,
    dirt=0.02,
    seed=43,
    first_customer_id=10_001,
    first_sales_id=10_001,
    known=SAMPLE,
)

LEGACY_CUSTOMERS = (
    '7001,Marta Okonkwo,marta.okonkwo7001@example.com,EAST\n7002,"O\'Hara, Sr.",ohara7002@example.org,SOUTH\n'
)
CUSTOMERS_TEST = "9001,Test Customer,test9001@example.net,CENTRAL\n"


def write_shipped_samples(data: Path) -> None:
    """Make the files of `sample` and `sample-dirty` anew below `data`, byte for byte as they are shipped."""
    generate(SAMPLE, data / "sample")
    generate(DIRTY_SAMPLE, data / "sample-dirty", suffix="_dirty")
    for name, rows in (("legacy_customers", LEGACY_CUSTOMERS), ("customers_test", CUSTOMERS_TEST)):
        (data / "sample" / "crm" / f"{name}.csv").write_bytes((CRM_HEADER + rows).encode())
