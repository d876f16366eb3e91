import json

import pytest
import torch

from lmcore.errors import InputError
from lmcore.model.config import ModelConfig
from lmcore.model.files import load_model, save_model
from lmcore.model.shape import load_shape
from lmcore.model.transformer import Transformer

CONFIG = ModelConfig(d_model=16, n_layers=1, n_heads=2, context_length=8, qk_norm=True)


@pytest.mark.parametrize("tied", [True, False])
def test_saved_model_loads_equal(tmp_path, tied):
    config = ModelConfig(d_model=16, n_layers=1, n_heads=2, context_length=8, tied_embeddings=tied)
    model = Transformer(config, 20, seed=3)
    save_model(tmp_path / "model", model)
    loaded = load_model(tmp_path / "model")
    assert loaded.config == config
    for (name, a), b in zip(model.state_dict().items(), loaded.state_dict().values(), strict=True):
        assert torch.equal(a, b), name


def test_equal_models_make_equal_bytes(tmp_path):
    for name in ("a", "b"):
        save_model(tmp_path / name, Transformer(CONFIG, 20, seed=3))
    for file in ("model.safetensors", "model.json"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


def test_folder_without_model_is_refused(tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        load_model(tmp_path)


def test_weights_of_another_shape_are_refused(tmp_path):
    save_model(tmp_path, Transformer(CONFIG, 20))
    shape = json.loads((tmp_path / "model.json").read_text())
    shape["vocab_size"] = 21
    (tmp_path / "model.json").write_text(json.dumps(shape))
    with pytest.raises(InputError, match="does not hold the weights"):
        load_model(tmp_path)


def test_unknown_format_is_refused(tmp_path):
    save_model(tmp_path, Transformer(CONFIG, 20))
    (tmp_path / "model.json").write_text(json.dumps({"format": 99}))
    with pytest.raises(InputError, match="format 99"):
        load_shape(tmp_path)
