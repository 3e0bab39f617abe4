import json
import shutil
import time
from pathlib import Path

import pytest

from composer.backends.hf import HF
from composer.checkpoints.chat import ChatTemplate, folded
from composer.checkpoints.chatfiles import chat_of
from composer.methods.template import File
from composer.specs import Chat
from composer.values import ModelError

ZOO = Path(__file__).parents[2] / "composer" / "zoo" / "models"
TOKENS = {"bos_token": "<s>", "eos_token": "</s>"}
CHATML = (
    "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}{{ eos_token }}{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
PARTS = (
    "{% for m in messages %}[{{ m.role }}]{% for part in m.content %}"
    "{% if part.type == 'text' %}{{ part.text }}{% endif %}{% endfor %}{% endfor %}[answer]"
)
ASK = [("user", "Why?")]
TALK = [("system", "Be brief."), ("user", "Hi"), ("assistant", "Ho"), ("user", "Why?")]


def template(text, **args):
    return ChatTemplate(text, "A", TOKENS, tuple(args.items()))


def test_a_conversation_is_written():
    assert template(CHATML).write(TALK) == (
        "<|system|>Be brief.</s><|user|>Hi</s><|assistant|>Ho</s><|user|>Why?</s><|assistant|>"
    )


def test_content_is_given_as_parts_to_a_template_that_walks_over_them():
    assert template(PARTS).probe.parts == {"system", "user", "assistant"}
    assert template(PARTS).write(TALK).endswith("[assistant]Ho[user]Why?[answer]")


def test_parts_are_given_to_those_roles_alone_whose_text_would_be_lost():
    text = (
        "{% if messages[0].role == 'system' %}{{ messages[0].content + '\n' }}{% endif %}"
        "{% for m in messages if m.role != 'system' %}{{ m.content[0].text }};{% endfor %}"
    )
    assert template(text).probe.parts == {"user", "assistant"}
    assert template(text).write(TALK) == "Be brief.\nHi;Ho;Why?;"


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("Answer me.", "the question"),
        ("{% for m in messages %}{{ m.content[:900] }}{% endfor %}", "the end of a long question"),
        ("{% for m in messages %}{{ m.text }}{% endfor %}", "the question"),
        (
            "{% for m in messages %}{{ m.content | replace(' ', '') }}{% endfor %}",
            "the question, or changes it",
        ),
    ],
)
def test_a_template_that_leaves_out_the_question_is_an_error(text, what):
    with pytest.raises(ModelError, match=f"leaves out {what}") as caught:
        template(text)
    assert caught.value.code == "E409"


SKIPS = "{% for m in messages if m.role != 'system' %}{{ m.role }}: {{ m.content }}\n{% endfor %}"
LAST = "{{ messages[-1].content }}"
REFUSES = (
    "{% if messages[0].role == 'system' %}{{ raise_exception('no system') }}{% endif %}" + SKIPS
)


def test_a_template_that_skips_the_system_says_so():
    skips = template(SKIPS)
    assert skips.probe.losses == {"system"}
    assert skips.write(ASK) == "user: Why?\n"
    with pytest.raises(ModelError, match="leaves out the system message") as caught:
        skips.write(TALK)
    assert caught.value.code == "E409"
    assert "fold_system" in caught.value.help
    assert skips.write(TALK, fold_system=True).startswith("user: Be brief.\n\nHi\n")


def test_a_template_that_refuses_the_system_has_it_before_the_first_question():
    assert template(REFUSES).probe.refused == "no system"
    assert template(REFUSES).write(TALK).startswith("user: Be brief.\n\nHi\n")


def test_a_template_that_reads_the_last_message_alone_says_so():
    assert template(LAST).probe.losses == {"system", "turns"}
    with pytest.raises(ModelError, match="earlier turns"):
        template(LAST).write(TALK[1:])


def test_folding_finds_the_first_question_wherever_it_stands():
    assert folded([("system", "S"), ("assistant", "A"), ("user", "U")]) == [
        ("assistant", "A"),
        ("user", "S\n\nU"),
    ]
    assert folded([("system", "S"), ("system", "T")]) == [("user", "S\n\nT")]
    assert folded(ASK) == ASK


def test_a_part_of_a_message_that_gets_lost_is_an_error():
    cuts = template("{% for m in messages %}{{ m.content.split('###')[0] }}{% endfor %}")
    assert cuts.write(ASK) == "Why?"
    with pytest.raises(ModelError, match="a part of the user message"):
        cuts.write([("user", "Why? ### Because.")])


def test_spaces_at_the_ends_may_go():
    trims = template("{% for m in messages %}{{ m.content | trim }};{% endfor %}")
    assert trims.write([("user", " Why?\n")]) == "Why?;"


def test_a_template_that_writes_json_is_taken_as_it_is():
    written = template("{{ messages | tojson }}")
    assert not written.probe.verbatim
    assert json.loads(written.write([("user", 'a "b"\n')])) == [
        {"role": "user", "content": 'a "b"\n'}
    ]


def test_an_answer_that_has_begun_is_continued():
    begun = [("user", "Why?"), ("assistant", "Because the ")]
    assert template(CHATML).write(begun) == "<|user|>Why?</s><|assistant|>Because the "
    assert template(PARTS).write(begun) == "[user]Why?[assistant]Because the "


def test_variables_are_given():
    text = CHATML + "{% if enable_thinking is false %}<think></think>{% endif %}"
    assert template(text, enable_thinking=False).write(ASK).endswith("<think></think>")
    assert not template(text).write(ASK).endswith("<think></think>")


