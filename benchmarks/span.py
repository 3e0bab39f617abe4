"""The tables of docs/spans.md and of "Spans" in docs/performance.md.

    python benchmarks/span.py --table speed [--data FOLDER] [--write docs/performance.md]
    python benchmarks/span.py --all

Each table is a module of `span_tables/` with a function `table(data)`, which returns Markdown.
FOLDER holds the small models and the texts (default: `../shared/data`, beside the checkout). With
`--write`, a table replaces what is between the markers `<!-- NAME -->` and `<!-- end NAME -->`.
"""

import span_tables
import table_pages

if __name__ == "__main__":
    table_pages.main(span_tables, __doc__)
