"""E5 and E6: files and planning."""

from composer.diagnostics.codes.code import Code

CODES = {
    "E501": Code(
        "missing file",
        "A path starts at the folder of the file that names it. If there is no such file, the "
        "recipes of this package are searched.",
        'use "zo.ens" (A)',
        'use "zoo.ens" (A)',
    ),
    "E502": Code(
        "file outside of the project",
        "`use` and templates read only files below the root of the project: the nearest folder "
        "above the recipe with a pyproject.toml or a .git. So a recipe from elsewhere cannot read "
        "your other files. `--root FOLDER` sets another root.",
        'use "../outside.ens" (A)',
        'use "zoo.ens" (A)',
    ),
    "E503": Code(
        "file that cannot be read",
        "A recipe must be a text file in UTF-8. This file has another encoding or characters that "
        "are not text, is a folder, or may not be opened.",
    ),
    "E504": Code(
        "mistake in a data file",
        "Each row needs a `query` or `messages`, as text. A row is a JSON object, on a line of its "
        "own or in a list, or a line of CSV or TSV. The message names the line and the field. No "
        "bad row is skipped silently. Recorded answers stand in `recorded`, by model: "
        '`"recorded": {"small": {"text": "42", "cost": 0.001}}`.',
        '{"questoin": "What is 17 plus 25?"}',
        '{"query": "What is 17 plus 25?"}',
    ),
    "E505": Code(
        "model folder that cannot be used",
        "A checkpoint needs its configuration, its tokenizer and its weights in one folder. One of "
        "them is missing, damaged, or of a kind that the backend does not support.",
    ),
    "E506": Code(
        "a model or a data file has changed since the lock",
        "`compose plan RECIPE --lock` records the content of models, tokenizers and data files. "
        "A run with such a lock fails if one of them is different; the message says which. Restore "
        "it, or write the lock again to accept the change.",
    ),
    "E507": Code(
        "the fit is out of date",
        "`compose fit` writes its result beside the recipe, with the options of the part, the "
        "names of the choices and the digest of the data. One of them has changed since, so the "
        "fit no longer applies. Fit again, or delete the fit.",
    ),
    "E508": Code(
        "the fit belongs to another recipe",
        "The fit beside the recipe was made for another recipe: none of its parts and choices are "
        "in this one. Fit this recipe, or delete the file.",
    ),
    "E509": Code(
        "a part cannot be fitted, or is not fitted yet",
        "Either the recipe has no part that can be fitted, or a part of it must be fitted before "
        "it is used, or the data are not enough: a choice without outcomes, fewer rows than folds, "
        "a target that no setting reaches. The message says which.",
    ),
    "E510": Code(
        "a package is missing",
        "A part of the recipe needs a package that comes with an extra of this project, or a "
        "quantized checkpoint one that reads it, and it is not installed. The message says how to "
        "install it.",
    ),
    "E511": Code(
        "costs that are not known",
        "A policy such as `budget` or `cheapest`, or a target of cost, compares what answers cost. "
        "The cost of a choice comes from the data that the route was fitted on, else from its "
        "recorded answers, else from the `price` of its model. For the choices that the message "
        "names there is none of these. An unknown cost does not count as 0: write "
        "`price = [0, 0]` for a model that is free.",
    ),
    "E512": Code(
        "the folder for a checkpoint is not empty",
        "`compose build RECIPE --out DIR` writes into a folder that is new or empty, and changes "
        "nothing that is there. If the folder holds this very checkpoint, from this recipe and "
        "these members, the command says so and succeeds. Give another folder, or remove this one.",
    ),
    "E513": Code(
        "a model is not trained yet",
        "A model that `distill` makes is trained by `compose build RECIPE`, because that takes "
        "long: a run does not begin it. The weights lie in the cache folder then, under all that "
        "they follow from: the student, the teachers, the corpus and the options. If one of these "
        "has changed, train again. An interrupted training goes on where it was.",
    ),
    "E514": Code(
        "weights that are not finite numbers",
        "A tensor of a model contains NaN or infinity, or would contain it after a merge. In a "
        "model's own file that is damage: use a sound copy. In a merge the usual cause are "
        "coefficients that are too large, or float16, whose largest number is 65,504: use smaller "
        "coefficients, or write `dtype = float32`.",
    ),
    "E601": Code(
        "the models need too much memory",
        "Together the models of the plan need more memory than the devices have. Use a smaller "
        "`dtype`, fewer models, another device, or a server for the largest model.",
    ),
    "E602": Code(
        "unknown device",
        "A model asks for a device that this machine does not have. `device = auto` takes the best "
        "device of the machine; `compose doctor` lists all devices.",
        'model A = hf("org/name", device = cuda)',
        'model A = hf("org/name", device = auto)',
    ),
    "E603": Code(
        "a pool that does not fit on the cluster",
        "On a cluster each replica of a pool needs room on one node: its CPUs, GPUs, custom "
        "resources, and memory for its weights. No node has all of that, or the nodes have no room "
        "for the least number of replicas at once. Nothing was started. `compose plan RECIPE --ray "
        "ADDRESS` shows what each pool takes. Lower `cpus`, `gpus` or `replicas`, use a smaller "
        "`dtype`, or add nodes. A cluster that adds nodes by itself must have them before the run.",
    ),
    "E515": Code(
        "an adapter that cannot be used",
        "An adapter is read as the library peft writes LoRA: products of two small matrices that "
        "are added to layers of one base, and layers that are replaced. Other kinds of adapters, "
        "and one whose layers or tokenizer are not those of the base, are refused. Merge such an "
        "adapter into its base with peft, and name the whole model.",
        'model M = zoo("large", adapter = "maths-lora")',
        'model M = zoo("general-1", adapter = "maths-lora")',
    ),
}
