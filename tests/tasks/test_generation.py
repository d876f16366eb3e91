"""Completions come only from models that are as they were committed."""

import pytest
from factories import commit, make_store, record_run

from flows.cli import main
from lmcore.errors import InputError
from lmcore.model.config import ModelConfig
from lmcore.model.files import save_model
from lmcore.model.huggingface import write_huggingface
from lmcore.model.transformer import Transformer
from lmcore.tokenizer import formats
from lmcore.tokenizer.config import TokenizerConfig
from lmcore.tokenizer.gpt2 import write_gpt2_files
from lmcore.tokenizer.train import train_bpe
from tasks.generation import complete, model_folders
from warehouse.artifact import Artifact

CONTEXT = 32
OPTIONS = {"model": "base", "max_new_tokens": 4, "temperature": 0.7, "seed": 0}


def files_under(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Files of a small tokenizer and of a model over its vocabulary."""
    folder = tmp_path_factory.mktemp("made")
    tokenizer = train_bpe(["a page of the web " * 20], TokenizerConfig(vocab_size=270))
    config = ModelConfig(d_model=16, n_layers=1, n_heads=1, context_length=CONTEXT)
    for name in ("tokenizer", "model"):
        (folder / name).mkdir()
    tokenizer.save(folder / "tokenizer")
    model = Transformer(config, tokenizer.vocab_size)
    save_model(folder / "model", model)
    return files_under(folder / "tokenizer"), files_under(folder / "model")


@pytest.fixture
def models(tmp_path, made):
    """A store with one run, and its artifacts by kind."""
    store = make_store(tmp_path / "store")
    found = {
        "tokenizer": commit(store, "tokenizer", files=made[0]),
        "pretrain": commit(store, "pretrain", files=made[1]),
    }
    record_run(store, found.values(), recipe="my recipe.toml")
    return store, found


def damage(artifact: Artifact):
    path = artifact.path / artifact.manifest.files[0].path
    path.write_bytes(b"\x07" * path.stat().st_size)
    return path


def test_complete_continues_a_text(models):
    text = complete(models[0], "a page", **OPTIONS)
    assert text.startswith("a page")
    assert complete(models[0], "a page", **OPTIONS) == text


@pytest.mark.parametrize("kind", ["tokenizer", "pretrain"])
def test_damaged_artifact_is_refused_and_kept(models, capsys, kind):
    store, found = models
    path = damage(found[kind])
    assert main(["generate", "hi", "--model", "base", "--store", str(store.root)]) == 2
    message = capsys.readouterr().err
    assert message.startswith(f"c2m: Found {path} with sha256 ")
    assert message.endswith(
        "run `c2m run 'my recipe.toml'` again: it rebuilds what is damaged or gone.\n"
    )
    assert message.count("\n") == 1
    assert path.exists()


def test_artifact_gone_is_refused(models):
    store, found = models
    store.discard("pretrain", found["pretrain"].key)
    with pytest.raises(InputError, match="Found no artifact pretrain .* again"):
        model_folders(store, "base")


def test_model_that_no_run_made_is_refused(models):
    with pytest.raises(
        InputError, match="no run that made the model grpo .*choose base, which runs made"
    ):
        model_folders(models[0], "grpo")


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"max_new_tokens": 0}, "Found --tokens 0; expected at least 1; "),
        ({"temperature": -1.0}, "Found --temperature -1.0; expected a number, 0 or more; "),
        ({"temperature": float("nan")}, "Found --temperature nan; expected a number"),
        ({"seed": -1}, "Found --seed -1; expected 0 to "),
        (
            {"max_new_tokens": 99},
            f"Found --tokens 99 after a prompt of .* reads {CONTEXT} in all; ",
        ),
    ],
)
def test_option_out_of_range_is_refused_in_three_parts(models, changed, message):
    with pytest.raises(InputError, match=message):
        complete(models[0], "a page", **(OPTIONS | changed))


def test_prompt_and_tokens_fill_the_context_to_its_end(models):
    with pytest.raises(InputError) as caught:
        complete(models[0], "a page", **(OPTIONS | {"max_new_tokens": 99}))
    room = int(str(caught.value).split("at most ")[1].split(",")[0])
    complete(models[0], "a page", **(OPTIONS | {"max_new_tokens": room}))
    with pytest.raises(InputError, match=f"at most {room},"):
        complete(models[0], "a page", **(OPTIONS | {"max_new_tokens": room + 1}))


def test_prompt_longer_than_the_context_is_refused(models):
    with pytest.raises(InputError, match=f"expected at most the {CONTEXT} .*; shorten it"):
        complete(models[0], "xyz " * 40, **OPTIONS)


GPT2 = {"norm": "layer", "activation": "gelu", "positions": "learned", "biases": True}


@pytest.fixture(params=["gpt2", "llama"])
def folder(request, tmp_path):
    """A model in another library's layout; the GPT-2 has the two files of its first tokenizer."""
    is_gpt2 = request.param == "gpt2"
    config = TokenizerConfig(vocab_size=270, pattern="gpt2", special_tokens=("<|endoftext|>",))
    tokenizer = train_bpe(["a page of the web " * 20], config)
    shape = {"d_model": 16, "n_layers": 1, "n_heads": 1, "context_length": CONTEXT}
    network = Transformer(ModelConfig(**shape, **(GPT2 if is_gpt2 else {})), tokenizer.vocab_size)
    out = tmp_path / "out"
    write_huggingface(out, network, eos_id=tokenizer.eot_id)
    if is_gpt2:
        write_gpt2_files(tokenizer, out / "vocab.json", out / "merges.txt")
    else:
        formats.write_huggingface(tokenizer, out)
    return out


def test_model_of_another_library_continues_a_text(folder, tmp_path, capsys):
    asked = ["generate", "a page", "--model", str(folder), "--tokens", "5"]
    assert main([*asked, "--store", str(tmp_path / "no store")]) == 0
    assert capsys.readouterr().out.startswith("a page")
    assert not (tmp_path / "no store").exists()


def test_model_of_no_run_and_no_folder_is_refused(models):
    with pytest.raises(InputError, match="Found no model 'gpt5'; expected one of base, sft, dpo"):
        complete(models[0], "a page", **(OPTIONS | {"model": "gpt5"}))


def test_model_of_another_library_without_tokenizer_is_refused(models, folder):
    for name in ("tokenizer.json", "vocab.json"):
        (folder / name).unlink(missing_ok=True)
    with pytest.raises(InputError, match=r"tokenizer\.json unusable"):
        complete(models[0], "a page", **(OPTIONS | {"model": str(folder)}))


def test_tokenizer_larger_than_the_model_is_refused(models, folder):
    network = Transformer(ModelConfig(d_model=16, n_layers=1, n_heads=1), 30)
    write_huggingface(folder, network)
    with pytest.raises(InputError, match="270 tokens beside a model of 30"):
        complete(models[0], "a page", **(OPTIONS | {"model": str(folder)}))
