"""The tables of docs/voting.md: one answer from many, on recorded answers and on the zoo.

    python benchmarks/voting.py --table closed [--data FOLDER] [--write docs/voting.md]
    python benchmarks/voting.py --all

Each table is a module of `voting_tables/` with a function `table(data)`, which returns Markdown.
FOLDER holds the recorded answers (default: `../shared/data`, beside the checkout). With `--write`,
a table replaces what is between the markers `<!-- NAME -->` and `<!-- end NAME -->` of the file.
"""

import table_pages
import voting_tables

if __name__ == "__main__":
    table_pages.main(voting_tables, __doc__)