@pytest.mark.parametrize(
    "text",
    [
        CHATML + "{% if tools %}{{ tools | tojson }}{% endif %}{% if documents %}d{% endif %}",
        (
            "{% for m in messages %}{% if m.role == 'x' %}{% continue %}{% endif %}{{ m.content }}"
            "{% endfor %}"
        ),
        "{% for m in messages %}{% generation %}{{ m['content'] }}{% endgeneration %}{% endfor %}",
        "{{ bos_token }}{{ strftime_now('%Y') }}{% for m in messages %}{{ m.content }}{% endfor %}",
        (
            "{% set ns = namespace(n = 0) %}{% for m in messages %}{% set ns.n = ns.n + 1 %}"
            "{{ ns.n ~ m.content ~ missing }}{% endfor %}"
        ),
        (
            "{% macro f(m) %}{{ m.content | trim }}{% endmacro %}{% for m in messages %}{{ f(m) }}"
            "{% endfor %}"
        ),
    ],
)
def test_what_templates_commonly_use_is_there(text):
    assert "Why?" in template(text).write(ASK)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{{ raise_exception('tools only') }}", "tools only"),
        ("{{ messages", "is not valid"),
        ("{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}", "steps"),
        ("{{ 'a' * 300000000 }}", "characters"),
        ("{% include 'x' %}", "another file"),
    ],
)
def test_a_template_that_cannot_be_used_is_told_in_words(text, why):
    before = time.thread_time()
    with pytest.raises(ModelError, match=why) as caught:
        template(text)
    assert caught.value.code == "E409"
    assert time.thread_time() - before < 1


@pytest.fixture
def folder(tmp_path):
    model = shutil.copytree(ZOO / "maths", tmp_path / "model")
    (model / "chat_template.jinja").unlink()
    return model


def configured(folder, template):
    path = folder / "tokenizer_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"chat_template": template}))


NAMED = [{"name": "rag", "template": CHATML}, {"name": "tool_use", "template": "T " + CHATML}]


@pytest.mark.parametrize("form", [NAMED, {each["name"]: each["template"] for each in NAMED}])
def test_one_of_several_templates_is_chosen_by_its_name(folder, form):
    configured(folder, form)
    assert chat_of(folder, Chat("tool_use"), "A").text.startswith("T ")
    with pytest.raises(ModelError, match="and no default: `rag`, `tool_use`") as caught:
        chat_of(folder, Chat(), "A")
    assert caught.value.code == "E409"
    with pytest.raises(ModelError, match="no chat template `tool_us`") as caught:
        chat_of(folder, Chat("tool_us"), "A")
    assert "tool_use" in caught.value.help


def test_templates_in_files_of_their_own_have_names_too(folder):
    (folder / "additional_chat_templates").mkdir()
    (folder / "additional_chat_templates" / "tool_use.jinja").write_text("T " + CHATML)
    (folder / "chat_template.jinja").write_text(CHATML)
    assert chat_of(folder, Chat(), "A").text == CHATML
    assert chat_of(folder, Chat("tool_use"), "A").text == "T " + CHATML


def test_special_tokens_may_be_written_with_options(folder):
    path = folder / "tokenizer_config.json"
    config = json.loads(path.read_text()) | {"eos_token": {"content": "<end>", "lstrip": False}}
    path.write_text(json.dumps(config | {"chat_template": CHATML}))
    assert chat_of(folder, Chat(), "A").write(ASK).count("<end>") == 1


def test_a_folder_without_a_template_has_none(folder):
    assert chat_of(folder, Chat(), "A") is None
    assert chat_of(folder, Chat("plain"), "A") is None
    with pytest.raises(ModelError, match="no chat template"):
        chat_of(folder, Chat("chat"), "A")


@pytest.mark.parametrize("odd", [3, ["x"], {"a": 1}, [{"name": "x"}]])
def test_templates_of_another_type_are_refused_in_words(folder, odd):
    configured(folder, odd)
    with pytest.raises(ModelError, match="not texts with names") as caught:
        chat_of(folder, Chat(), "A")
    assert caught.value.code == "E505"


def test_a_file_is_taken_instead_and_is_part_of_the_content(folder, tmp_path):
    own = tmp_path / "own.jinja"
    own.write_text(CHATML)
    model = HF(path=str(folder), template=File(path=str(own)))
    assert chat_of(folder, model.chat, "A").text == CHATML
    before = model.content()
    own.write_text(CHATML + " ")
    assert model.content() != before


def test_cards_say_what_is_left_out(folder):
    configured(folder, SKIPS)
    assert HF(path=str(folder)).card().losses == {"system"}
    assert HF(path=str(folder), fold_system=True).card().losses == frozenset()
    configured(folder, "no question")
    with pytest.raises(ModelError, match="the question"):
        HF(path=str(folder)).card()


def test_a_template_that_reads_the_first_message_alone_loses_questions_behind_the_system():
    assert template("{{ messages[0].content }}").probe.losses == {"system", "turns"}
    assert template("{{ messages[0].content }}").write(TALK[:2], fold_system=True) == (
        "Be brief.\n\nHi"
    )


def test_a_variable_that_is_nearly_one_of_the_template_is_refused():
    with pytest.raises(ModelError, match="has no variable `enable_thinkin`") as caught:
        template(CHATML + "{{ enable_thinking }}", enable_thinkin=False)
    assert "enable_thinking" in (caught.value.help or "")
