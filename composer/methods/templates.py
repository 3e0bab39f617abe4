"""The templates that come with the project, by the names that recipes use."""

from __future__ import annotations

from composer.methods.template import Template

_AGGREGATE = """
You have been given several responses to the question below, written by different language \
models. Synthesise them into one response of high quality.

Judge what they say critically: some of it may be biased, incomplete or wrong, and an answer that \
many give is not right for that alone. Do not copy one of them, and do not write about them. Give \
an accurate, complete and well-ordered answer of your own, in the form that the question asks for.

Responses:
{% for a in answers %}

{{ loop.index }}. {{ a.text }}
{% endfor %}

Question:
{{ query }}
"""

_ANALYSE = """
Several assistants have answered the question below, each without seeing the others. Compare their \
responses. Do not answer the question yourself, and do not say which response is best.

Question:
{{ query }}
{% for a in answers %}

Response {{ loop.index }}:
{{ a.text }}
{% endfor %}

Write a JSON object with these five keys, each a list of short sentences, empty where there is \
nothing to say:

"consensus": what the responses agree on
"contradictions": where they contradict each other; name what each of them says
"partial_coverage": what only some of them treat
"unique_insights": what is right and useful, and only one of them says
"blind_spots": what the question needs and none of them says

Write only the JSON object.
"""

_SYNTHESIS = """
Several assistants have answered the question below, each without seeing the others. Write one \
answer that is better than each of theirs.

Question:
{{ query }}
{% for a in answers %}

Response {{ loop.index }}{% if a.score is not none %}, score {{ "%.3g" | format(a.score) }}\
{% endif %}:
{{ a.text }}
{% endfor %}
{% if answers[0].score is not none %}

The higher the score of a response, the more it can be trusted.
{% endif %}
{% if analysis %}

A comparison of these responses:

{{ analysis }}
{% endif %}

Judge what the responses say critically: what many of them say is not right for that alone. Keep \
what is right, settle the contradictions, fill the gaps. Do not write about the responses. Write \
only the answer, in the form that the question asks for.
"""

_ROUNDS = """
You are given a question and several responses to it, written by assistants who did not see each \
other's work.

Question:
{{ query }}
{% for a in answers %}

Response {{ loop.index }}:
{{ a.text }}
{% endfor %}

Use the responses as material: check their steps, keep what holds, and leave out what is wrong, \
also where many say it. Then answer the question yourself, in full and in the form that it asks for.
"""

_DEBATE = """
Question:
{{ query }}
{% for a in answers[:-1] %}

Another assistant has answered:
{{ a.text }}
{% endfor %}
{% if answer %}

Your own answer so far:
{{ answer }}
{% endif %}

Consider the reasons that the others give, as critically as your own. Then answer the question \
again, in the form that it asks for: keep your answer where it is right, change it where it is not.
"""

_REFERENCES = """
You have been given several responses to the latest question of the user, written by different \
language models. Synthesise them into one response of high quality. Judge what they say \
critically: some of it may be biased or wrong. Do not copy one of them; give an accurate, complete \
and well-ordered answer of your own, in the form that the question asks for.

Responses from models:
{% for a in answers %}
{{ loop.index }}. {{ a.text }}
{% endfor %}
"""

_MERGE = """
Instruction:
{{ query }}

Candidate answers, best first:
{% for a in answers %}

Candidate {{ loop.index }}:
{{ a.text }}
{% endfor %}

Fuse the candidates into one answer to the instruction that is better than each of them. Trust \
the earlier ones more, keep what is right, mend what is wrong, leave out what repeats. Write only \
the answer.
"""

_GENFUSER = """\
Instruction: {{ query | replace("</s>", " ") }}</s>\
Input: {{ fields.input | default("") | replace("</s>", " ") }}</s>\
{% for a in answers %}\
Candidate {{ loop.index0 }}: <extra_id_{{ loop.index0 }}>:{{ a.text | replace("</s>", " ") }}</s>\
{% endfor %}\
Summarize candidates into a better one for the given instruction:"""

_REFINE = """
Question:
{{ query }}

An earlier answer:
{{ answer }}

Check the earlier answer step by step. If it is right and complete, give it again; if not, give \
the corrected answer. Write only the answer, in the form that the question asks for.
"""

_SELECT = """
I have generated the following responses to the question: {{ query }}
{% for a in answers %}

Response {{ loop.index }}:
{{ a.text }}
{% endfor %}

Evaluate these responses. Select the one that agrees best with the majority of them. Write only \
its number.
"""

