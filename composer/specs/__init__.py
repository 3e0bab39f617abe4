"""What a model is: a frozen value that checks itself, says what it can do, and opens nothing.

There are eleven kinds. One set of weights, or one server, is a Checkpoint: Declared by a recipe
with a backend and its options (`models.py`, `declaration.py`), or Derived from the files of others
(`derived.py`): a Merge (`merges.py`), a Stack of layers (`stacks.py`), a Mixture of experts
(`mixtures.py`), a Distilled student (`distilled.py`). A Prompted model reads a prompt of its own. A
Fuse has members that write one answer together: TokenFuse (`fuses.py`), SpanFuse, ByteFuse,
StringFuse and Handoff (`text_fuses.py`). A RewardEnsemble (`rewards.py`) has members that reward
answers together.

The parts of a fuse, such as an alignment, are described in `parts.py`. What a model's files say is
read by `headers.py`, `json_files.py` and `content.py`, without loading it. The engine and the
backends open a model when it is first asked.
"""

from composer.specs.declaration import Chat, Declaration, Local, Remote, TokenAccess, Weights
from composer.specs.derived import Derived
from composer.specs.distilled import Distilled
from composer.specs.fuses import Fuse, TokenFuse, WeightedFuse
from composer.specs.merges import Merge
from composer.specs.mixtures import Mixture
from composer.specs.models import (
    Checkpoint,
    Declared,
    Prompted,
    bare,
    leaves,
    member_names,
    prompts,
    readers,
    thinking_of,
    vocabulary,
)
from composer.specs.option_models import (
    CapabilityByOptions,
    OptionModel,
    models_in,
    option_models,
    with_models,
)
from composer.specs.problems import SpecError, SpecProblem
from composer.specs.rewards import RewardEnsemble
from composer.specs.stacks import Stack
from composer.specs.text_fuses import ByteFuse, Handoff, SpanFuse, StringFuse
from composer.specs.token_details import missing_detail
from composer.specs.tuned_rewards import TunedReward

__all__ = [
    "ByteFuse",
    "CapabilityByOptions",
    "Chat",
    "Checkpoint",
    "Declaration",
    "Declared",
    "Derived",
    "Distilled",
    "Fuse",
    "Handoff",
    "Local",
    "Merge",
    "Mixture",
    "OptionModel",
    "Prompted",
    "Remote",
    "RewardEnsemble",
    "SpanFuse",
    "SpecError",
    "SpecProblem",
    "Stack",
    "StringFuse",
    "TokenAccess",
    "TokenFuse",
    "TunedReward",
    "WeightedFuse",
    "Weights",
    "bare",
    "leaves",
    "member_names",
    "missing_detail",
    "models_in",
    "option_models",
    "prompts",
    "readers",
    "thinking_of",
    "vocabulary",
    "with_models",
]
