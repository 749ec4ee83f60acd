"""A recipe in words: what is trained when, at which rates, and what its paper leaves open."""

from __future__ import annotations

from collections.abc import Iterator

from evoca.lab.config.backbone import Backbone
from evoca.lab.config.models import Pretrained
from evoca.lab.config.recipe import Recipe
from evoca.lab.config.search import Choice, Search, short
from evoca.lab.config.step import Augmentation, Schedule, Step
from evoca.lab.config.summary import rate_in_words
from evoca.papers import PaperError, load_paper, published_system
from evoca.papers.published_figures import shown_setting
from evoca.words import counted

__all__ = ["Section", "in_words"]

_LOSSES = {
    "cross_entropy": "cross entropy",
    "class_balanced": "class-balanced cross entropy",
    "logit_adjusted": "cross entropy of logits adjusted by the classes' shares",
    "kl": "Kullback-Leibler divergence",
    "emd": "earth mover's distance around the wheel",
    "multi_hot": "binary cross entropy of every label",
    "polarity": "cross entropy, of the polarity too",
    "wheel": "cross entropy and distance around the wheel",
}

Section = tuple[str, list[str]]
"""A heading and its lines."""


def in_words(recipe: Recipe) -> Iterator[Section]:
    """Yield the sections that explain a recipe.

    Raises:
        RecipeError: its backbone is unknown.
    """
    merged = [f"{' and '.join(group)} are one class." for group in recipe.merge]
    yield "What it is", [recipe.summary, *_paper(recipe), *merged]
    heading, words = recipe.model.section(recipe.record_of)
    backbones = [
        _backbone(network, recipe.record_of(network), recipe.stand_ins.get(key))
        for key, network in recipe.model.slots().items()
    ]
    yield heading, [*words, *backbones, _input(recipe)]
    if recipe.steps:
        after = "" if recipe.head is None else recipe.head.in_words(after_steps=True)
        yield "Training", [*_training(recipe), *([after] if after else [])]
    elif recipe.head is not None:
        yield "Training", [recipe.head.in_words()]
    protocol = recipe.protocol
    yield (
        "Measuring",
        [
            f"{protocol.repeats} x {protocol.folds}-fold cross-validation, stratified and grouped; "
            f"prediction sets for {protocol.coverage:.0%} coverage; seed {protocol.seed}."
        ],
    )
    if recipe.search is not None:
        yield "Search", list(_searched(recipe.search))
    if recipe.published is not None:
        others = ["Of the paper's networks, not of their stand-ins:"] if recipe.stand_ins else []
        if _is_variant(recipe):
            others.append(f"Of {recipe.published}, of which this is a variant:")
        yield "Published", [*others, *_published(recipe)]
    if recipe.left_open:
        yield "Left open", [f"{topic}: {text}" for topic, text in recipe.left_open.items()]


def _searched(search: Search) -> Iterator[str]:
    chosen = search.metric.replace("_", " ")
    way = {
        "grid": "every combination",
        "random": "drawn at random",
        "tpe": "drawn where earlier trials did well (tree-structured Parzen estimator)",
    }[search.sampler]
    yield f"evoca search chooses by validation {chosen}; {way}."
    for key, what in search.settings.items():
        if isinstance(what, Choice):
            yield f"  {key}: {', '.join(map(short, what.values))}"
        else:
            scale = ", evenly in the logarithm" if what.log else ""
            yield f"  {key}: {short(what.low)} to {short(what.high)}{scale}"


def _paper(recipe: Recipe) -> list[str]:
    if recipe.paper is None:
        return []
    try:
        return [f"Follows {load_paper(recipe.paper).cited()}"]
    except PaperError:
        return [f"Follows {recipe.paper}."]


def _is_variant(recipe: Recipe) -> bool:
    """Whether the published figures are of another recipe's system."""
    system = published_system(recipe.published or "")
    figures = () if system is None else system.figures
    return recipe.name != recipe.published and not any(recipe.name in f.recipes for f in figures)


def _published(recipe: Recipe) -> list[str]:
    system = published_system(recipe.published or "")
    if system is None:
        return [f"{recipe.published}: not among the papers that ship with Evoca."]
    lines = []
    own = [figure for figure in system.figures if recipe.name in figure.recipes]
    for figure in own or system.figures:
        minutes = figure.metric == "minutes_per_epoch"
        value = f"{figure.value:.2f}" if minutes else f"{figure.value:.2%}"
        note = "".join(f"; {text}" for text in (figure.reading, figure.note) if text)
        part = "" if figure.part in {None, "test"} else f" of the {figure.part} part"
        setting = shown_setting([*figure.setting.items()])
        where = f"{figure.where}{setting and ', '}{setting}{note}"
        lines.append(f"{figure.metric.replace('_', ' ')} {value}{part} ({where})")
    lines += [
        f"{table.title}: {counted(len(table.rows), 'row')} ({table.where})"
        for table in system.tables
    ]
    return lines or ["No figure was published."]


