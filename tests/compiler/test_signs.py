"""What each sign of the language means, by what recipes answer."""


def test_a_model_answers_the_query(says):
    assert says("A") == "a"


def test_a_chain_hands_the_value_on(says):
    assert says('A -> prompt("""<{{ answer }}>""") -> say') == "<a>"


def test_a_bank_asks_every_branch_and_keeps_their_order(says):
    assert says("[A, B, C] -> shown()") == "A=a B=b C=c"


def test_branches_may_have_names(says):
    assert says("[first: A, B, second: A] -> shown()") == "first=a B=b second=a"


def test_equal_names_of_branches_are_numbered(says):
    assert says("[A, B, A] -> shown()") == "A=a B=b A#2=a"


def test_a_bank_of_one_branch_is_that_branch(says, graph):
    assert says("[A]") == "a"
    assert says("[[A]] -> cascade(B)") == "a"
    assert graph("[A, [B]] -> vote()").answer.inputs[0].inputs[1].port.name == "TEXT"


def test_a_bank_inside_a_bank_gives_its_candidates(says):
    assert says("[A, inner: [B, C]] -> shown()", plain=True) == "A=a inner.B=b inner.C=c"
    assert says("[A, inner: [B, C]] -> shown()") == "A=a inner.B=b inner.C=c"


def test_a_step_of_a_bank_may_be_a_chain(says):
    assert says('[A, prompt("""x""") -> say] -> shown()') == "A=a say=x"


def test_a_fallback_answers_when_what_stands_before_it_fails(says):
    assert says("broken | A") == "a"
    assert says("broken | broken | B") == "b"


def test_a_fallback_is_not_asked_because_an_answer_is_poor(calls):
    assert calls("B | A") == {"B": 1}


def test_a_fallback_binds_closer_than_a_chain(says, codes):
    assert says('A | B -> prompt("""{{ answer }}!""") -> say') == "a!"
    assert codes("[A, B] -> vote() | C") == ["E303"]
    assert says("([broken, B] -> vote()) | C") == "c"


def test_a_fallback_may_stand_in_a_bank_and_in_a_cascade(says):
    assert says("[either: broken | A, B] -> shown()") == "either=a B=b"
    assert says("B -> cascade(broken | A)") == "a"


def test_a_fallback_gives_what_its_first_choice_gives(codes, says):
    assert says("[broken, A] | [B, C] -> shown()") == "B=b C=c"
    assert codes("A | [B, C]") == ["E301"]


def test_a_prompt_makes_a_question_of_a_query(says):
    assert says('prompt("""{{ query }} Think.""") -> say') == "Why? Think."


def test_prompts_on_prompts_see_the_question_before(says):
    chain = 'prompt("""<{{ query }}>""") -> prompt("""[{{ query }}]""") -> say'
    assert says(chain) == "[<Why?>]"


def test_a_prompt_may_set_the_system_message(ask):
    result = ask('prompt(plain, system = "Be brief.") -> say')
    (asked,) = result.trace.events[-1].asked
    assert asked.prompt == [("system", "Be brief."), ("user", "Why?")]


def test_sampled_work_shares_nothing_but_its_let(calls, says):
    draw = "free(temperature = 1)"
    assert calls(f"[{draw}, {draw}, {draw}] -> vote()") == {"free": 3}
    assert calls(f"let d = {draw}\n[d, d, d] -> vote()") == {"free": 1}
    one, two = says(f"[{draw}, {draw}] -> shown()").split(" free#2=")
    assert one.removeprefix("free=") != two


def test_a_default_temperature_makes_separate_draws_too(calls):
    recipe = "default generate(temperature = 1)\n"
    assert calls(recipe + "[free, free] -> vote()") == {"free": 2}
    assert calls(recipe + "let d = free\n[d, d] -> vote()") == {"free": 1}


def test_greedy_work_is_done_once_wherever_it_stands(calls):
    assert calls("[free, free, free] -> vote()") == {"free": 1}
    assert calls("[free, A -> cascade(free, accept = false)] -> vote()") == {"free": 1, "A": 1}


def test_samples_of_one_step_differ(says):
    drawn = says("sample(free, 4, temperature = 1) -> shown()")
    assert len({part.split("=")[1] for part in drawn.split(" free")}) == 4


def test_two_sampling_steps_draw_apart(says):
    recipe = "[sample(free, 1), sample(free, 1)] -> shown()"
    first, second = (part.split("=")[1] for part in says(recipe).split(" sample"))
    assert first != second


def test_options_follow_a_model_that_is_called(says):
    models = 'model long = fake(says = "one two three")\n'
    assert says("long(max_tokens = 2)", models=models) == "one two"


def test_each_called_model_is_itself(says):
    each = ", ".join(f"{name}(max_tokens = 1)" for name in "ABCABC")
    assert says(f"[{each}] -> shown()") == "A=a B=b C=c A#2=a B#2=b C#2=c"


def test_arithmetic_is_done_where_a_number_is_wanted(graph):
    answer = graph("A(max_tokens = 2 * (3 + 4) - 2, temperature = -(-0.5))").answer
    assert (answer.get("max_tokens"), answer.get("temperature")) == (12, 0.5)


def test_what_an_extract_reads_is_the_answer(says):
    models = 'model long = fake(says = "so it is 42")\n'
    assert says("long -> extract(number())", models=models) == "42"
    assert says("[long, long] -> extract() -> vote()", models=models) == "42"


def test_select_and_regenerate_ask_a_model_about_answers(says):
    models = 'model two = fake(says = "number 2")\nmodel A = fake(says = "a")\n'
    models += 'model B = fake(says = "b")\n'
    assert says("[A, B] -> select(two)", models=models) == "b"
    assert says("[A, B] -> regenerate(two)", models=models) == "number 2"


def test_rank_orders_and_top_keeps_the_best(says):
    assert says("[B, A, C] -> rank() -> shown()") == "A=a C=c B=b"
    assert says("[B, A, C] -> rank() -> top(2) -> shown()") == "A=a C=c"
    assert says("[B, A, C] -> rank() -> best()") == "a"


def test_one_answer_counts_as_candidates_of_one(says):
    assert says("A -> vote()") == "a"
    assert says("A -> rank() -> best()") == "a"


def test_a_step_without_options_needs_no_brackets(says):
    assert says("[A, B, A] -> vote") == "a"
    assert says("[B, A] -> rank -> best") == "a"
