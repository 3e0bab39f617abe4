"""What a model's folder holds, read without loading its weights: no torch, no transformers.

`folder` reads a folder into a card; `faults` says what would make a run fail, or answer with other
weights than the folder's. Configuration: `config_files`, `generation`, `generation_options`,
`positions`, `dtypes`, `biases`. Tokenizer: `vocabulary` (what each id stands for), `token_bytes`,
`tokenization`, `escaping`, `fingerprint`. Chat templates: `chat`, `chatfiles`. Which tensors the
class of a model has, read out of the source of the installed transformers: `expected`,
`installed`, `constructor`, `expressions`, `blueprint`.
"""