def _backbone(options: Pretrained, record: Backbone, meant: str | None) -> str:
    recorded = str(record.weights)
    if record.facts.revisions:
        recorded += f", revision {record.weights.revision or 'not pinned'}"
    source = {"recorded": recorded, "random": "random"}.get(options.weights, options.weights)
    stand_in = f", a stand-in for {meant}" if meant else ""
    about = f"weights: {source}; {record.licence}{stand_in}"
    return f"Backbone {record.name} ({record.paper}); {about}."


def _input(recipe: Recipe) -> str:
    size = recipe.preprocessing
    ways = {"squash": "the whole picture, squashed", "cover": "cut to shape"}
    line = f"Input {size.width} x {size.height} pixels, {ways[size.resize]}, {size.filter}"
    if not recipe.model.slots():
        return f"{line}."
    own = recipe.backbone.enlarges_to(recipe.model.enlarged_side())
    if own is not None and (size.width, size.height) != (own, own):
        line += f"; the network enlarges it to {own} x {own}"
    return f"{line}."


def _training(recipe: Recipe) -> list[str]:
    lines = []
    emotions = recipe.model.predicts_emotions()
    for number, step in enumerate(recipe.steps, start=1):
        lines.append(f"{number}. {step.name}: trains {_trainable(step)}, {_rates(step)}.")
        how = _how(step, emotions)
        if number == 1 or how != _how(recipe.steps[number - 2], emotions):
            lines.append(f"   {how}.")
    if any(name.startswith("top") for step in recipe.steps for name in step.trainable):
        tops = zip(range(1, 5), recipe.backbone.tops, strict=True)
        names = (f"top{n} is {' + '.join(map(recipe.backbone.child, paths))}" for n, paths in tops)
        lines.append(f"Of this backbone, {', '.join(names)}.")
    lines.append("What a step does not train is frozen, its batch normalisation too.")
    return lines


def _trainable(step: Step) -> str:
    if "all" in step.trainable:
        return "everything"
    only = "only " if step.trainable == ("head",) else ""
    names = [name if name != "head" else "the head" for name in step.trainable]
    return only + (" and ".join([", ".join(names[:-1]), names[-1]]) if names[1:] else names[0])


def _rates(step: Step) -> str:
    own = "".join(f", {rate_in_words(rate)} for {part}" for part, rate in step.rates.items())
    return f"rate {rate_in_words(step.rate)}{own}"


def _how(step: Step, emotions: bool) -> str:
    by = step.optimiser
    name = {"adam": "Adam", "adamw": "AdamW", "sgd": "SGD"}[by.kind]
    if by.momentum:
        name += f" with {'Nesterov ' if by.nesterov else ''}momentum {by.momentum:g}"
    if by.weight_decay:
        name += f", weight decay {rate_in_words(by.weight_decay)}"
    drawn = {"shuffle": "shuffled", "weighted": "weighted by inverse class size"}[step.sampling]
    parts = [
        name,
        f"batches of {step.batch_size}, {drawn}",
        counted(step.epochs, "epoch")
        if step.stop is None
        else f"at most {counted(step.epochs, 'epoch')}",
        f"{_rate_over_time(step.schedule)}{_loss(step, emotions)}",
        "augmented by " + _augmented(step.augmentation) if step.augmentation else "not augmented",
    ]
    if step.mixup:
        parts.append(f"mixup {step.mixup:g}")
    if step.clip is not None:
        parts.append(f"gradients clipped to a norm of {step.clip:g}")
    if step.stop is not None:
        parts.append(
            f"stops after {counted(step.stop.patience, 'epoch')} without better validation "
            f"{step.stop.metric.replace('_', ' ')}, keeps the {step.stop.keep}"
        )
    return "; ".join(parts)


def _rate_over_time(schedule: Schedule) -> str:
    parts = []
    if schedule.warmup_epochs:
        parts.append(f"the rate rises over the first {_epochs(schedule.warmup_epochs)}")
    if schedule.kind == "cosine":
        end = f"{schedule.final:g} of itself" if schedule.final else "0"
        parts.append(f"the rate falls to {end} as a cosine")
    return "".join(f"{part}; " for part in parts)


def _epochs(number: float) -> str:
    return "epoch" if number == 1 else f"{number:g} epochs"


def _loss(step: Step, emotions: bool) -> str:
    """Return the name of the loss, with the options that differ from their defaults."""
    ratings = "the squared error of the ratings"
    if not emotions:
        return f"loss {ratings}"
    options = step.loss.model_dump(exclude={"kind"}, exclude_defaults=True)
    words = f"loss {_LOSSES[step.loss.kind]}"
    words += "".join(f", {name} {value:g}" for name, value in options.items())
    if step.targets == "distribution":
        words += " towards the viewers' shares"
    if step.objective == "branches":
        words += " of each branch, summed"
    if step.affect_weight:
        words += f", and {step.affect_weight:g} times {ratings}"
    return words


def _augmented(changes: tuple[Augmentation, ...]) -> str:
    return ", ".join(change.kind for change in changes)