_JUDGE_PAIR = """
Compare two answers to one question. Judge whether they are correct first, then whether they do \
what was asked, then how clear they are. Their order and their length must not matter.

[Question]
{{ query }}

[Answer A]
{{ answers[0].text }}
[End of answer A]

[Answer B]
{{ answers[1].text }}
[End of answer B]

Give your reason in one or two sentences. Then end with [[A]] if answer A is better, [[B]] if \
answer B is better, or [[C]] if they are equally good.
"""

_SAME_MEANING = """
Compare two answers to one question. Judge whether they mean the same: whether somebody who asks \
the question learns the same from both. Their wording, their order and their length must not matter.

[Question]
{{ query }}

[Answer A]
{{ answers[0].text }}
[End of answer A]

[Answer B]
{{ answers[1].text }}
[End of answer B]

Give your reason in one sentence. Then end with [[yes]] if they mean the same, or [[no]] if they \
do not.
"""

_JUDGE_SCORE = """
Judge an answer to a question: whether it is correct first, then whether it does what was asked, \
then how clear it is. Its length must not matter.

[Question]
{{ query }}

[Answer]
{{ answer }}
[End of the answer]

Give your reason in one or two sentences. Then end with a grade from 1 (worthless) to \
{{ fields.scale | default(10) }} (could not be better) in double brackets, such as [[5]].
"""

_PEER_REVIEW = """
Grade {{ answers | length }} answers to one question, each by itself: whether it is correct first, \
then whether it does what was asked and leaves nothing out, then how clear it is. Their order and \
their length must not matter.

[Question]
{{ query }}
{% for a in answers %}

[Answer {{ loop.index }}]
{{ a.text }}
[End of answer {{ loop.index }}]
{% endfor %}

A grade goes from 1 (worthless) to {{ fields.scale | default(5) }} (could not be better). Give \
your reason for each answer in one sentence. Then end with the grades in the order of the answers, \
in double brackets and with commas between them, such as \
[[{% for a in answers %}{{ "3" if loop.index is odd else "4" }}{{ "" if loop.last else ", " }}\
{% endfor %}]].
"""

_JUDGE_ANSWER = """
Judge whether an answer to a question is right. Its wording, its order and its length must not \
matter{% if fields.reference %}: it is right if it means the same as the reference{% endif %}.

[Question]
{{ query }}
{% if fields.reference and not fields.swapped %}

[Reference]
{{ fields.reference }}
[End of the reference]
{% endif %}

[Answer]
{{ answer }}
[End of the answer]
{% if fields.reference and fields.swapped %}

[Reference]
{{ fields.reference }}
[End of the reference]
{% endif %}

Give your reason in one or two sentences. Then end with [[right]] or [[wrong]].
"""

_SUBQUESTION = """
{{ query }}
{% for a in answers | default([]) %}

Q: {{ a.name }}
A: {{ a.text }}
{% endfor %}

Q: {{ fields.subquestion }}
A:"""

_VERIFY = """
Question:
{{ query }}

Proposed answer:
{{ answer }}

Is the proposed answer correct? Reply with yes or no.
"""

_DEMONSTRATIONS = """
{% for pair in fields.solved %}
Question:
{{ pair.query }}

Answer:
{{ pair.answer }}

{% endfor %}
Question:
{{ query }}

Answer:
"""

_EARLIER_ANSWER = """
{{ query }}

Another assistant has answered this:
{{ answer }}

That answer may be wrong or incomplete. Use what is right in it, and give the full answer \
yourself, in the form that the question asks for.
"""

_DIALOGUE = """
Answer the question below. You may ask assistants for help. They see only what you write to them, \
not the question.

Think first, between <think> and </think>. Then do one of two things:

1. Ask an assistant: <search>Name: what you ask</search>. The reply will come between \
<information> and </information>.
2. Give the final answer alone: <answer>the answer</answer>.

The assistants:
{% for m in fields.members %}
- {{ m.name }}: {{ m.description }}
{% endfor %}

Question:
{{ query }}
{% if fields.dialogue %}

What you have written so far, and what came back:
{{ fields.dialogue }}
{% endif %}

{% if fields.left %}
You can ask {{ fields.left }} more time{{ "" if fields.left == 1 else "s" }}.
{% else %}
You cannot ask any more. Give the final answer now.
{% endif %}
"""

