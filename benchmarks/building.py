"""The tables of docs/building.md.

    python benchmarks/building.py --table stories [--data FOLDER] [--plot FILE]
    python benchmarks/building.py --table tunes --work FOLDER --write docs/building.md
    python benchmarks/building.py --all

Each table is a module of `building_tables/` with a function `table(data)`, which returns Markdown;
one that draws a plot, or keeps what is slow to make, also takes `plot` or `work`. The folder of
`--data` holds the small models and the texts (default: `../shared/data`, beside the checkout). With
`--write`, a table replaces what is between the markers `<!-- NAME -->` and `<!-- end NAME -->`.
"""

import building_tables
import table_pages

if __name__ == "__main__":
    more = {
        "plot": "a file to draw a plot into: .svg, .png or .pdf",
        "work": "a folder that keeps what is slow to make, such as trained models",
    }
    table_pages.main(building_tables, __doc__, more)
