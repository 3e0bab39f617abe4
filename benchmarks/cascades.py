"""The tables of docs/cascades.md: what cascades save, on recorded answers and on the zoo.

    python benchmarks/cascades.py --table signals [--data FOLDER] [--write docs/cascades.md]
    python benchmarks/cascades.py --all

Each table is a module of `cascade_tables/` with a function `table(data)`, which returns Markdown.
FOLDER holds the recorded answers (default: `../shared/data`, beside the checkout). With `--write`,
a table replaces what is between the markers `<!-- NAME -->` and `<!-- end NAME -->` of the file.
"""

import cascade_tables
import table_pages

if __name__ == "__main__":
    table_pages.main(cascade_tables, __doc__)