_THINKER = """
Plan how to answer the question below. Somebody else will carry out the plan.

Question:
{{ query }}
{% if fields.work %}

The answer so far:
{{ fields.work }}
{% endif %}
{% if fields.critique %}

What a reviewer says of it:
{{ fields.critique }}
{% endif %}

Write down in a few short steps what has to be done. Do not answer the question yourself.
"""

_WORKER = """
{{ query }}
{% if fields.plan %}

A plan for the answer:
{{ fields.plan }}
{% endif %}
{% if fields.work %}

The answer so far:
{{ fields.work }}
{% endif %}
{% if fields.critique %}

What a reviewer says of it:
{{ fields.critique }}
{% endif %}
{% if fields.plan or fields.work %}

Use what is right in this, and give the full answer yourself, in the form that the question asks \
for.
{% endif %}
"""

_VERIFIER = """
Check an answer to a question, step by step.

[Question]
{{ query }}

[Answer]
{{ fields.work }}
[End of the answer]

Say in a few sentences what is wrong or missing. Then end with [[accept]] if the answer is right \
and complete, or with [[continue]] if it is not.
"""

_JUDGE_STEP = """
Judge the beginning of an answer to a question: whether its last step is correct, and whether it \
leads to the answer. More steps may follow.

[Question]
{{ query }}

[Beginning of the answer]
{{ answer }}
[End of the last step]

Give your reason in one or two sentences. Then end with a grade from 1 (wrong) to \
{{ fields.scale | default(10) }} (certainly right) in double brackets, such as [[5]].
"""

_AFFIRM_STEP = """
Here is the beginning of an answer to a question. Is its last step right? Answer Yes or No.

[Question]
{{ query }}

[Beginning of the answer]
{{ answer }}
[End of the last step]
"""

TEMPLATES: dict[str, Template] = {
    "affirm_step": Template(text=_AFFIRM_STEP),
    "aggregate": Template(text=_AGGREGATE),
    "analyse": Template(text=_ANALYSE),
    "debate": Template(text=_DEBATE),
    "demonstrations": Template(text=_DEMONSTRATIONS),
    "dialogue": Template(text=_DIALOGUE),
    "earlier_answer": Template(text=_EARLIER_ANSWER),
    "genfuser": Template(text=_GENFUSER),
    "judge_answer": Template(text=_JUDGE_ANSWER),
    "judge_pair": Template(text=_JUDGE_PAIR),
    "judge_score": Template(text=_JUDGE_SCORE),
    "judge_step": Template(text=_JUDGE_STEP),
    "merge": Template(text=_MERGE),
    "peer_review": Template(text=_PEER_REVIEW),
    "plain": Template(text="{{ query }}"),
    "references": Template(text=_REFERENCES),
    "refine": Template(text=_REFINE),
    "same_meaning": Template(text=_SAME_MEANING),
    "rounds": Template(text=_ROUNDS),
    "select": Template(text=_SELECT),
    "subquestion": Template(text=_SUBQUESTION),
    "synthesis": Template(text=_SYNTHESIS),
    "thinker": Template(text=_THINKER),
    "verifier": Template(text=_VERIFIER),
    "verify": Template(text=_VERIFY),
    "worker": Template(text=_WORKER),
}
"""The shipped templates: `aggregate` after Mixture of Agents (arXiv:2406.04692), `references` the
same for its system message, `rounds` after PaCoRe (arXiv:2601.05593), `debate` after
arXiv:2305.14325, `merge` after LLM-Blender (arXiv:2306.02561), `genfuser` as the fuser of its
authors reads it, `select` after universal self-consistency (arXiv:2311.17311), `refine` after one
answer, `analyse` and `synthesis` of a panel of models, `judge_answer`, `judge_pair` and
`judge_score` after MT-Bench (arXiv:2306.05685), `judge_step` and `affirm_step` of the steps of an
answer, `peer_review` after LLM-PeerReview
(arXiv:2512.23213), `subquestion` after least-to-most prompting (arXiv:2205.10625), `same_meaning`
of two answers, `verify` after AutoMix (arXiv:2310.12963), `earlier_answer` after DER
(arXiv:2412.07448), `dialogue` for the router of Router-R1
(arXiv:2506.09033), `thinker`, `worker` and `verifier` for the roles of TRINITY (arXiv:2512.04695),
`demonstrations` after EcoAssistant (arXiv:2310.03046), and `plain`, the
question itself."""
